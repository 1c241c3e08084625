"""What must hold whatever the sound: gain, delay, padding and concatenation change no number they should not change."""

import math
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.listen.measure import listen, measure
from harness.listen.metrics.arrival import inter_arrival
from harness.listen.metrics.drift import drift_ppm
from harness.listen.metrics.level import active_rms, clipping_ratio
from harness.listen.place.align import find_best, sliding_correlation
from harness.listen.place.delay import track_delay
from harness.listen.place.onset import find_sounds, level_db
from harness.listen.place.ring import voice_band
from harness.listen.recordings import Recordings, read_recordings
from harness.model.audio import Audio
from tests.listen.captures import RATE_HZ, Call, Replied, Said, hole, ms, silence, simple_call, speech

EXAMPLES = settings(max_examples=12, deadline=None, derandomize=True)
QUICK = settings(max_examples=40, deadline=None, derandomize=True)
UTTERANCE = np.concatenate([silence(300), speech(1_200, 5), silence(400), speech(900, 6), silence(300)])
BAND = voice_band(Audio(UTTERANCE, RATE_HZ))


def measured(call: Call) -> dict[str, float | None]:
    with tempfile.TemporaryDirectory() as folder:
        turn = listen(call.write(Path(folder) / "c")).turns[0]
    return {name: metric.value for name, metric in turn.metrics.items()}


def call_with(kpi_ms: float = 450, **reply: object) -> Call:
    question = Said(500, speech(800, 1))
    return Call(said=[question], replies=[Replied(question.end_ms + kpi_ms, speech(1_200, 2), **reply)], total_ms=4_500)


@cache
def as_it_is() -> dict[str, float | None]:
    return measured(call_with())


@EXAMPLES
@given(kpi_ms=st.floats(-500, 1_200))
def test_a_later_reply_is_later_by_as_much(kpi_ms):
    assert measured(call_with(kpi_ms))["user_kpi_raw_ms"] == pytest.approx(kpi_ms, abs=2)


@EXAMPLES
@given(gain_db=st.floats(-10, 6))
def test_gain_at_the_ear_changes_neither_timing_nor_holes(gain_db):
    gain = 10 ** (gain_db / 20)
    metrics = measured(call_with(at_ear=lambda x: hole(x, 500, 80) * gain))
    assert metrics["user_kpi_raw_ms"] == pytest.approx(450, abs=3)
    assert metrics["dropout_count_ear"] == 1
    assert metrics["max_gap_ear_ms"] == pytest.approx(80, abs=12)


@EXAMPLES
@given(padding_ms=st.integers(0, 3_000), earlier_ms=st.floats(0, 400))
def test_silence_before_and_after_changes_nothing(padding_ms, earlier_ms):
    reference = as_it_is()
    call = call_with()
    moved = Call(
        said=[Said(call.said[0].at_ms + earlier_ms, call.said[0].sound)],
        replies=[Replied(call.replies[0].at_ms + earlier_ms, call.replies[0].sound)],
        total_ms=call.total_ms + 500 + padding_ms,
    )
    metrics = measured(moved)
    assert metrics.keys() == reference.keys()
    for name in ("user_kpi_raw_ms", "eot_to_first_audio_ms", "reply_ms", "max_gap_ms", "identity"):
        assert metrics[name] == pytest.approx(reference[name], abs=1)


@EXAMPLES
@given(at_ms=st.floats(100, 900), length_ms=st.floats(60, 200))
def test_a_hole_is_never_read_much_longer_than_it_is(at_ms, length_ms):
    metrics = measured(call_with(at_probe=lambda x: hole(x, at_ms, length_ms)))
    assert metrics["max_gap_ms"] <= length_ms + 12
    assert metrics["max_gap_ear_ms"] == 0


@EXAMPLES
@given(gain_db=st.floats(-12, 5), who=st.sampled_from(["user", "agent"]))
def test_how_loud_somebody_speaks_changes_no_latency(gain_db, who):
    gain = np.float32(10 ** (gain_db / 20))
    question = Said(500, speech(800, 1) * (gain if who == "user" else 1))
    reply = Replied(question.end_ms + 450, speech(1_200, 2) * (gain if who == "agent" else 1))
    metrics = measured(Call(said=[question], replies=[reply], total_ms=4_500))
    for name in ("user_kpi_raw_ms", "eot_to_first_audio_ms"):
        assert metrics[name] == pytest.approx(450, abs=3)
    assert metrics["dropout_count"] == metrics["dropout_count_ear"] == 0
    assert metrics["identity"] > 0.9


