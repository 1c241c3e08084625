"""Steps of the ear's clock: each is found with its place and size, and a figure that uses both sides of one says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.listen.measure import listen
from harness.listen.read.ear_clock import EarClock, find_steps
from harness.model import capture
from harness.model.measurement import Measurement, Turn
from tests.listen.captures import T0_MONO_MS, simple_call

BLOCK = 4_096.0  # samples between two pairs


def pairs_of(seconds: float, *steps: tuple[float, float], noise_ms: float = 0.05, drift_ppm: float = 0.0) -> np.ndarray:
    """`steps`: (at in s, how far the sample clock falls behind in ms)."""
    samples = np.arange(0.0, seconds * 48_000, BLOCK)
    late_ms = sum((size * (samples >= at * 48_000) for at, size in steps), np.zeros(len(samples)))
    late_ms = late_ms + np.random.default_rng(1).normal(0, noise_ms, len(samples)) + drift_ppm * samples / 48e6
    return np.stack([samples, T0_MONO_MS + samples / 48 + late_ms], axis=1)


def test_a_quiet_clock_has_no_step_whatever_its_drift():
    assert find_steps(pairs_of(600, drift_ppm=150)) == []


@pytest.mark.parametrize("at_s", [0.6, 30.0, 59.4])
@pytest.mark.parametrize("size_ms", [2.7, 10.0, -10.0, 250.0])
def test_a_step_is_found_with_its_place_and_size_wherever_it_is(at_s: float, size_ms: float):
    (step,) = find_steps(pairs_of(60, (at_s, size_ms)))
    assert step.size_ms == pytest.approx(size_ms, abs=0.2)
    assert step.after <= at_s * 48_000 <= step.before
    assert step.before - step.after == BLOCK


def test_steps_beside_each_other_are_found_one_by_one():
    found = find_steps(pairs_of(60, (20.0, 10.0), (20.8, 10.0), (40.0, -20.0)))
    assert [round(step.size_ms) for step in found] == [10, 10, -20]


def test_a_storm_of_steps_is_found_as_a_whole_and_none_of_nothing():
    rng = np.random.default_rng(2)
    steps = [(20.0 + 0.7 * k, float(rng.choice([10.0, 20.0, 40.0]))) for k in range(30)]
    found = find_steps(pairs_of(60, *steps))
    assert min(abs(step.size_ms) for step in found) > 2
    assert sum(step.size_ms for step in found) == pytest.approx(sum(size for _, size in steps), abs=2)
    for at_s, _ in steps:
        assert any(step.after - BLOCK <= at_s * 48_000 <= step.before + BLOCK for step in found)


def test_a_step_says_that_the_hypervisor_withheld_the_processor_just_then():
    second = [(T0_MONO_MS + 1e3 * s, T0_MONO_MS + 1e3 * (s + 1), 40.0 if s == 30 else 0.0) for s in range(60)]
    named, other = EarClock(pairs_of(60, (30.5, 10.0), (40.5, 10.0)), tuple(second)).steps
    assert (named.withheld_ms, other.withheld_ms) == (40, 0)
    assert "(the hypervisor withheld 40 ms of processor time just then)" in named.in_words()
    assert "hypervisor" not in other.in_words()


def test_single_late_pairs_as_on_a_busy_host_are_no_steps():
    pairs = pairs_of(60, noise_ms=0.3)
    pairs[::7, 1] += 30.0
    assert find_steps(pairs) == []


def test_a_call_of_few_pairs_or_one_has_a_map():
    assert find_steps(pairs_of(0.3)) == []
    assert EarClock(np.array([[480.0, 1_010.0]])).mono_ms(960) == pytest.approx(1_020)


@pytest.mark.parametrize("size_ms", [10.0, -10.0])
def test_the_map_is_right_on_either_side_of_a_step_and_leads_back(size_ms: float):
    clock = EarClock(pairs_of(60, (30.0, size_ms), drift_ppm=100))
    for at_s in (1.0, 29.8, 30.3, 59.0):
        late_ms = size_ms * (at_s > 30) + 0.1 * at_s
        assert clock.mono_ms(48_000 * at_s) == pytest.approx(T0_MONO_MS + 1e3 * at_s + late_ms, abs=0.2)
        assert clock.sample_at(clock.mono_ms(48_000 * at_s)) == pytest.approx(48_000 * at_s, abs=10)


def heard(folder: Path, *steps: tuple[float, float]) -> tuple[Measurement, Turn]:
    """A call whose ear's clock stepped."""
    written = simple_call().write(folder)
    np.save(written / capture.EAR_CLOCK, pairs_of(10, *steps))
    measurement = listen(written)
    return measurement, measurement.turns[0]


