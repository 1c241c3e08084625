"""The measures of one synthesis, alone or against its golden one (R-81 to R-88, R-93). Pure; ms, dB, samples at own rate.

SNR: 10·log10(Σ golden² / Σ (golden − spoken)²) after the best whole-sample alignment within ±100 ms; a part that one of them
lacks counts as silence. Capped at 120 dB, which means bit-identical and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import correlate

from harness.listen.metrics.level import AUDIBLE_FRAME_DBFS
from harness.listen.metrics.repeats import PER_MS, repeats_as_published
from harness.tts_regression.spoken import Int16Array, Spoken

IDENTICAL_DB = 120.0
NEARLY_IDENTICAL_DB = 119.9
WORST_DB = -120.0
REACH_MS = 100.0
FRAME_MS = 20.0
FAST_ENOUGH_MS = 350.0  # the limit of the first PCM
LEAD_MS = 40.0  # a publisher keeps 40 to 80 ms ahead
# a repeat: the same samples again at once, as a packet that is sent twice; or this much of them anywhere. espeak-ng's
# recorded consonants come back bit by bit, never at once and never for longer than 84 ms in our sentences
AGAIN_ANYWHERE_MS = 120.0
ADJACENT_SHARE = 0.9


@dataclass(frozen=True)
class Playout:
    """Played at 1× as it arrived: how often, and for how long in all, there was nothing to play."""

    underruns: int
    underrun_ms: float


def ttfa_ms(spoken: Spoken) -> float | None:
    """Request → first sample; None without samples."""
    return 1e3 * spoken.arrivals[0].at_s if spoken.arrivals else None


def first_audible_ms(spoken: Spoken) -> float | None:
    """Request → the first 20 ms that can be heard were there; None if nothing can."""
    size = max(1, round(spoken.rate_hz * FRAME_MS / 1e3))
    count = len(spoken.samples) // size
    frames = spoken.samples[: count * size].reshape(count, size).astype(np.float64) / 32_768
    loud = np.flatnonzero(np.mean(frames**2, axis=1) > 10 ** (AUDIBLE_FRAME_DBFS / 10))
    if len(loud) == 0:
        return None
    needed = (int(loud[0]) + 1) * size
    return next(1e3 * arrival.at_s for arrival in spoken.arrivals if arrival.n_samples >= needed)


def first_chunk_share(spoken: Spoken) -> float | None:
    """First audible piece, as a share of the whole synthesis: an engine that makes all before it sends is near 1 (R-93).

    Only audible sound counts, so that silence sent ahead does not pass for streaming. For a synthesis whole within
    FAST_ENOUGH_MS the share is of that limit: its time is the transport's, and waiting for all of it costs nothing.
    """
    first = first_audible_ms(spoken)
    return None if first is None else min(1.0, first / max(FAST_ENOUGH_MS, 1e3 * spoken.whole_s))


def real_time_factor(spoken: Spoken) -> float | None:
    """Synthesis time divided by playing time (RTF); None without samples."""
    return 1e3 * spoken.whole_s / spoken.duration_ms if len(spoken.samples) else None


def play(spoken: Spoken, lead_ms: float = LEAD_MS) -> Playout:
    """A player that starts `lead_ms` after the first sample and takes 20 ms frames; it stops where one is missing, and goes on
    once it comes. The last frame may be short.
    """
    size = max(1, round(spoken.rate_hz * FRAME_MS / 1e3))
    if not spoken.arrivals:
        return Playout(0, 0.0)
    totals = np.array([arrival.n_samples for arrival in spoken.arrivals])
    times_ms = 1e3 * np.array([arrival.at_s for arrival in spoken.arrivals])
    now_ms = float(times_ms[0]) + lead_ms
    underruns, waited_ms = 0, 0.0
    for end in range(size, len(spoken.samples) + size, size):
        there_ms = float(times_ms[np.searchsorted(totals, min(end, len(spoken.samples)))])
        if there_ms > now_ms + 1e-6:
            underruns += 1
            waited_ms += there_ms - now_ms
            now_ms = there_ms
        now_ms += FRAME_MS
    return Playout(underruns, waited_ms)


def snr_db(golden: Int16Array, spoken: Int16Array, rate_hz: int) -> float:
    """SNR of `spoken` against `golden`; see above."""
    if np.array_equal(golden, spoken):
        return IDENTICAL_DB
    a, b = golden.astype(np.float64), spoken.astype(np.float64)
    energy = float(np.sum(a**2))
    if energy == 0 or len(b) == 0:
        return WORST_DB if energy == 0 else 0.0
    shift = _lag(a, b, round(rate_hz * REACH_MS / 1e3))
    first, last = min(0, shift), max(len(a), len(b) + shift)
    difference = np.zeros(last - first)
    difference[-first : len(a) - first] = a
    difference[shift - first : shift - first + len(b)] -= b
    noise = float(np.sum(difference**2))
    if noise == 0:  # equal after a shift, or except for silence: not bit-identical
        return NEARLY_IDENTICAL_DB
    return float(np.clip(10 * np.log10(energy / noise), WORST_DB, NEARLY_IDENTICAL_DB))


def _lag(a: np.ndarray, b: np.ndarray, reach: int) -> int:
    """Where b's sample 0 stands in a, within ±reach: the place where they are most alike."""
    correlation = correlate(a, b, mode="full", method="fft")
    zero = len(b) - 1
    low = max(0, zero - reach)
    return int(np.argmax(correlation[low : zero + reach + 1])) + low - zero


def repeats(samples: Int16Array, rate_hz: int) -> list[tuple[float, float]]:
    """(start, duration) in ms of pieces that sound twice, bit by bit: at once, or for AGAIN_ANYWHERE_MS and more."""
    per_ms = rate_hz / 1e3
    found = []
    for repeated in repeats_as_published((samples / 32_768).astype(np.float32)):  # it counts ms as if at 48 kHz
        length = round(repeated.duration_ms * PER_MS)
        if length >= AGAIN_ANYWHERE_MS * per_ms or _adjacent(samples, repeated.start, length):
            found.append((repeated.start / per_ms, length / per_ms))
    return found


def _adjacent(samples: Int16Array, start: int, length: int) -> bool:
    piece = samples[start : start + length]
    lags = range(round(ADJACENT_SHARE * length), length + 1)
    return any(lag <= start and np.array_equal(piece, samples[start - lag : start - lag + length]) for lag in lags)
