"""Level, pitch, rate and label on voices made here, whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.lanes.paralinguistics import describe

RATE_HZ = 16_000


def voice(pitch_hz: np.ndarray, envelope: np.ndarray, level_dbfs: float) -> np.ndarray:
    """Twelve harmonics under an envelope, brought to the level where the envelope is 1."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    x = sum(np.sin(k * phase) / k for k in range(1, 13))
    x = x / np.sqrt(np.mean(x**2)) * 10 ** (level_dbfs / 20) * envelope
    return np.asarray(np.clip(x * 32_768, -32_768, 32_767), np.int16)


def steady(pitch_hz: float, seconds: float = 1.0, level_dbfs: float = -26.0) -> np.ndarray:
    n = int(seconds * RATE_HZ)
    return voice(np.full(n, pitch_hz), np.ones(n), level_dbfs)


def syllables(
    rate_per_s: float, seconds: float, pitch_hz: np.ndarray | float = 150.0, level_dbfs: float = -26.0
) -> np.ndarray:
    n = int(seconds * RATE_HZ)
    t = np.arange(n) / RATE_HZ
    envelope = np.sin(np.pi * rate_per_s * t) ** 2
    return voice(np.broadcast_to(np.asarray(pitch_hz, float), (n,)), envelope, level_dbfs)


@pytest.mark.parametrize("pitch_hz", [75.0, 110.0, 160.0, 220.0, 350.0])
def test_the_pitch_of_a_steady_voice(pitch_hz: float) -> None:
    found = describe(steady(pitch_hz), RATE_HZ)
    assert found.pitch_hz == pytest.approx(pitch_hz, rel=0.03)
    assert found.pitch_spread_st is not None
    assert found.pitch_spread_st < 0.5
    assert found.level_dbfs == pytest.approx(-26.0, abs=0.5)


def test_pitch_is_heard_in_noise_and_silence_around_it_does_not_count() -> None:
    rng = np.random.default_rng(0)
    said = np.concatenate([np.zeros(RATE_HZ), steady(140.0), np.zeros(RATE_HZ)]).astype(float)
    noisy = (said + 50 * rng.standard_normal(len(said))).astype(np.int16)
    found = describe(noisy, RATE_HZ)
    assert found.pitch_hz == pytest.approx(140.0, rel=0.03)
    assert found.level_dbfs == pytest.approx(-26.0, abs=0.7)


@pytest.mark.parametrize("rate_per_s", [2.0, 4.0, 6.0])
def test_the_rate_of_syllables(rate_per_s: float) -> None:
    found = describe(syllables(rate_per_s, 3.0), RATE_HZ)
    assert found.rate_per_s == pytest.approx(rate_per_s, rel=0.15)


def test_a_glide_has_a_spread() -> None:
    glide = np.geomspace(100.0, 200.0, 2 * RATE_HZ)
    found = describe(voice(glide, np.ones(len(glide)), -26.0), RATE_HZ)
    assert found.pitch_spread_st == pytest.approx(0.8 * 12, abs=0.7)


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        (np.zeros(0, np.int16), "shorter"),
        (np.zeros(RATE_HZ, np.int16), "silence"),
        ((2_000 * np.random.default_rng(0).standard_normal(RATE_HZ)).astype(np.int16), "nothing voiced"),
        (steady(150.0, 0.1), "nothing voiced"),
    ],
)
def test_what_cannot_be_computed_has_a_reason(samples: np.ndarray, why: str) -> None:
    found = describe(samples, RATE_HZ)
    assert found.pitch_hz is None
    assert found.emotion is None
    assert why in found.why
    assert set(found.as_dict()) == {"why"}


def test_the_label_follows_its_rule() -> None:
    wide = 180.0 * 2 ** (np.sin(2 * np.pi * 0.7 * np.arange(3 * RATE_HZ) / RATE_HZ) * 0.6)
    assert describe(syllables(6.5, 3.0, wide, -12.0), RATE_HZ).emotion == "agitated"
    assert describe(syllables(4.0, 3.0, 150.0, -26.0), RATE_HZ).emotion == "neutral"
    assert describe(syllables(2.0, 3.0, 110.0, -45.0), RATE_HZ).emotion == "subdued"
