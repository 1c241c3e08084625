"""From attempts to the status of a case, of the run, and the exit status."""

from __future__ import annotations

import pytest

from harness.judge.gates import OPS
from harness.judge.numbers import show, show_limit
from harness.judge.verdict import AGENTS_FAULT, AWAITED, judge_attempt, judge_case, status_of_capture
from harness.model.measurement import Validity
from harness.model.status import COMPLETE, CaptureStatus, Status
from tests.judge.canned import case, manifest, measurement, metric, summary, verdict


def test_a_good_turn_passes_and_the_run_exits_with_0() -> None:
    good = case()
    assert verdict(good, measurement()).status is Status.PASS
    assert summary([(good, verdict(good, measurement()))]).exit_code == 0


def test_a_failing_gate_fails_the_case_and_exits_with_1() -> None:
    bad = case()
    failed = verdict(bad, measurement(max_gap_ms=metric(250.0)))
    assert failed.status is Status.FAIL
    assert "max_gap" in failed.reason
    assert summary([(bad, failed)]).exit_code == 1


@pytest.mark.parametrize("status", [s for s in CaptureStatus if s not in COMPLETE])
def test_every_incomplete_capture_keeps_the_run_from_passing(status: CaptureStatus) -> None:
    broken = case()
    told = verdict(broken, None, status=status, detail="why")
    assert told.status in (Status.FAIL, Status.NO_DATA, Status.INVALID)
    assert (told.status is Status.FAIL) == (status in AGENTS_FAULT)
    assert summary([(broken, told)]).exit_code == (1 if status in AGENTS_FAULT else 3)
    assert str(status) in told.reason


@pytest.mark.parametrize("status", sorted(AGENTS_FAULT))
def test_what_is_awaited_in_a_call_that_is_not_believed_is_no_fault_of_the_agents(status: CaptureStatus) -> None:
    """An agent that ended or left did so whatever the host's load."""
    broken = case()
    why = "the host was overloaded: CPU 100 %, event loop up to 140 ms late"
    believed = measurement().model_copy(update={"capture_status": status, "detail": "nothing was heard"})
    heard = believed.model_copy(update={"validity": Validity(ok=False, reasons=[why])})
    told = verdict(broken, heard, status=status, detail="nothing was heard")
    assert told.status is (Status.INVALID if status in AWAITED else Status.FAIL)
    assert (why in told.reason) == (status in AWAITED)
    assert "nothing was heard" in told.reason
    assert verdict(broken, believed, status=status, detail="nothing was heard").status is Status.FAIL


def test_a_capture_that_could_not_be_measured_is_no_data() -> None:
    assert status_of_capture(CaptureStatus.OK) is Status.PASS
    assert verdict(case(), None).status is Status.NO_DATA


def test_failing_once_and_passing_once_is_flaky_and_blocks() -> None:
    flaky = case()
    attempts = [
        judge_attempt(flaky, manifest(attempt=1), measurement(max_gap_ms=metric(250.0)), "a1"),
        judge_attempt(flaky, manifest(attempt=2), measurement(attempt=2), "a2"),
    ]
    told = judge_case(flaky, attempts)
    assert told.status is Status.FLAKY
    assert len(told.attempts) == 2
    whole = summary([(flaky, told)])
    assert whole.exit_code == 1
    assert whole.first_attempt_pass_rate == 0.0


@pytest.mark.parametrize(
    ("broken", "exit_code"),
    [(CaptureStatus.BARRIER_TIMEOUT, 3), (CaptureStatus.MIC_WINDOW_MISSED, 3), (CaptureStatus.AGENT_CRASH, 1)],
)
@pytest.mark.parametrize("broken_first", [True, False])
def test_an_attempt_that_was_not_measured_is_no_flake_of_the_agents_and_no_pass(
    broken: CaptureStatus, exit_code: int, broken_first: bool
) -> None:
    definition = case()
    attempts = [
        judge_attempt(definition, manifest(attempt=1, status=broken, detail="why"), None, "a1"),
        judge_attempt(definition, manifest(attempt=2), measurement(attempt=2), "a2"),
    ]
    told = judge_case(definition, attempts if broken_first else attempts[::-1])
    assert (told.status is Status.FLAKY) == (broken in AGENTS_FAULT)
    assert summary([(definition, told)]).exit_code == exit_code
    assert "1 of 2 attempts passed" in told.reason


