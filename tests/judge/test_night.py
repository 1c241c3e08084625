"""The figures of a night, and what they make of its verdict."""

from __future__ import annotations

import pytest

from harness.judge.night import Known, acceptance, added, failures, judge_part, share, shown_share, verdict
from harness.judge.verdict import judge_attempt, judge_case
from harness.model.night import Acceptance, Failure, NightResult, PartResult, PlannedPart, WebmCase
from harness.model.night import Night as NightRecord
from harness.model.status import CaptureStatus, Status
from harness.model.verdict import Summary
from reports.render.night import render_night
from tests.judge import canned

PART = PlannedPart(
    id="p", kind="cases", about="a part", lane="browser", mic="scheduled", turns=4, cases=["c"], network="none"
)


def run_of(*outcomes: CaptureStatus | float) -> Summary:
    """A run of one case; a number is the USER_KPI of an attempt that was complete."""
    case = canned.case("c")
    attempts = []
    for number, outcome in enumerate(outcomes, start=1):
        status = outcome if isinstance(outcome, CaptureStatus) else CaptureStatus.OK
        told = canned.manifest("c", attempt=number, status=status)
        turn = {} if isinstance(outcome, CaptureStatus) else {"user_kpi_raw_ms": canned.metric(outcome)}
        measured = canned.measurement("c", attempt=number, **turn).model_copy(update={"capture_status": status})
        attempts.append(judge_attempt(case, told, measured, f"captures/{told.trace_id}"))
    return canned.summary([(case, judge_case(case, attempts))])


def everything(summary: Summary) -> Known:
    traces = {attempt.trace_id for case in summary.cases for attempt in case.attempts}
    return Known(traces, traces)


def part_of(*outcomes: CaptureStatus | float, known: Known | None = None) -> PartResult:
    summary = run_of(*outcomes)
    found = judge_part(PART, summary, known or everything(summary), "parts/p/r/report.md")
    return found.model_copy(update={"webm": [WebmCase(case="c", trace_id="r-c-a1", status=Status.PASS)]})


def test_a_clean_part_shows_all_its_shares_and_its_latency() -> None:
    found = part_of(440.0, 450.0, 460.0, 470.0)
    assert found.status is Status.PASS
    for figure in (found.passed, found.complete, found.joined, found.pre_rtc, found.audible, found.timed):
        assert figure is not None
        assert (figure.hits, figure.n) == (4, 4)
    assert found.latency_ms is not None
    assert (found.latency_ms.n, found.latency_ms.p50) == (4, 455.0)
    assert found.failures == found.flaky == []
    assert {row.status for row in acceptance([PART], [found])} == {Status.PASS}


def test_a_case_that_has_no_such_gate_does_not_cost_the_share_of_audible_replies() -> None:
    """The mini suite has a P1 case: no night with it could have shown 100 %."""
    judged = []
    for name, tier in (("c", "P0"), ("d", "P1")):
        case = canned.case(name, tier=tier)
        attempt = judge_attempt(case, canned.manifest(name), canned.measurement(name), f"captures/r-{name}-a1")
        judged.append((case, judge_case(case, [attempt])))
    summary = canned.summary(judged)
    found = judge_part(PART, summary, everything(summary), "parts/p/r/report.md")
    assert found.audible is not None
    assert (found.audible.hits, found.audible.n) == (1, 1)


def test_failures_are_counted_by_kind_and_a_crash_is_a_crash() -> None:
    found = part_of(440.0, CaptureStatus.AGENT_CRASH, CaptureStatus.AGENT_CRASH, CaptureStatus.REPLY_TIMEOUT)
    assert [(f.kind, f.count) for f in found.failures] == [("AGENT_CRASH", 2), ("REPLY_TIMEOUT", 1)]
    assert found.crashes == {"AGENT_CRASH": 2}
    assert [flake.passed for flake in found.flaky] == [1]
    rows = {row.name: row for row in acceptance([PART], [found])}
    assert rows["crashes"].shown == "AGENT_CRASH 2"
    assert rows["crashes"].status is Status.FAIL
    assert rows["first attempts passed"].shown.startswith("1 of 4, 25 %")
    assert rows["flaky cases"].status is Status.FLAKY


def test_a_measurement_that_is_not_to_be_believed_is_one_kind_and_not_one_for_each_gate() -> None:
    case, told = canned.case("c"), canned.manifest("c")
    doubtful = canned.measurement("c", valid=False)
    (failure,) = failures([judge_attempt(case, told, doubtful, "captures/x")])
    assert failure.kind.startswith("INVALID: the measurement is not to be believed")
    assert failure.count == 1


def test_what_could_not_be_measured_is_not_put_down_to_the_agent() -> None:
    found = part_of(440.0, 441.0, 442.0, CaptureStatus.BROWSER_CRASH)
    assert found.status is Status.NO_DATA
    rows = acceptance([PART], [found])
    assert {row.status for row in rows} == {Status.PASS, Status.NO_DATA}
    status, code, _ = verdict([found], rows, planned=4, stopped="", interrupted=False, strict=False)
    assert (status, code) == (Status.NO_DATA, 3)


