"""Limits on a network profile: latencies get their allowance, holes warn, and an unproven profile is no pass (H-145, H-147)."""

from __future__ import annotations

import pytest

from harness.judge.gates import gates_for
from harness.model.measurement import Metric
from harness.model.status import Status
from reports.view.network import network_view
from tests.judge.canned import case, measurement, metric, summary, verdict

BAD_WIFI = {
    "netem_actually_applied": metric(1, "bool", reason="the relay's log agrees (…)"),
    "network_allowance_ms": metric(180),
    "network_impaired": metric(1, "bool", reason="50 ms delay, 40 ms jitter, 2 % loss each way"),
}
CLEAN = BAD_WIFI | {"network_allowance_ms": metric(0), "network_impaired": metric(0, "bool")}


def status(call: dict[str, Metric] | None, **turn: Metric) -> Status:
    return verdict(case(), measurement(call=call, **turn)).status


@pytest.mark.parametrize(
    ("latency_ms", "clean", "bad_wifi"),
    [(640, Status.PASS, Status.PASS), (820, Status.FAIL, Status.PASS), (840, Status.FAIL, Status.FAIL)],
)
def test_a_latency_may_take_longer_by_the_profiles_delay_and_jitter(
    latency_ms: float, clean: Status, bad_wifi: Status
) -> None:
    assert status(None, eot_to_first_audio_ms=metric(latency_ms)) is clean
    assert status(CLEAN, eot_to_first_audio_ms=metric(latency_ms)) is clean
    assert status(BAD_WIFI, eot_to_first_audio_ms=metric(latency_ms)) is bad_wifi


@pytest.mark.parametrize(
    "hole", [{"max_gap_ms": metric(300)}, {"dropout_count": metric(2)}, {"head_loss_ms": metric(80)}]
)
def test_a_hole_fails_only_where_nothing_is_impaired(hole: dict[str, Metric]) -> None:
    assert status(CLEAN, **hole) is Status.FAIL
    assert status(BAD_WIFI, **hole) is Status.WARN


def test_other_faults_fail_on_any_network() -> None:
    assert status(BAD_WIFI, clipping_ratio=metric(0.2, "")) is Status.FAIL


def test_a_profile_that_was_not_applied_is_never_a_pass_and_ends_with_3() -> None:
    unproven = BAD_WIFI | {"netem_actually_applied": metric(0, "bool", reason="the echo DOES NOT AGREE (…)")}
    made = verdict(case(), measurement(call=unproven))
    assert made.status is Status.NOT_APPLIED
    assert "the echo DOES NOT AGREE" in made.reason
    whole = summary([(case(), made)], link="bad_wifi")
    assert (whole.status, whole.exit_code) == (Status.NOT_APPLIED, 3)


def test_the_run_is_held_to_the_limits_of_its_network() -> None:
    made = verdict(case(), measurement(call=BAD_WIFI, eot_to_first_audio_ms=metric(820), max_gap_ms=metric(300)))
    whole = summary([(case(), made)], link="bad_wifi")
    rows = {gate.gate_id: gate for gate in whole.gates}
    assert (rows["eot_to_first_audio"].threshold, rows["eot_to_first_audio"].status) == (830, Status.PASS)
    assert (rows["max_gap"].blocking, rows["max_gap"].status) == (False, Status.WARN)
    assert whole.status is Status.WARN


def test_the_report_shows_what_was_applied() -> None:
    view = network_view(summary([(case(), verdict(case(), measurement(call=BAD_WIFI)))], link="bad_wifi"))
    assert view is not None
    assert view.what == "50 ms delay, 40 ms jitter, 2 % loss each way"
    assert view.allows == "Latencies over the round trip may take 180 ms longer; holes warn."
    assert view.rows[0][:2] == ("r-c-a1", "yes")
    assert network_view(summary([(case(), verdict(case(), measurement()))])) is None


def test_without_a_measurement_the_table_is_as_it_is() -> None:
    assert gates_for(case()) == gates_for(case(), measurement())
