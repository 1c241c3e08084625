"""The edges of speech that has noise under it: a detector says about where, the level band by band says where. Pure.

Levels are those of 20 mel bands from 120 to 7,800 Hz (frames of 10 ms each ms, over 15 ms), in dB above the noise of that band
where nobody speaks. A frame is speech if the root mean square over the bands is above what the noise itself reaches, so a
soft tail is found in the bands where the noise is low. Sound is 48 kHz mono, full scale ±1; times are ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from harness.speech.detector import RATE_HZ, at_16khz

WINDOW_MS = 32.0  # one probability of the detector
SURE, GOES_ON = 0.5, 0.35  # a stretch of speech begins at the one and lasts down to the other
LEAST_WINDOWS = 3
NOBODY = 0.15  # below it nobody speaks
AWAY_MS = 200.0  # and so far from any window above it
LEAST_NOISE_MS, MOST_NOISE_MS = 300.0, 1_500.0  # of noise alone, the nearest to an edge
FRAME, HOP, FFT = 160, 16, 256
SMOOTH_MS = 15
BANDS, LOWEST_HZ, HIGHEST_HZ = 20, 120.0, 7_800.0
QUANTILE, MARGIN_DB = 99.5, 0.5  # of the noise's own frames; above them it is speech
LEAST_RUN_MS = 12
EARLY_MS = 8.0  # a strong edge shows so long before it comes: half of frame and smoothing, less their rise
START_REACH_MS, END_REACH_MS = (150.0, 250.0), (350.0, 60.0)  # around the detector's edges
# (dB above the noise, ms within which 95 % of the edges lie): measured on 40 sentences of five synthetic and 24 of one human
# voice, pink and white noise 60 to 25 dB below the peak, against the edges of the clean sound
ERRORS_MS = ((30.0, 8.0), (22.0, 20.0), (18.0, 30.0), (12.0, 45.0), (6.0, 95.0))
UNSTEADY_DB, UNSTEADY_ERROR_MS = (
    3.5,
    95.0,
)  # noise whose frames swing so far above its mean (steady: 2.3; voices: 5) hides more

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stretch:
    """[start, end) in which somebody speaks. `error_ms`: how far its edges may be off; None: too little stands out."""

    start_ms: float
    end_ms: float
    error_ms: float | None


def stretches(probabilities: Floats) -> list[tuple[float, float]]:
    """[start, end) of each stretch of speech, by the detector alone."""
    found: list[tuple[float, float]] = []
    begin: int | None = None
    for at, p in enumerate([*probabilities.tolist(), 0.0]):
        if begin is None and p > SURE:
            begin = at
        elif begin is not None and p < GOES_ON:
            if at - begin >= LEAST_WINDOWS:
                found.append((begin * WINDOW_MS, at * WINDOW_MS))
            begin = None
    return found


def nobody_speaks(probabilities: Floats) -> list[tuple[float, float]]:
    """[start, end) of each stretch far from any speech."""
    near = np.zeros(len(probabilities), bool)
    reach = int(np.ceil(AWAY_MS / WINDOW_MS))
    for at in np.flatnonzero(probabilities > NOBODY):
        near[max(0, at - reach) : at + reach + 1] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[1], near.astype(np.int8), [1]])))
    return [(a * WINDOW_MS, b * WINDOW_MS) for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]


def _bands() -> list[npt.NDArray[np.intp]]:
    mel = 2595 * np.log10(1 + np.array([LOWEST_HZ, HIGHEST_HZ]) / 700)
    edges = 700 * (10 ** (np.linspace(mel[0], mel[1], BANDS + 1) / 2595) - 1)
    frequencies = np.fft.rfftfreq(FFT, 1 / RATE_HZ)
    found = [np.flatnonzero((frequencies >= a) & (frequencies < b)) for a, b in pairwise(edges)]
    return [band for band in found if len(band)]


BAND_BINS = _bands()


def band_powers(sound: Floats) -> Floats:
    """Power of each band around each ms of 16 kHz sound; shape (ms, bands). Digital silence is 0."""
    padded = np.concatenate([np.zeros(FRAME // 2), sound, np.zeros(FRAME // 2)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    window, rows = np.hanning(FRAME), []
    for first in range(0, len(frames), 4_000):
        power = np.abs(np.fft.rfft(frames[first : first + 4_000] * window, FFT)) ** 2
        rows.append(np.stack([power[:, band].mean(axis=1) for band in BAND_BINS], axis=1))
    powers = np.concatenate(rows)
    total = np.cumsum(np.concatenate([np.zeros((1, powers.shape[1])), powers]), axis=0)
    at, half = np.arange(len(powers)), SMOOTH_MS // 2
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(powers))
    return np.asarray(np.maximum(total[high] - total[low], 0.0) / (high - low)[:, None])


@dataclass(frozen=True, eq=False)
class Noise:
    """What sounds where nobody speaks: mean power of each band, and the score that its own frames seldom pass."""

    mean: Floats
    limit: float

    def score(self, powers: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            above = np.maximum(10 * np.log10(powers / self.mean), 0.0)
        return np.asarray(np.sqrt(np.mean(above**2, axis=1)))


class Edges:
    """The edges of speech in one recording of which the detector's probabilities are known."""

    def __init__(self, samples: npt.NDArray[np.floating], probabilities: Floats) -> None:
        self._samples = samples
        self._quiet = nobody_speaks(probabilities)

    def of(self, start_ms: float, end_ms: float) -> Stretch:
        """The stretch that the detector hears, with edges by level."""
        first = self._edge(start_ms, START_REACH_MS, last=False)
        final = self._edge(end_ms, END_REACH_MS, last=True)
        if first is None or final is None:
            return Stretch(start_ms, end_ms, None)
        (start, start_error), (end, end_error) = first, final
        known = start_error is not None and end_error is not None
        return Stretch(start, max(end, start + WINDOW_MS), max(start_error or 0.0, end_error or 0.0) if known else None)

    def _powers(self, start_ms: float, end_ms: float) -> Floats:
        start = max(0, round(start_ms)) * 48
        return band_powers(at_16khz(self._samples, start, min(len(self._samples), max(start, round(end_ms) * 48))))

    def _noise(self, at_ms: float) -> Noise | None:
        """The nearest sound without speech; None if there is too little."""
        rows: list[Floats] = []
        total = 0
        for start, end in sorted(self._quiet, key=lambda q: max(q[0] - at_ms, at_ms - q[1])):
            if total >= MOST_NOISE_MS:
                break
            near = (
                (start, min(end, start + MOST_NOISE_MS)) if start >= at_ms else (max(start, end - MOST_NOISE_MS), end)
            )
            powers = self._powers(*near)[FRAME // HOP : -FRAME // HOP]
            rows.append(powers[np.all(powers > 0, axis=1)])
            total += len(rows[-1])
        if total < LEAST_NOISE_MS:
            return None
        powers = np.concatenate(rows)
        noise = Noise(powers.mean(axis=0), 0.0)
        return Noise(noise.mean, float(np.percentile(noise.score(powers), QUANTILE)) + MARGIN_DB)

    def _edge(self, at_ms: float, reach_ms: tuple[float, float], *, last: bool) -> tuple[float, float | None] | None:
        """Where it is, and how far that may be off."""
        noise = self._noise(at_ms)
        if noise is None:
            return None
        start_ms = max(0.0, at_ms - reach_ms[0])
        score = noise.score(self._powers(start_ms, at_ms + reach_ms[1]))
        turns = np.flatnonzero(np.diff(np.concatenate([[0], (score > noise.limit).astype(np.int8), [0]])))
        runs = [(a, b) for a, b in zip(turns[::2], turns[1::2], strict=True) if b - a >= LEAST_RUN_MS]
        if not runs:
            return at_ms, None
        above_db = float(np.percentile(score, 90))
        error_ms = next((error for least, error in ERRORS_MS if above_db >= least), None)
        if error_ms is not None and noise.limit > UNSTEADY_DB:
            error_ms = max(error_ms, UNSTEADY_ERROR_MS)
        return (start_ms + runs[-1][1] - EARLY_MS if last else start_ms + runs[0][0] + EARLY_MS), error_ms