def test_records_that_do_not_join_on_the_trace_are_no_pass() -> None:
    summary = run_of(440.0, 441.0, 442.0, 443.0)
    found = part_of(440.0, 441.0, 442.0, 443.0, known=Known([], everything(summary).wrote_pre))
    rows = {row.name: row for row in acceptance([PART], [found])}
    assert rows["records joined by trace_id"].status is Status.NO_DATA
    assert verdict([found], list(rows.values()), planned=4, stopped="", interrupted=False, strict=False)[1] == 3


def test_a_night_that_was_broken_off_is_no_pass_and_says_how_much_there_is() -> None:
    found = part_of(440.0, 441.0)
    rows = acceptance([PART], [found])
    assert rows[0] == Acceptance(name="attempts played", shown="2 of 4", wanted="all", status=Status.NO_DATA)
    status, code, text = verdict([found], rows, planned=4, stopped="DISK_FULL: no", interrupted=False, strict=False)
    assert (status, code) == (Status.NO_DATA, 3)
    assert text.startswith("PARTIAL, DISK_FULL: no; NO_DATA: 2 of 2 attempts passed (4 planned)")
    assert verdict([found], rows, planned=4, stopped="INTERRUPTED", interrupted=True, strict=False)[1] == 130


@pytest.mark.parametrize(("strict", "code"), [(False, 0), (True, 1)])
def test_a_warning_costs_the_exit_status_only_where_it_is_asked_for(strict: bool, code: int) -> None:
    found = part_of(440.0, 441.0, 442.0, 443.0).model_copy(update={"status": Status.WARN})
    rows = acceptance([PART], [found])
    assert verdict([found], rows, planned=4, stopped="", interrupted=False, strict=strict)[1] == code


def test_a_share_stands_with_its_exact_interval() -> None:
    found = share(19, 20)
    assert found.low is not None
    assert found.high is not None
    # Clopper-Pearson for 19 of 20, from tables: 0.7513 to 0.9987
    assert (found.low, found.high) == (pytest.approx(0.7513, abs=2e-4), pytest.approx(0.9987, abs=2e-4))
    assert shown_share(share(0, 0)) == "–"


def test_kinds_of_failures_add_up_over_the_parts() -> None:
    one = Failure(kind="x", count=2, examples=["a", "b"])
    two = Failure(kind="x", count=1, examples=["c"])
    three = Failure(kind="y", count=4, examples=["d"])
    assert [(f.kind, f.count, f.examples) for f in added([one, two, three])] == [
        ("y", 4, ["d"]),
        ("x", 3, ["a", "b", "c"]),
    ]


def test_the_report_says_the_verdict_first_and_cannot_be_broken_by_what_others_wrote() -> None:
    found = part_of(440.0, CaptureStatus.REPLY_TIMEOUT).model_copy(
        update={"headline": "a | b\n# c", "errors": ["<b>x</b>"], "not_in_history": "history h: locked"}
    )
    rows = acceptance([PART], [found])
    status, code, text = verdict([found], rows, planned=4, stopped="", interrupted=False, strict=False)
    result = NightResult(
        finished_at="2026-01-02", complete=False, stopped="", status=status, exit_code=code, headline=text,
        acceptance=rows, parts=[found], wall_s=90, sessions=2, disk_bytes=2**30, peak_memory_bytes=None,
    )  # fmt: skip
    night = NightRecord(
        night_id="night-1", started_at="2026-01-01", plan={"name": "n"}, options={},
        environment={"commit": "abc", "case c": "123"}, parts=[PART],
    )  # fmt: skip
    report = render_night(night, result)
    assert "do not ship" not in report
    own = night.model_copy(update={"options": {"gates": {"max_gap": 300.0}, "floor": "runs/cal"}})
    said = (
        "**Limits that do not ship**: yours: max_gap < 300 ms (shipped 200 ms); the path's floor on top, from runs/cal"
    )
    assert said in render_night(own, result).replace("\\", "")
    lines = report.splitlines()
    assert lines[0].startswith("# FLAKY: 1 of 2 attempts passed (4 planned)")
    assert "# c" not in lines
    assert "| p | a part | **FLAKY** | 2 of 4 | a \\| b # c |" in report
    assert "not in the history: history h: locked" in report
    assert "resumed 1 times" in report
    assert "earwitness nightly --resume night-1" in report
    assert "| commit | abc |" in report
    assert "case c" not in report
    assert "1.5 min in 2 session" in report


def test_a_night_of_steps_alone_has_their_status() -> None:
    step = PlannedPart(id="s", kind="proof", about="proof", lane="bot", mic="bot")
    done = PartResult(id="s", status=Status.PASS, exit_code=0, headline="PROVEN")
    assert acceptance([step], [done]) == []
    assert verdict([done], [], planned=4, stopped="", interrupted=False, strict=False)[:2] == (Status.PASS, 0)
    missed = done.model_copy(update={"status": Status.FAIL})
    assert verdict([missed], [], planned=4, stopped="", interrupted=False, strict=False)[1] == 1
