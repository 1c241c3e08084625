"""A run's folder: what lies in it of a case, and how its verdict is written there. `summary.json` first, then all else.

What cannot be written or drawn is named in the verdict, and costs nothing of what was recorded or judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.judge.verdict import COMPLETE, EXIT_NOT_MEASURED, EXIT_OK
from harness.model.capture import Manifest, read_manifest, write_atomic
from harness.model.plan import Plan
from harness.model.status import CaptureStatus, Status, worst
from harness.model.verdict import AttemptVerdict, CaseVerdict, Summary
from harness.own_faults import note_fault

SUMMARY = "summary.json"


def captures_of(plan: Plan, case_id: str) -> Iterator[tuple[Path, Manifest]]:
    """The captures of a case in the order of their attempts, as far as they are whole."""
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
    """A complete capture that could not be measured: our fault, and it says so."""
    if verdict.capture_status not in COMPLETE:
        return verdict
    detail = "; ".join(filter(None, [problem, verdict.detail]))
    return verdict.model_copy(
        update={"capture_status": CaptureStatus.HARNESS_ERROR, "status": Status.NO_DATA, "detail": detail}
    )


def without_measurements(verdicts: Sequence[CaseVerdict]) -> list[CaseVerdict]:
    """Nothing is computed from these any more; their captures still have it."""
    return [
        case.model_copy(update={"attempts": [a.model_copy(update={"measurement": None}) for a in case.attempts]})
        for case in verdicts
    ]


def write_run(summary: Summary, run_dir: Path) -> Summary:
    """`summary.json` first, whatever becomes of the rest; then pictures and reports, and the summary names the pictures.

    Raises OSError.
    """
    from reports.render.run_report import finish_report  # matplotlib loads only where a report is drawn

    write_atomic(run_dir / SUMMARY, summary.model_dump_json(indent=2).encode())
    try:
        summary = finish_report(summary, run_dir)
    except OSError:
        raise
    except Exception as error:  # a fault of ours in a picture or a page: the verdict stands, and says so
        summary = with_error(summary, note_fault(run_dir, "writing the report", error))
    write_atomic(run_dir / SUMMARY, summary.model_dump_json(indent=2).encode())
    return summary


def not_written(summary: Summary, run_dir: Path, error: OSError) -> Summary:
    """The verdict, with why it is not on the disk as a whole."""
    where = error.filename2 or error.filename or run_dir
    what = (
        f"{where}: cannot be written ({error.strerror or error}); what was recorded is kept in {run_dir / 'captures'}"
    )
    return with_error(summary, f"{what}: make room, then `earwitness report --again {run_dir}`")


def with_error(summary: Summary, said: str) -> Summary:
    """`summary` with one more error of the harness, which is never a pass."""
    return summary.model_copy(
        update={
            "errors": [*summary.errors, said],
            "status": worst([summary.status, Status.NO_DATA]),
            "exit_code": EXIT_NOT_MEASURED if summary.exit_code == EXIT_OK else summary.exit_code,
        }
    )
