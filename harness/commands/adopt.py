"""The verb `adopt`: a recorded call becomes a case, with the WAVs of what the user said and the report of `check`.

Exit status 0 written and measured; 2 a wrong file or option; 3 written, but something could not be measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    if not heard.record.turns:
        raise UsageError(f"{call}: there is nothing to play: {heard.record.turns_unknown}")
    turns = range(len(heard.record.turns))
    adopted = write_adopted(heard, call, name, out, turns, f"The user's turns of {call.name}", quiet=as_json)
    show(heard, call, report if report is not None else adopted.with_suffix(".check.html"), as_json)
    raise typer.Exit(0 if heard.record.timed else NOT_MEASURED)
