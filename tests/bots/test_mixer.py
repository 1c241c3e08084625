"""Tracks are summed on one clock, as a person hears them, and an absent one does not stop it."""

import numpy as np

from bots.mixer import HOLD_SAMPLES, STALLED_SAMPLES, Mixer


def frame(value: int) -> np.ndarray:
    return np.full(960, value, np.int16)


def test_two_tracks_are_summed_and_clipped_where_both_are() -> None:
    mixer = Mixer()
    for k in range(3):
        mixer.add("voice", 960 * k, frame(20_000))
    mixer.add("music", 960, frame(20_000))
    mixer.add("music", 1_920, frame(1))
    assert mixer.due(3_000) == 2_880
    assert mixer.take(2_880).tolist() == [20_000] * 960 + [32_767] * 960 + [20_001] * 960


def test_only_a_tracks_first_frame_is_placed_by_its_arrival() -> None:
    mixer = Mixer()
    mixer.add("voice", 100, frame(1))
    mixer.add("voice", 5_000, frame(2))  # late by the event loop, not by the track
    assert mixer.due(6_000) == 100 + 1_920
    assert np.flatnonzero(mixer.take(2_020)).tolist() == list(range(100, 2_020))


def test_the_clock_goes_on_without_any_track_and_past_one_that_stalls() -> None:
    mixer = Mixer()
    assert mixer.due(48_000) == 48_000 - HOLD_SAMPLES
    mixer.add("voice", 48_000, frame(1))
    assert mixer.due(50_000) == 48_960
    later = 48_960 + STALLED_SAMPLES + 1
    assert mixer.due(later) == later - HOLD_SAMPLES
    mixer.take(later - HOLD_SAMPLES)
    mixer.add("voice", later + 10_000, frame(3))  # it came back: placed anew
    assert mixer.due(later + 10_960) == later + 10_960
