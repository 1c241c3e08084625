"""The verb `check`: what was heard in one recording of a conversation, in a terminal and as one HTML file.

Offline, with no configuration; nothing is judged. Exit status 0 measured; 2 a wrong file or option; 3 something could not be
measured (both voices on one channel, no answer timed), or is not to be believed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.recorded_call import (
    NOT_MEASURED,
    CallArgument,
    IdOption,
    OutOption,
    ReportOption,
    UserOption,
    hear,
    show,
    write_adopted,
)
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.listen.check.heard import HeardCall


def check_command(
    call: CallArgument,
    user: UserOption = None,
    report: ReportOption = None,
    pin: Annotated[
        int | None, typer.Option(help="Make a case of the moment with this number.", metavar="N", min=1)
    ] = None,
    out: OutOption = Path("cases"),
    case_id: IdOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of the tables.")] = False,
) -> None:
    """Hear one recorded call: waits, talk-over, interruptions, dead air, defects, and its worst moments to listen to.

    Nothing is called and nothing is judged. Two channels: the user on one, the agent on the other. What one recording cannot
    tell is said.
    """
    heard = hear(call, user)
    show(heard, call, report, as_json)
    if pin is not None:
        write_pinned(heard, call, pin, case_id, out, quiet=as_json)
    raise typer.Exit(0 if heard.record.timed else NOT_MEASURED)


def write_pinned(heard: HeardCall, call: Path, pin: int, case_id: str | None, out: Path, *, quiet: bool) -> None:
    """The user's words that lead to a moment, as a case. Raises UsageError."""
    moments = {moment.number: moment for moment in heard.record.moments}
    if pin not in moments:
        there = f"moments 1 to {len(moments)}" if moments else "no moments"
        raise UsageError(f"--pin {pin}: {call.name} has {there}")
    moment = moments[pin]
    if not moment.utterances:
        raise UsageError(
            f"--pin {pin}: no words of the user lead to this moment ({moment.what}), so there is nothing to play"
        )
    name, title = case_id or f"{_stem(call)}_{pin}", f"{call.name}: {moment.what}"
    write_adopted(heard, call, name, out, moment.utterances, title, quiet=quiet)


def _stem(call: Path) -> str:
    from harness.speech.adopt import id_from

    return id_from(call.stem)
