"""For how long a reply's first sounds are not heard where they arrive."""

from __future__ import annotations

import numpy as np
import pytest

from harness.listen.metrics.edges import faded_in_ms

PER_MS = 48


def sound(ms: int = 400) -> np.ndarray:
    """A soft hiss of 15 ms, and then a voice-like buzz: how many words begin."""
    rng = np.random.default_rng(1)
    t = np.arange(ms * PER_MS) / 48_000
    buzz = 0.1 * np.sign(np.sin(2 * np.pi * 120 * t)) * (t > 0.015)
    return buzz + 0.007 * rng.standard_normal(len(t))


@pytest.mark.parametrize("gain", [1.0, 0.5, 0.1])
def test_a_reply_that_arrived_whole_was_not_faded_in_whatever_its_level(gain: float) -> None:
    assert faded_in_ms(sound(), gain * sound()) == 0.0


@pytest.mark.parametrize("lost_ms", [10, 20, 40])
def test_what_is_missing_at_the_head_is_told_in_ms(lost_ms: int) -> None:
    arrived = sound()
    arrived[: lost_ms * PER_MS] = 0.0
    assert faded_in_ms(sound(), arrived) == pytest.approx(lost_ms, abs=4.0)


def test_a_reply_too_short_to_know_its_level_says_nothing() -> None:
    assert faded_in_ms(sound(150), np.zeros(150 * PER_MS)) == 0.0