def test_a_failure_beside_an_attempt_that_was_not_measured_is_a_failure() -> None:
    definition = case()
    attempts = [
        judge_attempt(definition, manifest(attempt=1, status=CaptureStatus.AGENT_ABSENT), None, "a1"),
        judge_attempt(definition, manifest(attempt=2), measurement(attempt=2, max_gap_ms=metric(250.0)), "a2"),
    ]
    assert judge_case(definition, attempts).status is Status.FAIL


def test_audio_gates_of_a_p1_case_warn() -> None:
    p1 = case(tier="P1")
    told = verdict(p1, measurement(clipping_ratio=metric(0.5, "")))
    assert told.status is Status.WARN
    assert summary([(p1, told)]).exit_code == 0
    assert summary([(p1, told)], strict=True).exit_code == 1


def test_a_p1_case_without_a_complete_reply_fails() -> None:
    p1 = case(tier="P1")
    told = verdict(p1, measurement(call={"replies_complete_after_final_eot": metric(0.0, "")}))
    assert told.status is Status.FAIL


def test_an_incomplete_run_never_reads_as_passed() -> None:
    good = case()
    for facts in ({"interrupted": True}, {}):
        whole = summary([(good, verdict(good, measurement()))], complete=False, planned=("c", "d"), **facts)
        assert whole.status is Status.NO_DATA
        assert whole.headline.startswith("PARTIAL, the run was ")
        assert "PASS" not in whole.headline
        assert "1 case was not run" in whole.headline


def test_an_interrupted_run_exits_with_130_and_says_that_it_is_partial() -> None:
    good = case()
    whole = summary([(good, verdict(good, measurement()))], interrupted=True, complete=False, planned=("c", "d", "e"))
    assert whole.exit_code == 130
    assert "PARTIAL" in whole.headline
    assert "2 cases were not run" in whole.headline


def test_a_run_with_nothing_in_it_does_not_pass() -> None:
    whole = summary([], errors=("no Chromium found",), complete=False)
    assert whole.exit_code == 3
    assert whole.status is Status.NO_DATA


def test_the_median_and_the_slowest_turn_are_named() -> None:
    definitions = [case(name) for name in "abc"]
    kpis = {"a": 400.0, "b": 900.0, "c": 500.0}
    told = [(d, verdict(d, measurement(d.id, user_kpi_raw_ms=metric(kpis[d.id])))) for d in definitions]
    whole = summary(told)
    assert whole.waterfall_median == "r-c-a1:0"
    assert whole.waterfall_slowest == "r-b-a1:0"


def test_talk_over_is_not_hidden_by_clamping() -> None:
    early = measurement(
        user_kpi_raw_ms=metric(-120.0), user_kpi_ms=metric(0.0), talk_over_ms=metric(120.0),
        call={"talk_over_count": metric(1.0, "")},
    )  # fmt: skip
    told = verdict(case(), early)
    assert told.status is Status.FAIL
    whole = summary([(case(), told)])
    assert whole.turn_taking.raw_ms.min == -120.0
    assert whole.turn_taking.talk_over_count == 1


@pytest.mark.parametrize(
    ("value", "unit", "limit"),
    [
        (650.4, "ms", 650.0), (649.7, "ms", 650.0), (650.0, "ms", 650.0), (10.04, "ms", 10.0), (199.9996, "ms", 200.0),
        (0.00104, "share", 0.001), (0.00099, "share", 0.001), (0.9999, "share", 1.0), (1.0000001, "", 1.0),
        (3.004, "dB", 3.0), (650.0 + 1e-13, "ms", 650.0), (400.2, "ms", 400.25),
    ],
)  # fmt: skip
def test_a_printed_number_never_contradicts_its_verdict(value: float, unit: str, limit: float) -> None:
    scale = 100 if unit == "share" else 1
    shown = float(show(value, unit, beside=limit).split(" ")[0])
    for op, holds in OPS.items():
        assert holds(shown, float(show_limit(op, limit, unit).split(" ")[1])) == holds(scale * value, scale * limit)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0, "share", "0 %"),
        (0.0004, "share", "0.04 %"),
        (0.9996, "share", "99.96 %"),
        (1.0, "share", "100 %"),
        (0.99999, "share", "99.999 %"),
        (0.03, "ms", "0.03 ms"),
        (0.0, "ms", "0.0 ms"),
        (431.4, "ms", "431 ms"),
        (None, "ms", "–"),
        (2.0, "", "2"),
    ],
)
def test_a_printed_number_does_not_lie(value: float | None, unit: str, shown: str) -> None:
    assert show(value, unit) == shown
