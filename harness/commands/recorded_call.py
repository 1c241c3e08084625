"""What `check` and `adopt` share: their options, hearing a recorded call, its report, and making a case of some of its words."""

from __future__ import annotations

from collections.abc import Sequence
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


def write_adopted(
    heard: HeardCall, call: Path, name: str, out: Path, utterances: Sequence[int], title: str, *, quiet: bool = False
) -> Path:
    """The case's file. Raises UsageError."""
    from harness.speech.adopt import NOT_KNOWN, Words, plan, write_case

    assert heard.said is not None
    wanted = [turn for turn in heard.record.turns if turn.utterance in utterances]
    words = [Words(turn.utterance, _sample(turn.start_ms), _sample(turn.end_ms), turn.error_ms) for turn in wanted]
    agent = [(_sample(span.start_ms), _sample(span.end_ms)) for span in heard.record.agent_speaks]
    about = f"Cut out of {call.name}, where the user is {heard.record.user}."
    greets = heard.record.agent_spoke_first and bool(words) and words[0].number == 0
    adopted = write_case(plan(words, agent), heard.said.samples, name, title, about, out, greets=greets)
    if not quiet:
        for line in (*adopted.notes, *(f"the case cannot know {line}" for line in NOT_KNOWN)):
            console.print(line, markup=False, soft_wrap=True)
        console.print(f"a case: {adopted.case} and {len(adopted.wavs)} WAVs", markup=False, soft_wrap=True)
        console.print(f"to play it: earwitness run {name} --cases {out}", markup=False, soft_wrap=True)
    return adopted.case


def _sample(at_ms: float) -> int:
    return round(at_ms * 48)
