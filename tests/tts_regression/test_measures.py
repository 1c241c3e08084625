"""What is measured of a synthesis, on syntheses whose every piece comes when the test says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tts_regression.measures import (
    IDENTICAL_DB,
    NEARLY_IDENTICAL_DB,
    first_audible_ms,
    first_chunk_share,
    play,
    real_time_factor,
    repeats,
    snr_db,
    ttfa_ms,
)
from harness.tts_regression.spoken import Arrival, Int16Array, Spoken

RATE_HZ = 24_000


def noise(duration_ms: float, seed: int = 1, level: float = 6_000.0) -> Int16Array:
    """Like nothing else in it, so that it can only be aligned one way."""
    count = round(duration_ms * RATE_HZ / 1e3)
    return np.asarray(np.clip(np.random.default_rng(seed).normal(0, level, count), -32_768, 32_767), np.int16)


def arriving(samples: Int16Array, times_ms: list[float], whole_ms: float | None = None) -> Spoken:
    """In pieces of equal length, one at each time."""
    ends = np.linspace(0, len(samples), len(times_ms) + 1)[1:]
    arrivals = tuple(Arrival(at / 1e3, round(end)) for at, end in zip(times_ms, ends, strict=True))
    return Spoken(samples, RATE_HZ, arrivals, (whole_ms if whole_ms is not None else times_ms[-1]) / 1e3)


def test_an_engine_that_makes_everything_before_it_sends_is_seen() -> None:
    sound = noise(4_000)
    waits = arriving(sound, [2_000, 2_001, 2_002, 2_003])
    streams = arriving(sound, [200, 800, 1_400, 2_000])
    assert first_chunk_share(waits) == pytest.approx(2_000 / 2_003)
    assert first_chunk_share(streams) == pytest.approx(0.1)


def test_silence_sent_ahead_does_not_pass_for_streaming() -> None:
    sound = np.concatenate([np.zeros(RATE_HZ, np.int16), noise(3_000)])
    spoken = arriving(sound, [10, 2_000, 2_001, 2_002])
    assert ttfa_ms(spoken) == pytest.approx(10)
    assert first_audible_ms(spoken) == pytest.approx(2_000)
    assert first_chunk_share(spoken) == pytest.approx(2_000 / 2_002)


def test_an_engine_that_is_whole_in_no_time_need_not_stream() -> None:
    share = first_chunk_share(arriving(noise(4_000), [30]))
    assert share is not None
    assert share < 0.1


def test_nothing_said_has_no_times() -> None:
    silent = Spoken(np.empty(0, np.int16), RATE_HZ, (), 0.1)
    assert ttfa_ms(silent) is first_audible_ms(silent) is first_chunk_share(silent) is real_time_factor(silent) is None
    assert play(silent).underruns == 0


def test_a_player_runs_dry_where_the_sound_comes_later_than_it_is_due() -> None:
    sound = noise(1_000)
    assert play(arriving(sound, [100, 200, 300, 400])).underruns == 0
    late = play(arriving(sound, [100, 200, 1_000, 1_100]), lead_ms=40)
    # the third quarter is due 140 + 500 ms after the request, and there at 1,000
    assert late.underruns == 1
    assert late.underrun_ms == pytest.approx(360)


def test_slower_than_real_time_is_heard_as_underruns() -> None:
    spoken = arriving(noise(1_000), [100 + 150 * k for k in range(10)])
    assert (real_time_factor(spoken) or 0) > 1
    assert play(spoken).underruns >= 8


@given(st.lists(st.floats(0, 3_000), min_size=1, max_size=20), st.floats(0, 200))
@settings(deadline=None)
def test_what_a_player_waits_is_what_it_ends_late(times_ms: list[float], lead_ms: float) -> None:
    spoken = arriving(noise(1_000), sorted(times_ms))
    playout = play(spoken, lead_ms)
    assert playout.underrun_ms >= 0
    assert (playout.underruns == 0) == (playout.underrun_ms == 0)
    assert play(spoken, lead_ms + 3_000).underruns == 0, "a lead as long as all of it hides everything"


def test_only_the_very_same_samples_are_identical() -> None:
    sound = noise(1_000)
    assert snr_db(sound, sound, RATE_HZ) == IDENTICAL_DB
    moved = np.concatenate([np.zeros(48, np.int16), sound])
    assert snr_db(sound, moved, RATE_HZ) == NEARLY_IDENTICAL_DB, "2 ms of silence ahead"


@pytest.mark.parametrize("wanted_db", [10.0, 20.0, 40.0])
def test_noise_of_a_known_level_reads_as_that_snr(wanted_db: float) -> None:
    sound = noise(2_000)
    added = noise(2_000, seed=2, level=6_000 * 10 ** (-wanted_db / 20))
    spoken = np.asarray(np.clip(sound.astype(int) + added, -32_768, 32_767), np.int16)
    assert snr_db(sound, spoken, RATE_HZ) == pytest.approx(wanted_db, abs=0.5)
    late = np.concatenate([np.zeros(600, np.int16), spoken])
    assert snr_db(sound, late, RATE_HZ) == pytest.approx(wanted_db, abs=0.5), "25 ms later"


def test_what_is_missing_counts_against_the_snr() -> None:
    sound = noise(2_000)
    assert snr_db(sound, sound[: len(sound) // 2], RATE_HZ) == pytest.approx(3.0, abs=0.3)
    assert snr_db(sound, np.empty(0, np.int16), RATE_HZ) == 0
    assert snr_db(sound, noise(2_000, seed=9), RATE_HZ) < 1


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 24_000, 48_000])
def test_a_packet_that_is_sent_twice_is_a_repeat(rate_hz: int) -> None:
    sound = np.random.default_rng(3).normal(0, 4_000, rate_hz * 2).astype(np.int16)
    packet = round(0.08 * rate_hz)
    twice = np.concatenate([sound[: rate_hz + packet], sound[rate_hz:]])
    assert repeats(sound, rate_hz) == []
    (found,) = repeats(twice, rate_hz)
    assert found[0] == pytest.approx(1_080, abs=2)
    assert found[1] == pytest.approx(80, abs=2)


def test_the_same_consonant_a_second_later_is_no_repeat_but_a_packet_is() -> None:
    sound = noise(4_000)
    consonant, packet = sound[: round(0.08 * RATE_HZ)], sound[: round(0.16 * RATE_HZ)]
    for piece, count in ((consonant, 0), (packet, 1)):
        again = sound.copy()
        again[RATE_HZ : RATE_HZ + len(piece)] = piece
        assert len(repeats(again, RATE_HZ)) == count
