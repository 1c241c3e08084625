"""The gates over the run: what the cases alone do not show blocks, and no row contradicts the verdict."""

from __future__ import annotations

from harness.judge.gates import gates_for, samples_of
from harness.model.case import Case
from harness.model.measurement import Measurement
from harness.model.status import Status
from harness.model.verdict import GateResult, Summary
from tests.judge.canned import case, measurement, metric, summary, verdict

LATENCIES = ("user_kpi_raw_ms", "user_kpi_ms", "eot_to_first_audio_ms")


def run_of(values_ms: list[float], names: tuple[str, ...] = LATENCIES, tier: str = "P0", **facts: object) -> Summary:
    cases: list[tuple[Case, Measurement]] = []
    for k, value_ms in enumerate(values_ms):
        definition = case(f"c{k}", tier=tier)
        cases.append((definition, measurement(definition.id, **{name: metric(value_ms) for name in names})))
    return summary([(definition, verdict(definition, measured)) for definition, measured in cases], **facts)


def row(whole: Summary, gate_id: str) -> GateResult:
    return next(gate for gate in whole.gates if gate.gate_id == gate_id)


def test_latencies_that_do_not_vary_make_the_run_invalid_though_every_case_passes() -> None:
    whole = run_of([400.0 + 0.1 * k for k in range(12)])
    assert all(told.status is Status.PASS for told in whole.cases)
    assert (whole.status, whole.exit_code) == (Status.INVALID, 3)
    assert "12 of 12 cases passed" in whole.headline
    assert "eot_to_first_audio is INVALID" in whole.headline
    assert "resolution" in whole.headline


def test_a_tight_cluster_at_the_ear_alone_blocks_although_user_kpi_only_warns() -> None:
    whole = summary(
        [
            (d, verdict(d, measurement(d.id, user_kpi_ms=metric(400.0), eot_to_first_audio_ms=metric(380.0 + 5 * k))))
            for k, d in enumerate(case(f"c{k}") for k in range(10))
        ]
    )
    assert (whole.status, whole.exit_code) == (Status.INVALID, 3)
    assert row(whole, "user_kpi").blocking


def test_latencies_that_vary_pass() -> None:
    assert run_of([400.0 + 5 * k for k in range(12)]).exit_code == 0


def test_a_violation_in_a_p1_case_alone_is_a_warning_in_the_row_too() -> None:
    p0, p1 = case("good"), case("bad", tier="P1")
    bad = measurement("bad", clipping_ratio=metric(0.5, ""))
    whole = summary([(p0, verdict(p0, measurement("good"))), (p1, verdict(p1, bad))])
    clipping = row(whole, "clipping_ratio")
    assert (whole.exit_code, whole.status) == (0, Status.WARN)
    assert (clipping.status, clipping.would_be) == (Status.WARN, Status.FAIL)
    assert "only in cases where it warns" in clipping.reason
    assert clipping.worst_trace_id == "r-bad-a1"


def test_missing_data_in_a_p1_case_alone_is_a_warning_in_the_row_too() -> None:
    p1 = case("bad", tier="P1")
    whole = summary([(p1, verdict(p1, measurement("bad", clipping_ratio=metric(None, reason="gone"))))])
    assert whole.exit_code == 0
    assert row(whole, "clipping_ratio").status is Status.WARN
    assert "gone" in row(whole, "clipping_ratio").reason


def test_the_violation_of_a_p0_case_is_not_diluted_by_p1_cases() -> None:
    whole = run_of([400.0 + 5 * k for k in range(30)] + [700.0])
    latency = row(whole, "eot_to_first_audio")
    assert whole.exit_code == 1
    assert latency.shown.startswith("P95 of 31")
    assert latency.status is Status.FAIL
    assert "700 ms" in latency.reason
    assert "r-c30-a1" in latency.reason


def long_call(name: str, values_ms: list[float]) -> Measurement:
    measured = measurement(name)
    metrics = measured.turns[0].metrics
    turns = [
        measured.turns[0].model_copy(
            update={"reply_seq": k, "metrics": metrics | {n: metric(value_ms) for n in LATENCIES}}
        )
        for k, value_ms in enumerate(values_ms)
    ]
    return measured.model_copy(update={"turns": turns})


def test_a_p95_that_fails_over_the_run_alone_blocks() -> None:
    """Each call of 30 turns has a P95 of 644 ms by interpolation; both together have 680 ms."""
    values_ms = [400.0 + k for k in range(27)] + [600.0, 680.0, 680.0]
    cases = [(d, verdict(d, long_call(d.id, values_ms))) for d in (case("a"), case("b"))]
    whole = summary(cases)
    assert all(told.status is Status.PASS for _, told in cases)
    assert (whole.status, whole.exit_code) == (Status.FAIL, 1)
    assert "over the run eot_to_first_audio is FAIL: P95 of 60: 680 ms, wanted <= 650 ms" in whole.headline


def test_a_warning_over_the_run_is_a_warning_of_the_run_and_counts_with_strict() -> None:
    told = []
    for k in range(12):
        definition = case(f"c{k}")
        latencies = {"user_kpi_ms": metric(850.0 + 5 * k), "eot_to_first_audio_ms": metric(500.0 + 5 * k)}
        told.append((definition, verdict(definition, measurement(definition.id, **latencies))))
    whole = summary(told)
    assert (whole.status, whole.exit_code) == (Status.WARN, 0)
    assert row(whole, "user_kpi").status is Status.WARN
    assert summary(told, strict=True).exit_code == 1


def test_a_limit_of_the_cases_own_is_named_where_the_tables_would_hold() -> None:
    strict = case(gates_override={"eot_to_first_audio": 400.0})
    other = case("other")
    whole = summary([(d, verdict(d, measurement(d.id))) for d in (strict, other)])
    latency = row(whole, "eot_to_first_audio")
    assert latency.status is Status.FAIL
    assert latency.shown == "max of 2: 430 ms"
    assert "430 ms, the case's own limit is <= 400 ms" in latency.reason


def test_all_samples_of_the_table_reach_the_run() -> None:
    definition = case()
    measured = measurement()
    whole = summary([(definition, verdict(definition, measured))])
    for gate in gates_for(definition):
        if gate.if_absent == "no_data":
            assert row(whole, gate.id).n == len(samples_of(gate, definition, measured))
