"""GitHub's annotations of a job: a line for each case that did not pass, with the gates that say why.

Each is a workflow command: characters that would end it early (a newline, in a title also a colon or comma) are escaped as
GitHub asks.
"""

from __future__ import annotations

from harness.judge.verdict import explain
from harness.model.status import Status
from harness.model.verdict import CaseVerdict, Summary

QUIET = (Status.PASS, Status.NOT_APPLICABLE)


def annotations_of(summary: Summary) -> list[str]:
    """Errors first, as GitHub shows at most ten of each kind."""
    lines = [_command("error", summary.run_id, error) for error in summary.errors]
    told = [case for case in summary.cases if case.status not in QUIET]
    told.sort(key=lambda case: case.status is Status.WARN)
    return lines + [_command(_level(case), f"{case.case_id} {case.status}", _why(case)) for case in told]


def _level(case: CaseVerdict) -> str:
    return "warning" if case.status is Status.WARN else "error"


def _why(case: CaseVerdict) -> str:
    last = case.attempts[-1] if case.attempts else None
    gates = [f"{gate.gate_id}: {explain(gate)}" for gate in (last.gates if last else ()) if gate.status is case.status]
    return "; ".join(gates) or case.reason or (last.detail if last is not None else "")


def _command(level: str, title: str, text: str) -> str:
    return f"::{level} title={_escaped(f'Earwitness: {title}', ':,')}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    for sign in ("%", "\r", "\n", *more):
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text
