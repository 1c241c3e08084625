"""A run's folder: a case's captures in it, and how the verdict is written there. `summary.json` first, then all else.

The verdict names files that could not be written or drawn; nothing recorded or judged is lost by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.judge.verdict import EXIT_NOT_MEASURED, EXIT_OK
from harness.model.capture import Manifest, read_manifest, write_atomic
from harness.model.plan import Plan
from harness.model.status import COMPLETE, CaptureStatus, Status, worst
from harness.model.verdict import AttemptVerdict, CaseVerdict, Summary
from harness.own_faults import note_fault

SUMMARY = "summary.json"


def captures_of(plan: Plan, case_id: str) -> Iterator[tuple[Path, Manifest]]:
    """A case's captures in order of attempt, leaving out incomplete ones."""
    name = re.compile(re.escape(f"{plan.run_id}-{case_id}-a") + r"(\d+)")
    numbers = {
        path: int(found[1]) for path in (plan.run_dir / "captures").glob("*") if (found := name.fullmatch(path.name))
    }
    for folder in sorted(numbers, key=lambda path: numbers[path]):
        try:
            manifest = read_manifest(folder)
        except (OSError, ValueError):
            continue
        yield folder, manifest


def not_measured(verdict: AttemptVerdict, problem: str) -> AttemptVerdict:
    """`verdict` as HARNESS_ERROR, if the capture is complete yet could not be measured."""
    if verdict.capture_status not in COMPLETE:
        return verdict
    detail = "; ".join(filter(None, [problem, verdict.detail]))
    return verdict.model_copy(
        update={"capture_status": CaptureStatus.HARNESS_ERROR, "status": Status.NO_DATA, "detail": detail}
    )


def without_measurements(verdicts: Sequence[CaseVerdict]) -> list[CaseVerdict]:
    """Drop the measurements from finished verdicts; their captures still have them."""
    return [
        case.model_copy(update={"attempts": [a.model_copy(update={"measurement": None}) for a in case.attempts]})
        for case in verdicts
    ]


def write_run(summary: Summary, run_dir: Path) -> Summary:
    """Write `summary.json`; then pictures and reports; then the summary again, naming the pictures.

    Raises OSError.
    """
    from reports.render.run_report import finish_report  # matplotlib loads only where a report is drawn

    write_atomic(run_dir / SUMMARY, summary.model_dump_json(indent=2).encode())
    try:
        summary = finish_report(summary, run_dir)
    except OSError:
        raise
    except Exception as error:  # a fault of ours in a picture or page: the verdict stands, and names it
        summary = with_error(summary, note_fault(run_dir, "writing the report", error))
    write_atomic(run_dir / SUMMARY, summary.model_dump_json(indent=2).encode())
    return summary


def not_written(summary: Summary, run_dir: Path, error: OSError) -> Summary:
    """The verdict, with why not all of it is on disk."""
    where = error.filename2 or error.filename or run_dir
    what = (
        f"{where}: cannot be written ({error.strerror or error}); what was recorded is kept in {run_dir / 'captures'}"
    )
    return with_error(summary, f"{what}: make room, then `earwitness report --again {run_dir}`")


def with_error(summary: Summary, said: str) -> Summary:
    """`summary` with one more harness error, which is never a pass."""
    return summary.model_copy(
        update={
            "errors": [*summary.errors, said],
            "status": worst([summary.status, Status.NO_DATA]),
            "exit_code": EXIT_NOT_MEASURED if summary.exit_code == EXIT_OK else summary.exit_code,
        }
    )
