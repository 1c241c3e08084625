"""The browser's own recording (ear.webm) of each case, decoded and measured once a night (H-132).

This happens when a part has ended, so that nothing else runs during a call. A case is done with its first comparable call, in
whichever part; its webm_measurement.json stays in the capture, where a resumed night reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from pydantic import ValidationError

from harness.errors import UsageError
from harness.judge.webm import judge_webm, not_measured
from harness.listen.recorder import WEBM_MEASUREMENT, WebmHeard, hear_webm
from harness.model.capture import write_atomic
from harness.model.night import PartResult, PlannedPart, WebmCase
from harness.model.status import COMPLETE, Status
from harness.model.verdict import CaseVerdict, Summary

MOST_TRIES = 3  # calls of a case in one part; a webm that is missing three times is missing for a reason


def still_to_measure(part: PlannedPart, results: Sequence[PartResult]) -> set[str]:
    """Cases of a part without a webm result from an earlier part."""
    if part.lane != "browser":
        return set()
    measured = {found.case for result in results for found in result.webm if found.status is not Status.NO_DATA}
    return set(part.cases) - measured


def webm_of_part(
    run_dir: Path, summary: Summary, cases: Collection[str], on_note: Callable[[str], None] = lambda text: None
) -> list[WebmCase]:
    """One record for each of `cases` that was played. No fault of a webm ends the night."""
    found = []
    for case in summary.cases:
        if case.case_id in cases and case.attempts:
            on_note(f"{case.case_id}: the browser's own recording")
            found.append(_of_case(run_dir, case))
    return found


def _of_case(run_dir: Path, case: CaseVerdict) -> WebmCase:
    complete = [attempt for attempt in case.attempts if attempt.capture_status in COMPLETE]
    if not complete:
        last = case.attempts[-1]
        return not_measured(case.case_id, last.trace_id, f"no call came to its end: {last.capture_status}")
    tried = []
    for attempt in complete[:MOST_TRIES]:
        heard, why = _heard(run_dir / attempt.folder)
        if heard is None:
            tried.append(not_measured(case.case_id, attempt.trace_id, why))
            continue
        judged = judge_webm(case.case_id, heard, attempt.capture_status)
        if judged.status is not Status.NO_DATA:
            return judged
        tried.append(judged)
    return tried[0]


def _heard(capture: Path) -> tuple[WebmHeard | None, str]:
    """The earlier measurement, or a new one; or why there is neither."""
    place = capture / WEBM_MEASUREMENT
    try:
        return WebmHeard.model_validate_json(place.read_bytes()), ""
    except (OSError, ValidationError):
        pass  # missing, or of another version: measured now
    try:
        heard = hear_webm(capture)
        write_atomic(place, heard.model_dump_json(indent=2).encode())
    except UsageError as error:
        return None, str(error)
    except OSError as error:
        return None, f"{WEBM_MEASUREMENT} cannot be written ({error.strerror or error})"
    return heard, ""