@EXAMPLES
@given(probe_lag_ms=st.floats(-400, 0), lag_ms=st.floats(20, 400))
def test_when_the_second_listener_hears_it_changes_nothing_at_the_ear(probe_lag_ms, lag_ms):
    call = call_with(lag_ms=lag_ms)
    call.probe_lag_ms = probe_lag_ms
    metrics = measured(call)
    assert metrics["user_kpi_raw_ms"] == pytest.approx(450, abs=2)
    assert metrics["ear_vs_probe_kpi_delta_ms"] == pytest.approx(0, abs=2)
    assert metrics["reply_lag_ms"] == pytest.approx(lag_ms, abs=2)


@EXAMPLES
@given(first_ms=st.floats(250, 900), second_ms=st.floats(250, 900), has_hole=st.booleans())
def test_two_calls_one_after_the_other_are_each_what_they_were_alone(first_ms, second_ms, has_hole):
    def change(x):
        return hole(x, 400, 90) if has_hole else x

    said = [Said(500, speech(800, 1)), Said(5_000, speech(900, 3))]
    replies = [
        Replied(said[0].end_ms + first_ms, speech(1_200, 2)),
        Replied(said[1].end_ms + second_ms, speech(1_300, 4), at_ear=change),
    ]
    with tempfile.TemporaryDirectory() as folder:
        calls = {
            "first": Call(said=said[:1], replies=replies[:1], total_ms=5_000),
            "second": Call(said=said[1:], replies=replies[1:], total_ms=9_000),
            "both": Call(said=said, replies=replies, total_ms=9_000),
        }
        turns = {name: listen(call.write(Path(folder) / name)).turns for name, call in calls.items()}
    assert len(turns["both"]) == 2
    for together, alone in zip(turns["both"], [*turns["first"], *turns["second"]], strict=True):
        for name in ("user_kpi_raw_ms", "reply_ms", "max_gap_ear_ms", "identity", "clipping_ratio_ear"):
            assert together.metrics[name].value == pytest.approx(alone.metrics[name].value, abs=1)
        assert [d.kind for d in together.defects] == [d.kind for d in alone.defects]


@QUICK
@given(gain_db=st.floats(-30, 30))
def test_correlation_is_blind_to_level(gain_db):
    gain = 10 ** (gain_db / 20)
    piece = BAND[2_400:8_800]
    assert sliding_correlation(piece * gain, BAND) == pytest.approx(sliding_correlation(piece, BAND), abs=1e-9)


@QUICK
@given(shift=st.integers(0, 4_000), start=st.integers(2_400, 6_000))
def test_a_piece_is_found_where_it_was_moved_to(shift, start):
    moved = np.concatenate([np.zeros(shift), BAND])
    found = find_best(BAND[start : start + 4_000], moved)
    assert found is not None
    assert found.at == pytest.approx(start + shift, abs=0.01)
    assert found.confidence == pytest.approx(1)


@QUICK
@given(lag=st.integers(0, 4_000), gain_db=st.floats(-20, 20), about=st.integers(-300, 300))
def test_the_delay_track_follows_any_constant_delay_at_any_level(lag, gain_db, about):
    moved = np.concatenate([np.zeros(lag), BAND]) * 10 ** (gain_db / 20)
    track = track_delay(BAND, (2_400, len(BAND)), moved, lag + about)
    assert track.found
    assert track.lag == pytest.approx(np.full(len(track.lag), lag), abs=0.05)
    assert len(track.steps_ms()) == 0


@QUICK
@given(gain_db=st.floats(-20, 6))
def test_levels_move_with_the_gain(gain_db):
    gain = np.float32(10 ** (gain_db / 20))
    loud, quiet = level_db(Audio(UTTERANCE, RATE_HZ)), level_db(Audio(UTTERANCE * gain, RATE_HZ))
    heard = loud > -60
    assert quiet[heard] - loud[heard] == pytest.approx(np.full(heard.sum(), gain_db), abs=0.01)
    frames = Audio(UTTERANCE[ms(400) : ms(1_400)], RATE_HZ)
    louder = Audio(frames.samples * gain, RATE_HZ)
    if gain_db > -10:  # every frame stays audible
        assert active_rms(louder) == pytest.approx(gain * active_rms(frames), rel=0.01)


