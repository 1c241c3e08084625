"""The gate table: what passes, what fails, what is no data, and that nothing missing ever passes."""

from __future__ import annotations

import pytest

from harness.judge.gates import BY_ID, TABLE, Sample, check_overrides, evaluate, gates_for, samples_of
from harness.model.measurement import Metric, Turn
from harness.model.status import Status
from tests.judge.canned import case, measurement, metric, verdict

EIGHT = {
    "eot_to_first_audio": ("<=", 650),
    "tts_first_publish": ("<=", 120),
    "audible_dropout": ("==", 0),
    "max_gap": ("<", 200),
    "audio_valid": ("==", 1.0),
    "clipping_ratio": ("<", 0.001),
    "fast_ttft": ("<=", 80),
    "inter_arrival": ("<=", 30),
}


def sample(value: float | None, **fields: object) -> Sample:
    gate = fields.pop("gate", BY_ID["eot_to_first_audio"])
    return Sample(metric(value, **fields), "t", gate.threshold)  # type: ignore[attr-defined]


def test_the_eight_blocking_gates_have_the_thresholds_of_the_spec() -> None:
    assert {g.id: (g.op, g.threshold) for g in TABLE if g.id in EIGHT} == EIGHT
    assert all(BY_ID[gate_id].blocking for gate_id in EIGHT)


@pytest.mark.parametrize("gate", [g for g in TABLE if not g.fixed], ids=lambda g: g.id)
def test_a_missing_value_never_passes(gate) -> None:  # type: ignore[no-untyped-def]
    result = evaluate(gate, [Sample(Metric(value=None, reason="the file is gone"), "t", gate.threshold)])
    assert result.status is Status.NO_DATA
    assert "the file is gone" in result.reason


def test_zero_is_a_value() -> None:
    assert evaluate(BY_ID["max_gap"], [sample(0.0, gate=BY_ID["max_gap"])]).status is Status.PASS


def test_an_empty_list_is_not_applicable_and_never_a_pass() -> None:
    assert evaluate(BY_ID["max_gap"], []).status is Status.NOT_APPLICABLE


def test_not_applicable_comes_from_declared_capability_alone() -> None:
    excluded = evaluate(BY_ID["max_gap"], [sample(None, not_applicable=True, reason="needs pre_rtc.wav")])
    assert excluded.status is Status.NOT_APPLICABLE
    mixed = evaluate(BY_ID["max_gap"], [sample(None, not_applicable=True), sample(None, reason="gone")])
    assert mixed.status is Status.NO_DATA


def test_a_value_that_is_not_believed_is_invalid() -> None:
    result = evaluate(BY_ID["eot_to_first_audio"], [sample(14.3, invalid=True, reason="below the hangover")])
    assert result.status is Status.INVALID


def test_a_failure_is_not_hidden_by_a_missing_value_beside_it() -> None:
    assert evaluate(BY_ID["eot_to_first_audio"], [sample(900.0), sample(None)]).status is Status.FAIL


@pytest.mark.parametrize(
    ("n", "shown", "status"), [(19, "max of 19: 700 ms", Status.FAIL), (40, "P95 of 40", Status.PASS)]
)
def test_below_twenty_turns_a_p95_gate_judges_the_maximum(n: int, shown: str, status: Status) -> None:
    values = [400.0 + 5 * k for k in range(n - 1)] + [700.0]
    result = evaluate(BY_ID["eot_to_first_audio"], [sample(value) for value in values])
    assert result.shown.startswith(shown)
    assert result.status is status


def test_latencies_that_do_not_vary_are_not_believed() -> None:
    result = evaluate(BY_ID["user_kpi"], [sample(200.0 + 0.1 * k, gate=BY_ID["user_kpi"]) for k in range(12)])
    assert result.status is Status.INVALID
    assert "resolution" in result.reason


def test_a_warning_gate_warns() -> None:
    assert evaluate(BY_ID["user_kpi"], [sample(1000.0, gate=BY_ID["user_kpi"])]).status is Status.WARN


def test_an_overloaded_turn_is_invalid_in_every_gate_that_has_a_value() -> None:
    definition, measured = case(), measurement(valid=False)
    for gate in gates_for(definition):
        if gate.if_absent == "no_data":
            assert evaluate(gate, samples_of(gate, definition, measured)).status in (
                Status.INVALID,
                Status.NOT_APPLICABLE,
            )


