"""What `--no-room` leaves no place for: a page that connects by itself meets no room, no probe and no media server.

Each such setting is refused with what to do about it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.model.redaction import redacted

OF_A_ROOM = ("{livekit_url}", "{token}", "{room}")
SCHEMES = ("http", "https", "file")


def refuse_what_needs_a_room(given: Iterable[tuple[str, bool, str]]) -> None:
    """`given`: (option as it stands on the command line, whether it was given, why it needs a room). Raises UsageError."""
    for option, was_given, why in given:
        if was_given:
            raise UsageError(f"--no-room: {option} {why}; leave one of the two out")


def check_page(page: str | None, command: str | None) -> None:
    """`command`: of the agent's program. Raises UsageError for no page, or one that asks for what no call without a room has."""
    if page is None:
        raise UsageError("--no-room: needs --page URL, the page that connects to its agent by itself")
    asked = [name for name in OF_A_ROOM if name in page]
    if asked:
        raise UsageError(
            f"--no-room: --page {redacted(page)!r} asks for {' and '.join(asked)}, and there is no room to join; leave "
            "--no-room out, or give the page's URL without"
        )
    if urlsplit(page).scheme not in SCHEMES:
        raise UsageError(f"--page {redacted(page)!r}: expected a URL that begins with http://, https:// or file://")
    if "{port}" in page and command is None:
        raise UsageError(
            f'--page {redacted(page)!r}: {{port}} is that of the program of --agent "command: …", and none is started'
        )
    if command is None or "{port}" in command:
        return
    if "{port}" in page:
        raise UsageError(
            f"--page {redacted(page)!r} is opened when the program of --agent answers at {{port}}, which its command does not "
            "say: put {port} into the command, or the program's own port into the page's URL"
        )
    if urlsplit(page).scheme == "file":
        raise UsageError(
            f"--page {redacted(page)!r} is a file, so nothing tells when the program of --agent can be called: put {{port}} "
            "into the command, which is then to answer there, and into the page's URL, behind a question mark"
        )


def check_command_of_page(command: str) -> None:
    """Raises UsageError for a command that asks for a room."""
    asked = [name for name in OF_A_ROOM if name in command]
    if asked:
        raise UsageError(f"--no-room: the command of --agent asks for {' and '.join(asked)}, and there is no room")
