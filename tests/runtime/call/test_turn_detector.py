"""How long a pause must last to be the end: the rules, their bounds, and the prosody they rest on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.call.prosody import FrameTrack, Prosody
from runtime.call.turn_detector import (
    LONGEST_HANGOVER_MS,
    SHORTEST_HANGOVER_MS,
    FixedTurnDetector,
    Pause,
    RuleTurnDetector,
    make_turn_detector,
)

FELL = Prosody(pitch_change_st=-5.0, level_drop_db=15.0)
HELD = Prosody(pitch_change_st=0.2, level_drop_db=2.0)
UNKNOWN = Prosody(None, None)


@pytest.mark.parametrize(
    ("pause", "longer", "because"),
    [
        (Pause(150, UNKNOWN, ""), 0, "fixed"),
        (Pause(150, FELL, ""), -1, "final voice"),
        (Pause(150, HELD, ""), 1, "held voice"),
        (Pause(150, FELL, "i want to go to london and"), 1, "unfinished word"),
        (Pause(150, FELL, "what is the, um"), 1, "unfinished word"),
        (Pause(150, HELD, "what time is it"), 1, "held voice"),
        (Pause(150, UNKNOWN, "is that what it is for?"), 0, "fixed"),
        (Pause(150, None, ""), 0, "fixed"),
    ],
)
def test_words_and_voice_lengthen_and_shorten(pause: Pause, longer: int, because: str) -> None:
    found = RuleTurnDetector(200.0).hangover(pause)
    assert found.because == because
    assert np.sign(found.ms - 200.0) == longer


@given(st.floats(50, 5000), st.sampled_from([FELL, HELD, UNKNOWN]), st.sampled_from(["", "and", "yes"]))
def test_no_rule_leaves_the_bounds(silence_ms: float, prosody: Prosody, text: str) -> None:
    found = RuleTurnDetector(silence_ms).hangover(Pause(100.0, prosody, text))
    assert SHORTEST_HANGOVER_MS <= found.ms <= LONGEST_HANGOVER_MS


def test_fixed_is_fixed_and_the_default_is_named() -> None:
    for pause in (Pause(100, HELD, "and"), Pause(100, FELL, "")):
        assert FixedTurnDetector(250.0).hangover(pause).ms == 250.0
    assert make_turn_detector("fixed", 250.0) == FixedTurnDetector(250.0)
    assert make_turn_detector("rules", 250.0) == RuleTurnDetector(250.0)


def voice(pitch_hz: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Harmonics of a gliding pitch; `pitch_hz` and `level` one value a sample."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / 16_000
    sound = sum(np.sin(k * phase) / k for k in range(1, 12))
    return (8_000 * level * sound / np.max(np.abs(sound))).astype(np.int16)


def prosody_of(start_hz: float, end_hz: float, end_level: float) -> Prosody:
    n = 16_000 * 6 // 10
    track = FrameTrack()
    sound = voice(np.geomspace(start_hz, end_hz, n), np.geomspace(1.0, end_level, n))
    signal = np.concatenate([sound, np.zeros(1_600, np.int16)])
    for k in range(len(signal) // 160):
        track.add(signal[k * 160 : (k + 1) * 160])
    return track.prosody(10)


@pytest.mark.parametrize("pitch_hz", [125.0, 160.0, 210.0, 280.0])
def test_a_voice_that_falls_is_final_and_one_that_is_held_is_not(pitch_hz: float) -> None:
    fell = prosody_of(pitch_hz, pitch_hz * 0.6, 0.1)
    assert fell.final
    assert not fell.held
    held = prosody_of(pitch_hz, pitch_hz * 1.05, 0.9)
    assert held.held
    assert not held.final
    rose = prosody_of(pitch_hz, pitch_hz * 1.8, 0.9)
    assert rose.final, "a question"


def test_noise_has_no_contour() -> None:
    track = FrameTrack()
    noise = (3_000 * np.random.default_rng(0).standard_normal(16_000)).astype(np.int16)
    for k in range(100):
        track.add(noise[k * 160 : (k + 1) * 160])
    found = track.prosody(10)
    assert found.pitch_change_st is None
    assert not found.final
    assert not found.held
