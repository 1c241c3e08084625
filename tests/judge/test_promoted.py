"""USER_KPI by a promoted baseline: FAIL over the run from 20 turns on, a warning below, one turn never by it."""

from __future__ import annotations

from harness.judge.promoted import KpiLimit
from harness.model.status import Status
from harness.model.verdict import GateResult, Summary
from tests.judge.canned import case, measurement, metric, summary, verdict

LIMIT = KpiLimit(600.0, "main v2")


def run_of(kpis_ms: list[float], limit: KpiLimit | None) -> Summary:
    cases = []
    for i, kpi_ms in enumerate(kpis_ms):
        named = {"user_kpi_raw_ms": metric(kpi_ms), "user_kpi_ms": metric(kpi_ms)}
        named["eot_to_first_audio_ms"] = metric(400.0 + 5 * i)
        cases.append((case(f"c{i}"), verdict(case(f"c{i}"), measurement(f"c{i}", **named))))
    return summary(cases, kpi_limit=limit)


def kpi_row(whole: Summary) -> GateResult:
    return next(gate for gate in whole.gates if gate.gate_id == "user_kpi")


SLOW = [640.0 + i for i in range(20)]


def test_without_a_promoted_baseline_user_kpi_warns_at_most() -> None:
    row = kpi_row(run_of([950.0 + i for i in range(20)], None))
    assert (row.status, row.blocking) == (Status.WARN, False)


def test_a_p95_above_the_promoted_limit_fails_the_run_and_names_the_baseline() -> None:
    whole = run_of(SLOW, LIMIT)
    row = kpi_row(whole)
    assert (row.status, row.blocking, row.threshold) == (Status.FAIL, True, 600.0)
    assert "limit of baseline main v2" in row.reason
    assert (whole.status, whole.exit_code) == (Status.FAIL, 1)
    assert "over the run user_kpi is FAIL" in whole.headline


def test_a_p95_within_the_limit_passes_as_a_blocking_gate() -> None:
    row = kpi_row(run_of([400.0 + 5 * i for i in range(20)], LIMIT))
    assert (row.status, row.blocking, row.n) == (Status.PASS, True, 20)


def test_below_20_turns_the_limit_is_named_and_does_not_block() -> None:
    whole = run_of(SLOW[:19], LIMIT)
    row = kpi_row(whole)
    assert (row.status, row.blocking) == (Status.PASS, False)
    assert "judges a P95 of 20 turns and more; there are 19" in row.reason
    assert whole.exit_code == 0
