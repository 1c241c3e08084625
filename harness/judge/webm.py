"""Judge the browser's own recording of a call against ear.wav (H-132): once a case and night.

The recorder is no part of the agent, so nothing here is a FAIL: where the two recordings differ by more than an encoder's
own doing, one of them is not what the user heard, and that is a WARN to look at. Of 48 calls in the browser lane (clean link,
2 cores, three runs of the fast suite) the webm was within 0.1 dB, 0.01 ms of drift and 0.3 ms of USER_KPI, with no hole more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from harness.judge.numbers import show
from harness.model.night import Acceptance, PartResult, PlannedPart, WebmCase
from harness.model.status import CaptureStatus, Status, worst

if TYPE_CHECKING:
    from harness.listen.recorder import WebmHeard

MOST_LEVEL_DB = 1.0  # ten times what was seen; about what a listener begins to notice
MOST_DRIFT_MS = 5.0
MOST_KPI_SHIFT_MS = 10.0
MOST_HOLE_MS = 20.0  # longer than in ear.wav: a packet of the recorder's Opus
WEBM_ROW = "browser's own recording (webm) measured, once a case"
HOLE, DROPOUTS, KPI = "max_gap_ear_ms", "dropout_count_ear", "user_kpi_raw_ms"


def judge_webm(case_id: str, heard: WebmHeard, capture_status: CaptureStatus) -> WebmCase:
    """One call's record. `capture_status`: a call that expects no reply has nothing to compare."""
    hole_ear, hole_webm = _most(heard, HOLE, "ear"), _most(heard, HOLE, "webm")
    found = WebmCase(
        case=case_id,
        trace_id=heard.trace_id,
        status=Status.PASS,
        reason=heard.reason,
        lag_ms=heard.lag_ms,
        drift_ms=heard.drift_ms,
        level_db=heard.level_db,
        hole_ear_ms=hole_ear,
        hole_webm_ms=hole_webm,
        dropouts_ear=_sum(heard, "ear"),
        dropouts_webm=_sum(heard, "webm"),
        kpi_shift_ms=_kpi_shift_ms(heard),
        correlation=heard.identity,
    )
    if heard.reason:
        return found.model_copy(update={"status": _without(heard, capture_status)})
    doubts = _doubts(found)
    return found.model_copy(update={"status": Status.WARN, "reason": "; ".join(doubts)}) if doubts else found


def not_measured(case_id: str, trace_id: str, reason: str) -> WebmCase:
    return WebmCase(case=case_id, trace_id=trace_id, status=Status.NO_DATA, reason=reason)


def best_of(results: Iterable[PartResult]) -> list[WebmCase]:
    """One record a case over all parts: the first that could be measured, else the first that says why not."""
    best: dict[str, WebmCase] = {}
    for result in results:
        for found in result.webm:
            known = best.setdefault(found.case, found)
            if known.status is Status.NO_DATA and found.status is not Status.NO_DATA:
                best[found.case] = found
    return list(best.values())


def webm_row(planned: Sequence[PlannedPart], results: Iterable[PartResult]) -> Acceptance:
    """The night's row: each case of the browser lane was measured once."""
    wanted = {case for part in planned if part.lane == "browser" and not part.left_out for case in part.cases}
    if not wanted:
        none = "no part of this plan has a browser that records"
        return Acceptance(name=WEBM_ROW, shown=none, wanted="all", status=Status.NOT_APPLICABLE)
    found = best_of(results)
    compared = [one for one in found if one.status in (Status.PASS, Status.WARN)]
    excluded = sum(one.status is Status.NOT_APPLICABLE for one in found)
    of = len(wanted) - excluded
    doubted = sum(one.status is Status.WARN for one in compared)
    shown = f"{len(compared)} of {of} cases" + (f", {doubted} differ from ear.wav" if doubted else "")
    shown += f"; in {excluded} there is nothing to hear" if excluded else ""
    nothing = Status.NOT_APPLICABLE if not of else Status.PASS
    status = Status.NO_DATA if len(compared) < of else worst([one.status for one in compared] or [nothing])
    return Acceptance(name=WEBM_ROW, shown=shown, wanted="all", status=status)


def _without(heard: WebmHeard, capture_status: CaptureStatus) -> Status:
    """NOT_APPLICABLE as declared (no browser; no reply expected, and the file itself was decoded), else NO_DATA."""
    silent = capture_status is CaptureStatus.NO_REPLY_EXPECTED and heard.webm_ms is not None
    return Status.NOT_APPLICABLE if heard.lane == "bot" or silent else Status.NO_DATA


def _doubts(found: WebmCase) -> list[str]:
    doubts = []
    if found.level_db is None:
        doubts.append("its level could not be compared")
    elif abs(found.level_db) > MOST_LEVEL_DB:
        doubts.append(f"its level is {found.level_db:+.1f} dB from ear.wav's, within {MOST_LEVEL_DB:g} is wanted")
    if found.drift_ms is not None and abs(found.drift_ms) > MOST_DRIFT_MS:
        doubts.append(f"it drifts {show(found.drift_ms, 'ms')}, at most {MOST_DRIFT_MS:g} is wanted")
    if found.hole_ear_ms is not None and found.hole_webm_ms is None:
        doubts.append("its holes could not be measured")
    elif found.hole_webm_ms is not None and found.hole_webm_ms - (found.hole_ear_ms or 0.0) > MOST_HOLE_MS:
        doubts.append(f"it has a hole of {show(found.hole_webm_ms, 'ms')}, ear.wav of {show(found.hole_ear_ms, 'ms')}")
    if found.dropouts_webm is not None and found.dropouts_webm > (found.dropouts_ear or 0):
        doubts.append(f"it has {found.dropouts_webm} dropouts, ear.wav {found.dropouts_ear or 0}")
    if found.kpi_shift_ms is not None and abs(found.kpi_shift_ms) > MOST_KPI_SHIFT_MS:
        doubts.append(f"USER_KPI by it is {found.kpi_shift_ms:+.1f} ms from ear.wav's")
    return doubts


def _most(heard: WebmHeard, metric: str, of: str) -> float | None:
    values = [getattr(row, of) for row in heard.replies if row.metric == metric]
    return max((value for value in values if value is not None), default=None)


def _sum(heard: WebmHeard, of: str) -> int | None:
    values = [getattr(row, of) for row in heard.replies if row.metric == DROPOUTS]
    known = [value for value in values if value is not None]
    return round(sum(known)) if known else None


def _kpi_shift_ms(heard: WebmHeard) -> float | None:
    """The largest shift of a reply, by size."""
    shifts = [
        row.webm - row.ear
        for row in heard.replies
        if row.metric == KPI and row.webm is not None and row.ear is not None
    ]
    return max(shifts, key=abs, default=None)
