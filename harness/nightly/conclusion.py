"""The end of a session: figures of the parts, the night's verdict, `night.json` and `night.md`."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.judge.night import Known, acceptance, judge_part, share, verdict
from harness.judge.verdict import EXIT_NOT_MEASURED, PASSING
from harness.model.capture import PRE_RTC, read_manifest, write_atomic
from harness.model.night import Night, NightResult, PartResult, PlannedPart
from harness.model.status import Status
from harness.model.verdict import AttemptVerdict, Summary
from harness.nightly.folder import size_bytes, write_night
from harness.nightly.joins import joins
from harness.nightly.ledger import elapsed_s
from harness.nightly.session import Session

RUN_REPORT = "report.md"


@dataclass(frozen=True)
class Played:
    """The night so far. `peak_bytes`: the most memory that this session used."""

    folder: Path
    night: Night
    session: Session
    results: Sequence[PartResult]
    summaries: Sequence[Summary]
    notes: Sequence[str]
    peak_bytes: int
    strict: bool


def part_result(folder: Path, part: PlannedPart, summary: Summary, not_in_history: str) -> PartResult:
    """A part's result, from the run's summary and its captures."""
    run_dir = folder / part.folder
    joined, wrote = set(), set()
    for case in summary.cases:
        for attempt in case.attempts:
            capture = run_dir / attempt.folder
            try:
                manifest = read_manifest(capture)
            except (OSError, ValueError):
                continue
            if joins(capture, manifest):
                joined.add(attempt.trace_id)
            if PRE_RTC in manifest.files:
                wrote.add(attempt.trace_id)
    report = (run_dir / RUN_REPORT).relative_to(folder).as_posix()
    found = judge_part(part, summary, Known(joined, wrote), report)
    return found.model_copy(update={"not_in_history": not_in_history})


def unreported(part: PlannedPart, attempts: Mapping[str, Sequence[AttemptVerdict]], why: OSError) -> PartResult:
    """The result of a part whose report could not be written: its attempts so far."""
    attempted = [attempt for verdicts in attempts.values() for attempt in verdicts]
    return PartResult(
        id=part.id,
        status=Status.NO_DATA,
        exit_code=EXIT_NOT_MEASURED,
        headline=f"its report could not be written: {why.strerror or why}; {len(attempted)} attempts are recorded",
        played=len(attempted),
        planned=part.planned,
        passed=share(sum(attempt.status in PASSING for attempt in attempted), len(attempted)),
    )


def conclude(played: Played, *, stopped: str, interrupted: bool) -> Night:
    """Judge the night and write it. Raises OSError."""
    from reports.render.compare import compare, write_comparison
    from reports.render.night import COMPARISON, REPORT, render_night

    lines = played.session.ledger.read().lines
    rows = acceptance(played.night.parts, played.results)
    status, code, headline = verdict(
        played.results,
        rows,
        planned=sum(part.planned for part in played.night.parts),
        stopped=stopped,
        interrupted=interrupted,
        strict=played.strict,
    )
    peaks = [line.peak_bytes for line in lines if line.peak_bytes] + [played.peak_bytes]
    result = NightResult(
        finished_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        complete=not stopped and all(r.played == r.planned for r in played.results),
        stopped=stopped,
        status=status,
        exit_code=code,
        headline=headline,
        acceptance=rows,
        parts=list(played.results),
        wall_s=elapsed_s(lines),
        sessions=played.session.number,
        disk_bytes=size_bytes(played.folder),
        peak_memory_bytes=max(peaks) or None,
        notes=list(played.notes),
    )
    night = played.night.model_copy(update={"result": result})
    write_night(played.folder, night)
    if len(played.summaries) > 1:
        write_comparison(compare(played.summaries), played.folder / COMPARISON)
    write_atomic(played.folder / REPORT, render_night(night, result).encode())
    return night
