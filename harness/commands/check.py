"""The verb `check`: what was heard in one recording of a conversation, in a terminal and as one HTML file.

Offline, with no configuration; nothing is judged. Exit status 0 measured; 2 a wrong file or option; 3 something could not be
measured (both voices on one channel, no answer timed), or is not to be believed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.listen.check.heard import HeardCall

NOT_MEASURED = 3
console = Console(highlight=False)
CallArgument = Annotated[
    Path,
    typer.Argument(help="A recording of a conversation: WAV, or FLAC, Ogg, MP3.", metavar="CALL", show_default=False),
]
UserOption = Annotated[
    str | None,
    typer.Option(
        help="Where the user is: left or right of two channels, or a file of the user's side on the same clock.",
        metavar="left|right|FILE",
        show_default="guessed only where a microphone's noise tells",
    ),
]
OutOption = Annotated[Path, typer.Option(help="The folder that a case is written into.", metavar="DIR")]
IdOption = Annotated[
    str | None, typer.Option("--id", help="The case's id.", metavar="NAME", show_default="the recording's name")
]
ReportOption = Annotated[
    Path | None, typer.Option(help="The HTML file.", metavar="FILE", show_default="CALL.check.html in this folder")
]


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
        write_pinned(heard, call, pin, case_id, out)
    raise typer.Exit(0 if heard.record.timed else NOT_MEASURED)


def hear(call: Path, user: str | None) -> HeardCall:
    """With its moments. Raises UsageError."""
    from dataclasses import replace

    from harness.listen.check.heard import hear_call
    from harness.speech.find import find_speech
    from reports.view.call_moments import with_moments

    heard = hear_call(call, user, find_speech)
    return replace(heard, record=with_moments(heard.record))


def show(heard: HeardCall, call: Path, report: Path | None, as_json: bool) -> None:
    """Print it, and write its page. Raises UsageError."""
    from reports.render.call import write_call_page
    from reports.terminal.call_table import call_table

    if as_json:
        console.print(heard.record.model_dump_json(indent=2), markup=False, soft_wrap=True)
    else:
        console.print(call_table(heard.record))
    path = report if report is not None else Path(f"{call.stem}.check.html")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_call_page(heard.record, heard.user, heard.agent, path)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror or error}); --report FILE writes elsewhere"
        ) from error
    if not as_json:
        console.print(f"to hear it: {path}", markup=False, soft_wrap=True)


def write_pinned(heard: HeardCall, call: Path, pin: int, case_id: str | None, out: Path) -> None:
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
    from harness.commands.adopt import write_adopted

    write_adopted(heard, call, case_id or f"{_stem(call)}_{pin}", out, moment.utterances, f"{call.name}: {moment.what}")


def _stem(call: Path) -> str:
    from harness.speech.adopt import id_from

    return id_from(call.stem)
