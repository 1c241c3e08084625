"""What the browser's own recording is worth beside ear.wav: a difference is a warning, a missing one no pass."""

from __future__ import annotations

import pytest

from harness.judge.webm import best_of, judge_webm, not_measured, webm_row
from harness.listen.recorder import Beside, WebmHeard
from harness.model.night import PartResult, PlannedPart, WebmCase
from harness.model.status import CaptureStatus, Status

OK = CaptureStatus.OK
GOOD = WebmHeard(
    trace_id="t", lane="browser", ear_ms=9e3, webm_ms=8.9e3, gap_ms=0.0, packets=148, lag_ms=-80.0, drift_ms=0.01,
    level_db=0.05, identity=0.96,
    replies=[
        Beside(reply_seq=0, metric="max_gap_ear_ms", unit="ms", ear=30.0, webm=32.0),
        Beside(reply_seq=0, metric="dropout_count_ear", unit="", ear=1.0, webm=1.0),
        Beside(reply_seq=0, metric="user_kpi_raw_ms", unit="ms", ear=450.0, webm=450.2),
    ],
)  # fmt: skip


def heard(metric: str | None = None, webm: float | None = None, **fields: object) -> WebmHeard:
    rows = [row.model_copy(update={"webm": webm}) if row.metric == metric else row for row in GOOD.replies]
    return GOOD.model_copy(update={"replies": rows, **fields})


def part(lane: str = "browser", *cases: str) -> PlannedPart:
    return PlannedPart.model_validate(
        {
            "id": "p",
            "kind": "cases",
            "about": "p",
            "lane": lane,
            "mic": "scheduled",
            "turns": 1,
            "cases": cases or ("c",),
        }
    )


def result(*found: WebmCase) -> PartResult:
    return PartResult(id="p", status=Status.PASS, exit_code=0, headline="", webm=list(found))


def test_a_recording_like_the_taps_passes_with_its_figures() -> None:
    found = judge_webm("c", GOOD, OK)
    assert (found.status, found.reason) == (Status.PASS, "")
    assert (found.lag_ms, found.level_db, found.hole_ear_ms, found.hole_webm_ms) == (-80.0, 0.05, 30.0, 32.0)
    assert (found.dropouts_ear, found.dropouts_webm) == (1, 1)
    assert found.kpi_shift_ms == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("differs", "says"),
    [
        (heard(level_db=-3.2), "its level is -3.2 dB from ear.wav's"),
        (heard(level_db=None), "its level could not be compared"),
        (heard(drift_ms=9.0), "it drifts 9.0 ms"),
        (heard("max_gap_ear_ms", 90.0), "it has a hole of 90.0 ms, ear.wav of 30.0 ms"),
        (heard("max_gap_ear_ms", None), "its holes could not be measured"),
        (heard("dropout_count_ear", 2.0), "it has 2 dropouts, ear.wav 1"),
        (heard("user_kpi_raw_ms", 480.0), "USER_KPI by it is +30.0 ms from ear.wav's"),
    ],
)
def test_what_differs_is_a_warning_that_says_what(differs: WebmHeard, says: str) -> None:
    found = judge_webm("c", differs, OK)
    assert found.status is Status.WARN
    assert says in found.reason


def test_a_missing_one_is_no_data_and_one_that_nobody_can_make_not_applicable() -> None:
    missing = WebmHeard(trace_id="t", lane="browser", reason="ear.webm is missing")
    assert judge_webm("c", missing, OK).status is Status.NO_DATA
    assert judge_webm("c", missing, CaptureStatus.NO_REPLY_EXPECTED).status is Status.NO_DATA
    silent = missing.model_copy(update={"reason": "no reply is heard in ear.wav", "webm_ms": 8e3})
    assert judge_webm("c", silent, OK).status is Status.NO_DATA
    assert judge_webm("c", silent, CaptureStatus.NO_REPLY_EXPECTED).status is Status.NOT_APPLICABLE
    assert judge_webm("c", missing.model_copy(update={"lane": "bot"}), OK).status is Status.NOT_APPLICABLE


def test_a_night_shows_each_case_of_the_browser_lane_once() -> None:
    good, silent = judge_webm("a", GOOD, OK), WebmCase(case="b", trace_id="t", status=Status.NOT_APPLICABLE)
    row = webm_row([part("browser", "a", "b"), part("browser", "a")], [result(good, silent)])
    assert (row.status, row.shown) == (Status.PASS, "1 of 1 cases; in 1 there is nothing to hear")
    late = webm_row([part("browser", "a", "b", "d")], [result(good, silent, not_measured("d", "t", "gone"))])
    assert (late.status, late.shown) == (Status.NO_DATA, "1 of 2 cases; in 1 there is nothing to hear")
    doubted = webm_row([part("browser", "a")], [result(judge_webm("a", heard(level_db=4.0), OK))])
    assert (doubted.status, doubted.shown) == (Status.WARN, "1 of 1 cases, 1 differ from ear.wav")


def test_a_night_without_a_browser_says_that_there_is_none() -> None:
    row = webm_row([part("bot", "a")], [result()])
    assert (row.status, row.shown) == (Status.NOT_APPLICABLE, "no part of this plan has a browser that records")


def test_a_case_that_one_part_could_not_compare_is_told_by_the_part_that_could() -> None:
    failed, good = not_measured("c", "t1", "gone"), judge_webm("c", GOOD, OK)
    assert best_of([result(failed), result(good), result(failed)]) == [good]
    assert best_of([result(failed)]) == [failed]
