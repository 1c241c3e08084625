"""The verb `adopt`: a recorded call becomes a case, with the WAVs of what the user said and the report of `check`.

Exit status 0 written and measured; 2 a wrong file or option; 3 written, but something could not be measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.check import (
    NOT_MEASURED,
    CallArgument,
    IdOption,
    OutOption,
    ReportOption,
    UserOption,
    console,
    hear,
    show,
)
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.listen.check.heard import HeardCall


def adopt_command(
    call: CallArgument,
    user: UserOption = None,
    case_id: IdOption = None,
    out: OutOption = Path("cases"),
    report: ReportOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of the tables.")] = False,
) -> None:
    """Make a case of a recorded call: the user's turns as WAVs with their truth, starts relative to the agent's replies.

    Writes OUT/NAME.yaml and OUT/NAME_1.wav …, which `earwitness run --cases OUT --suite adopted` plays, and the report of
    `earwitness check`.
    """
    from harness.speech.adopt import check_free, id_from

    name = case_id or id_from(call.stem)
    check_free(name, out)
    heard = hear(call, user)
    if heard.said is None:
        raise UsageError(
            f"{call}: both voices lie on one channel, so the user's words cannot be cut out; give the user's side as a file of "
            "its own (--user first.wav), or a recording with a channel each"
        )
    turns = range(len(heard.record.turns))
    adopted = write_adopted(heard, call, name, out, turns, f"The user's turns of {call.name}", quiet=as_json)
    show(heard, call, report if report is not None else adopted.with_suffix(".check.html"), as_json)
    raise typer.Exit(0 if heard.record.timed else NOT_MEASURED)


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
