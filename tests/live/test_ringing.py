"""A telephone's rings are told from a voice, at any cadence."""

import numpy as np
import pytest

from harness.live.hearing import Hearing
from harness.live.ringing import Ringing
from tests.listen.captures import ms, silence, speech

CADENCES = {
    "british": ((400, 450), (400, 200, 400, 2_000)),
    "american": ((440, 480), (2_000, 4_000)),
    "german": ((425,), (1_000, 4_000)),
}


def ring(name: str, level: float = 0.07) -> np.ndarray:
    tones, cadence = CADENCES[name]
    parts = []
    for index, length_ms in enumerate(cadence):
        t = np.arange(ms(length_ms)) / 48_000
        parts.append(level * sum(np.sin(2 * np.pi * hz * t) for hz in tones) * (index % 2 == 0))
    return np.concatenate(parts).astype(np.float32)


def rung(sound: np.ndarray) -> Ringing:
    hearing = Hearing(follow_floor=True)
    for at in range(0, len(sound), 960):
        hearing.feed(at, sound[at : at + 960])
    return hearing.ringing


@pytest.mark.parametrize("name", CADENCES)
def test_rings_alone_are_ringing_and_a_word_ends_it(name: str) -> None:
    rings = np.concatenate([silence(500), ring(name), ring(name)])
    assert rung(rings).alone
    assert not rung(np.concatenate([rings, speech(600, 1), silence(100)])).alone


@pytest.mark.parametrize("seed", range(12))
def test_a_voice_does_not_ring(seed: int) -> None:
    assert not rung(np.concatenate([silence(200), speech(1_500, seed), silence(500)])).alone


def test_silence_does_not_ring() -> None:
    assert not rung(silence(1_000)).alone
