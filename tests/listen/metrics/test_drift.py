"""Clocks that run off during a call, and the host's load during a turn."""

import numpy as np
import pytest

from harness.listen.measure import listen
from harness.listen.metrics.drift import drift_ppm
from harness.model import capture
from tests.listen.captures import T0_MONO_MS, simple_call


def arrivals(seconds: float, ppm: float, seed: int = 0, lateness_ms: float = 1.0) -> np.ndarray:
    """20 ms frames whose clock runs fast by `ppm`; some arrive late, none early."""
    rng = np.random.default_rng(seed)
    frames = np.arange(round(seconds * 50)) * 960.0
    late_ms = rng.exponential(lateness_ms, len(frames)) + 40.0 * (rng.random(len(frames)) < 0.02)
    return np.stack([T0_MONO_MS + frames / 48 / (1 + ppm * 1e-6) + late_ms, frames], axis=1)


@pytest.mark.parametrize("ppm", [-300, -50, 0, 20, 100, 1_000])
@pytest.mark.parametrize("seconds", [20, 60, 600])
def test_the_drift_is_found_within_what_it_claims(ppm, seconds):
    found = drift_ppm(arrivals(seconds, ppm))
    assert found is not None
    value, within = found
    assert abs(value - ppm) <= 2 * within + 1
    assert within < 400 / seconds


def test_the_longer_the_call_the_surer_the_drift():
    short, long = drift_ppm(arrivals(10, 0)), drift_ppm(arrivals(300, 0))
    assert short is not None
    assert long is not None
    assert long[1] < short[1] / 5


@pytest.mark.parametrize("seconds", [0, 0.02, 2, 4.9])
def test_a_short_call_has_no_drift(seconds):
    assert drift_ppm(arrivals(seconds, 100)) is None


def test_a_steady_call_has_none_and_says_how_sure_that_is(tmp_path):
    metrics = listen(simple_call(total_ms=12_000).write(tmp_path / "c")).metrics
    assert metrics["clock_drift_probe_ppm"].value == pytest.approx(0, abs=20)
    assert 0 < metrics["clock_drift_probe_ppm"].uncertainty < 50
    assert metrics["clock_drift_browser_ppm"].value is None
    assert "not read at the end" in metrics["clock_drift_browser_ppm"].reason


def test_the_browsers_slip_is_its_drift(tmp_path):
    call = simple_call(total_ms=10_000, timeline={"slip_ms": 0.5, "error_ms": 0.2})
    measurement = listen(call.write(tmp_path / "c"))
    drift = measurement.metrics["clock_drift_browser_ppm"]
    assert drift.value == pytest.approx(-50)  # it fell behind
    assert drift.uncertainty == pytest.approx(40)
    assert measurement.validity.ok


def test_the_bot_lane_has_no_browser_clock(tmp_path):
    metrics = listen(simple_call(lane="bot").write(tmp_path / "c")).metrics
    assert metrics["clock_drift_browser_ppm"].not_applicable


@pytest.mark.parametrize("slip_ms", [12.0, -12.0])
def test_an_audio_clock_that_slipped_spoils_only_what_is_joined_with_it(tmp_path, slip_ms):
    measurement = listen(simple_call(timeline={"slip_ms": slip_ms}).write(tmp_path / "c"))
    metrics = measurement.turns[0].metrics
    assert measurement.validity.ok
    assert metrics["reply_lag_ms"].invalid
    assert "slipped" in metrics["reply_lag_ms"].reason
    assert not metrics["user_kpi_ms"].invalid  # both ends of it are in the recordings


def test_a_probe_clock_that_runs_off_makes_the_measurement_invalid(tmp_path):
    folder = simple_call(total_ms=12_000).write(tmp_path / "c")
    np.save(folder / capture.ARRIVALS, arrivals(12, 3_000))
    validity = listen(folder).validity
    assert "the probe's clock drifts by 3" in validity.reasons[0]
    np.save(folder / capture.ARRIVALS, arrivals(12, 300))
    assert listen(folder).validity.ok


def test_the_load_of_a_turn_is_that_of_the_turn(tmp_path):
    folder = simple_call(loop_lag_ms=7.0, cpu_percent=55.0).write(tmp_path / "c")
    turn = listen(folder).turns[0]
    assert turn.metrics["loop_lag_ms"].value == 7
    assert turn.metrics["host_cpu_ratio"].value == 0.55
    (folder / capture.HOST_LOAD).unlink()
    turn = listen(folder).turns[0]
    assert turn.metrics["loop_lag_ms"].value is None
    assert "host_load.jsonl is missing" in turn.metrics["loop_lag_ms"].reason
