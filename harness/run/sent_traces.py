"""The calls of a judged run, sent on as traces (`--otlp`). What goes wrong there costs one line, and never the verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.judge.verdict import EXIT_INTERRUPTED
from harness.model.capture import read_manifest
from harness.model.plan import OtlpTarget
from harness.model.verdict import Summary
from harness.own_faults import note_fault

if TYPE_CHECKING:
    from harness.model.call_trace import CallTrace
    from harness.telemetry.sender import Sent

LATER = "`earwitness report RUN --otlp URL` sends them later"


def send_run(summary: Summary, run_dir: Path, target: OtlpTarget | None) -> str:
    """As `sent_run`, for a caller without an event loop."""
    return "" if target is None else asyncio.run(sent_run(summary, run_dir, target))


async def sent_run(summary: Summary, run_dir: Path, target: OtlpTarget | None) -> str:
    """Send every call of the run; one line on how that went, "" where nothing was asked for."""
    if target is None:
        return ""
    total = sum(len(case.attempts) for case in summary.cases)
    if summary.exit_code == EXIT_INTERRUPTED:
        return f"traces: not sent, the run was interrupted; {LATER}"
    try:
        from harness.telemetry.sender import origin, send  # OTLP's messages load only where spans are sent

        unread: list[str] = []
        sent = await send(_traces(summary, run_dir, target, unread), target)
        return _in_words(sent, unread, total, origin(target.url))
    except ModuleNotFoundError as error:
        return f"traces: not sent: {error.name} is missing (pip install 'earwitness[live]')"
    except Exception as error:  # a fault of ours must not cost the verdict
        return f"traces: not sent: {note_fault(run_dir, 'sending the traces', error)}"


def _traces(summary: Summary, run_dir: Path, target: OtlpTarget, unread: list[str]) -> Iterator[CallTrace]:
    """`unread` gets the calls of which too little is kept."""
    from reports.view.call_clock import call_clock
    from reports.view.call_trace import JudgedCall, call_trace

    for case in summary.cases:
        for attempt in case.attempts:
            folder = run_dir / attempt.folder
            try:
                manifest = read_manifest(folder)
                clock = call_clock(folder, manifest)
            except (OSError, ValueError):  # pydantic's ValidationError is one
                unread.append(attempt.trace_id)
                continue
            yield call_trace(JudgedCall(summary, case, attempt, manifest, clock), content=target.content)


def _in_words(sent: Sent, unread: list[str], total: int, where: str) -> str:
    calls = "call" if total == 1 else "calls"
    parts = [f"traces: {sent.calls} of {total} {calls} sent to {where}"]
    if unread:
        parts.append(f"of {len(unread)} the manifest cannot be read")
    if sent.rejected_spans:
        parts.append(f"it did not take {sent.rejected_spans} of their spans")
    if sent.problem:
        parts.append(sent.problem)
    return "; ".join(parts) + (f" ({LATER})" if sent.problem and sent.calls < total else "")