@QUICK
@given(before_ms=st.integers(0, 2_000), after_ms=st.integers(0, 2_000))
def test_sounds_move_with_the_silence_ahead_of_them(before_ms, after_ms):
    alone = find_sounds(Audio(UTTERANCE, RATE_HZ))
    moved = find_sounds(Audio(np.concatenate([silence(before_ms), UTTERANCE, silence(after_ms)]), RATE_HZ))
    assert [(s.start - ms(before_ms), s.end - ms(before_ms)) for s in moved] == [(s.start, s.end) for s in alone]


@QUICK
@given(clipped=st.lists(st.integers(0, 200), min_size=2, max_size=4))
def test_the_share_of_clipped_samples_is_that_of_the_parts_together(clipped):
    parts = []
    for number, count in enumerate(clipped):
        part = speech(200 + 100 * number, number) * 0.5
        part[:count] = 1.0
        parts.append(Audio(part.astype(np.float32), RATE_HZ))
    whole = clipping_ratio(Audio(np.concatenate([part.samples for part in parts]), RATE_HZ))
    weighted = sum((clipping_ratio(part) or 0.0) * len(part) for part in parts) / sum(len(part) for part in parts)
    assert whole == pytest.approx(weighted)


@QUICK
@given(later_ms=st.floats(-1e6, 1e6), seed=st.integers(0, 5))
def test_when_the_clock_began_changes_neither_arrival_nor_drift(later_ms, seed):
    frames = np.arange(600) * 960.0
    times = 5e6 + frames / 48 + np.random.default_rng(seed).exponential(2, len(frames))
    here, later = np.stack([times, frames], axis=1), np.stack([times + later_ms, frames], axis=1)
    span = (0, int(frames[-1]))
    assert inter_arrival(later, span, []).value == pytest.approx(inter_arrival(here, span, []).value, abs=0.01)
    drifts = drift_ppm(here), drift_ppm(later)
    assert drifts[0] is not None
    assert drifts[1] == pytest.approx(drifts[0], abs=0.01)


SOUNDS = st.one_of(
    st.just(silence(2_500)),
    st.builds(lambda seed: speech(2_000, seed), st.integers(0, 9)),
    st.builds(
        lambda level, seed: (level * np.random.default_rng(seed).standard_normal(90_000)).astype(np.float32),
        st.floats(1e-6, 2.0),
        st.integers(0, 9),
    ),
    st.builds(
        lambda value, count: np.full(count, value, np.float32), st.floats(-1, 1, width=32), st.integers(1, 60_000)
    ),
    st.builds(
        lambda hz: np.sin(np.arange(100_000) * hz * 2 * np.pi / RATE_HZ).astype(np.float32), st.floats(1, 24_000)
    ),
)


@EXAMPLES
@given(ear=SOUNDS, mic=SOUNDS, pre=SOUNDS)
def test_whatever_sounds_every_metric_has_a_number_or_a_reason(ear, mic, pre):
    with tempfile.TemporaryDirectory() as folder:
        paths = {role: Path(folder) / f"{role}.wav" for role in ("ear", "mic", "pre")}
        for role, samples in (("ear", ear), ("mic", mic), ("pre", pre)):
            soundfile.write(paths[role], samples, RATE_HZ, subtype="FLOAT")
        found = measure(read_recordings(Recordings(**paths)))
    for metrics in (found.metrics, *(turn.metrics for turn in found.turns)):
        for name, metric in metrics.items():
            assert metric.reason if metric.value is None else math.isfinite(metric.value), name


@EXAMPLES
@given(seed=st.integers(0, 20), level_dbfs=st.floats(-30, -18))
def test_what_a_codec_leaves_has_no_defect(seed, level_dbfs):
    """No false alarm on clean speech of any voice and level."""
    call = simple_call(sound=speech(1_600, seed, level_dbfs))
    with tempfile.TemporaryDirectory() as folder:
        [turn] = listen(call.write(Path(folder) / "c")).turns
    assert turn.defects == []