def two_turns(second: Turn):  # type: ignore[no-untyped-def]
    first = measurement()
    return first.model_copy(update={"turns": [*first.turns, second]})


def test_an_answer_without_the_metric_is_no_data_though_another_has_it() -> None:
    gate, measured = BY_ID["clipping_ratio"], two_turns(Turn(reply_seq=1, utterance=1, metrics={}))
    result = evaluate(gate, samples_of(gate, case(), measured))
    assert result.status is Status.NO_DATA
    assert result.worst_reply_seq == 1
    assert "clipping_ratio was not measured" in result.reason


def test_a_reply_that_answers_nobody_owes_no_metric() -> None:
    gate, measured = BY_ID["clipping_ratio"], two_turns(Turn(reply_seq=1, utterance=None, metrics={}))
    assert evaluate(gate, samples_of(gate, case(), measured)).status is Status.PASS


def test_a_turn_without_a_reply_fails_in_every_tier() -> None:
    unanswered = measurement(call={"unanswered_turn_count": metric(1.0, "")})
    for tier in ("P0", "P1"):
        told = verdict(case(tier=tier), unanswered)
        assert told.status is Status.FAIL
        assert told.reason.startswith("replies: 1, wanted == 0")
    assert "replies" not in {g.id for g in gates_for(case(expect_reply=False))}


def test_a_failing_gate_names_the_reply_and_keeps_the_reason() -> None:
    silent = Turn(
        reply_seq=3, utterance=1, metrics={"audio_valid": metric(0.0, "", reason="RMS 0.0001 is below 0.005")}
    )
    gate = BY_ID["audio_valid"]
    result = evaluate(gate, samples_of(gate, case(), two_turns(silent)))
    assert (result.status, result.worst_reply_seq) == (Status.FAIL, 3)
    assert "RMS 0.0001" in result.reason


def test_an_interrupted_reply_is_not_judged_for_its_length() -> None:
    measured = measurement(reply_ms=metric(120.0))
    gate = next(g for g in gates_for(case(interrupts=True)) if g.id == "reply_not_short")
    assert evaluate(gate, samples_of(gate, case(interrupts=True), measured)).status is Status.NO_DATA
    gate = next(g for g in gates_for(case()) if g.id == "reply_not_short")
    assert evaluate(gate, samples_of(gate, case(), measured)).status is Status.FAIL


def test_a_barge_in_that_interrupted_nothing_is_no_data_and_blocks() -> None:
    definition = case(interrupts=True)
    nothing = measurement(barge_in_to_silence_ms=metric(None, reason="the user did not speak into a reply"))
    gate = next(g for g in gates_for(definition) if g.id == "interruption")
    assert gate.blocking
    assert evaluate(gate, samples_of(gate, definition, nothing)).status is Status.NO_DATA
    stopped = measurement(barge_in_to_silence_ms=metric(320.0))
    assert evaluate(gate, samples_of(gate, definition, stopped)).status is Status.PASS


def test_a_case_that_allows_talk_over_is_not_judged_by_it() -> None:
    assert "talk_over" in {g.id for g in gates_for(case())}
    assert "talk_over" not in {g.id for g in gates_for(case(talk_over_allowed=True))}


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ({"max_gap": 100.0}, None),
        ({"max_gap": 300.0}, "loosens"),
        ({"audio_valid": 0.5}, "loosens"),
        ({"max_gab": 100.0}, "no gate of this name"),
        ({"complete_reply": 0.0}, "no gate of this name"),
    ],
)
def test_a_p0_case_may_only_tighten(override: dict[str, float], problem: str | None) -> None:
    problems = check_overrides(case(gates_override=override))
    assert (problem is None) == (problems == [])
    assert problem is None or problem in problems[0]


def test_a_tightened_gate_judges_by_its_own_threshold() -> None:
    definition = case(gates_override={"eot_to_first_audio": 400.0})
    gate = next(g for g in gates_for(definition) if g.id == "eot_to_first_audio")
    assert evaluate(gate, samples_of(gate, definition, measurement())).status is Status.FAIL


def test_what_a_case_may_be_without_is_not_applicable_and_warns_of_nothing() -> None:
    moved = metric(None, reason="the jitter buffer moved while it was read")
    [found] = samples_of(BY_ID["way"], case(), measurement(way_besides_buffer_ms=moved))
    result = evaluate(BY_ID["way"], [found])
    assert result.status is Status.NOT_APPLICABLE
    assert "moved" in result.reason