def spans_s(turn: Turn) -> tuple[float, float, float]:
    """The user's last word, the reply's first sound and its last."""
    assert turn.mic_end_sample is not None
    assert turn.onset_sample is not None
    return turn.mic_end_sample / 48e3, turn.onset_sample / 48e3, turn.spans["ear"].end / 48e3


def test_a_capture_without_the_map_is_read_as_ever_and_one_with_it_gives_the_same_figures(tmp_path: Path):
    old = listen(simple_call().write(tmp_path / "old"))
    new, turn = heard(tmp_path / "new")
    assert "ear_clock_steps" not in old.metrics
    assert new.metrics["ear_clock_steps"].value == 0
    for name, metric in old.turns[0].metrics.items():
        assert turn.metrics[name].value == pytest.approx(metric.value, abs=0.2), name
        assert turn.metrics[name].invalid == metric.invalid


def test_a_step_between_the_users_end_and_the_reply_makes_the_kpi_invalid_and_is_named(tmp_path: Path):
    _, clean = heard(tmp_path / "clean")
    end_s, onset_s, _ = spans_s(clean)
    call, turn = heard(tmp_path / "c", ((end_s + onset_s) / 2, 10.0))
    assert call.metrics["ear_clock_steps"].value == 1
    assert "+10.0 ms at" in call.metrics["ear_clock_steps"].reason
    for name in ("user_kpi_ms", "user_kpi_raw_ms", "unexplained_ms", "ear_vs_probe_kpi_delta_ms"):
        assert turn.metrics[name].invalid, name
        assert "the ear's clock stepped" in turn.metrics[name].reason
    assert "the ear's clock stepped" in turn.waterfall[-1].reason
    assert not turn.metrics["eot_to_first_audio_ms"].invalid, "the probe has a clock of its own"
    assert not turn.metrics["reply_lag_ms"].invalid, "the reply lies on one side, and is mapped by that"
    assert turn.metrics["reply_lag_ms"].value == pytest.approx(clean.metrics["reply_lag_ms"].value + 10.0, abs=0.3)


def test_a_small_step_widens_the_kpis_uncertainty(tmp_path: Path):
    _, clean = heard(tmp_path / "clean")
    end_s, onset_s, _ = spans_s(clean)
    _, turn = heard(tmp_path / "c", ((end_s + onset_s) / 2, 3.0))
    kpi = turn.metrics["user_kpi_ms"]
    assert not kpi.invalid
    assert "stepped" in kpi.reason
    assert kpi.uncertainty == pytest.approx(clean.metrics["user_kpi_ms"].uncertainty + 3.0, abs=0.2)


def test_a_step_inside_the_reply_is_not_taken_for_the_agents_sound(tmp_path: Path):
    _, clean = heard(tmp_path / "clean")
    _, onset_s, end_s = spans_s(clean)
    _, turn = heard(tmp_path / "c", ((onset_s + end_s) / 2, 10.0))
    assert not turn.metrics["user_kpi_ms"].invalid
    at_ear = [metric for name, metric in turn.metrics.items() if name.endswith("_ear_ms") and metric.value is not None]
    assert at_ear
    assert all(metric.invalid for metric in at_ear)
    assert not turn.metrics["max_gap_ms"].invalid


def test_a_step_before_everything_or_after_it_changes_no_figure(tmp_path: Path):
    _, clean = heard(tmp_path / "clean")
    for name, at_s in (("early", 0.5), ("late", 9.5)):
        _, turn = heard(tmp_path / name, (at_s, 10.0))
        assert [m for m, metric in turn.metrics.items() if metric.invalid and not clean.metrics[m].invalid] == []


def test_a_damaged_map_is_told_and_the_manifests_timeline_stands(tmp_path: Path):
    folder = simple_call().write(tmp_path / "c")
    (folder / capture.EAR_CLOCK).write_bytes(b"no array")
    assert listen(folder).turns[0].metrics["reply_lag_ms"].value is not None
