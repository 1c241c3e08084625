"""Sound that no voice makes, found in a reply with nothing to compare it with. Pure.

Five signs, each over windows of 40 ms every 10 ms, and only where it is about as loud as the words:

- `noise`: as flat from 200 Hz to 7 kHz as bytes that are no samples. A consonant is loud at one end of that band.
- `jumps`: again and again from one end of the wave to the other within one sample of 48, 24 or 16 kHz, as where the top bits or
  the byte order are lost.
- `one_sided`: the wave swings on one side of zero alone, as text does that is read as samples.
- `tone`: one line of the spectrum holds all the sound, above the pitch of any voice.
- `steady`: it repeats itself exactly for longer than a voice holds its pitch: a low tone, a buffer that nobody fills.

Where each limit stands: docs/why/no_voice.md. Positions are samples at 48 kHz.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import resample_poly

from harness.listen.place.onset import runs

Kind = Literal["noise", "jumps", "one_sided", "tone", "steady"]
GARBAGE: tuple[Kind, ...] = ("noise", "jumps", "one_sided")  # bytes that are no sound; the others may be meant

PER_MS = 48
RATE_HZ = 48_000
WINDOW, HOP = 40 * PER_MS, 10 * PER_MS
AT_ONCE = 500  # windows, to bound the memory

LOUD_DBFS = -50.0
LOUD_UNDER_DB = 12.0  # below the reply's loud windows
NOISE_UNDER_DB = 8.0
LOUD_PERCENTILE = 90.0

SEGMENT, SEGMENT_HOP, SEGMENTS = 512, 240, 6  # 36 ms of the window, and half a segment on either side of them
SPECTRUM_HZ = np.fft.rfftfreq(SEGMENT, 1 / RATE_HZ)
AUDIBLE_HZ = 60.0
BAND_HZ, BANDS = (200.0, 7_000.0), 16
FLAT_DB = 4.0  # standard deviation of the bands' levels; white noise: 1
TILTED_DB = 2.5  # the same beside a straight line over the octaves; pink noise: 1

JUMP = 1.6  # of the window's peak, between two neighbouring samples
STRIDES = (1, 2, 3)  # 48, 24, 16 kHz
JUMPS_LEAST = 2
LOW_HZ, LOW_SHARE = 1_000.0, 0.3  # a sibilant has no lows, and may jump

ONE_SIDE = 0.05  # the smaller of both peaks, in shares of the larger
SWINGS = 0.1  # of the power, above some 300 Hz: a puff of breath on the microphone has none

LINE_SHARE, LINE_FROM_HZ, LINE_BINS = 0.98, 450.0, 2
LINE_LIKELY = 0.9
BAND_RATE_HZ = 8_000
STEADY = 0.99
STEADY_FRAME, STEADY_LAGS = 480, (240, 560)  # of BAND_RATE_HZ: 60 ms; 30 to 70 ms
STEADY_REACH = 90 * PER_MS  # at the least, from a window to the end of its repetition
STEADY_WITHIN_DB = 1.5
STEADY_LEAST = 1e-5  # power

LEAST_WINDOWS: dict[Kind, int] = {"noise": 6, "jumps": 6, "one_sided": 4, "tone": 5, "steady": 10}
TILTED_WINDOWS = 20


@dataclass(frozen=True)
class NoVoice:
    """One stretch; [start, end) in samples of what was given."""

    kind: Kind
    start: int
    end: int
    detail: str

    @property
    def duration_ms(self) -> float:
        return (self.end - self.start) / PER_MS


@dataclass(frozen=True)
class _Signs:
    """What each window shows; arrays of one value a window."""

    level_db: npt.NDArray[np.float64]
    spread_db: npt.NDArray[np.float64]
    tilted_db: npt.NDArray[np.float64]
    jumps: npt.NDArray[np.int64]
    one_side: npt.NDArray[np.bool_]
    line_hz: npt.NDArray[np.float64]  # 0 where no line holds the sound


def find_no_voice(samples: npt.NDArray[np.float32]) -> list[NoVoice]:
    """The stretches of one reply that no voice makes, in order; garbage takes precedence over what is only steady."""
    signs = _signs_of(samples)
    if signs is None:
        return []
    usual_db = float(np.percentile(signs.level_db, LOUD_PERCENTILE))
    loud = (signs.level_db > LOUD_DBFS) & (signs.level_db > usual_db - LOUD_UNDER_DB)
    noisy = loud & (signs.level_db > usual_db - NOISE_UNDER_DB)
    flat = _lasting(noisy & (signs.spread_db < FLAT_DB), LEAST_WINDOWS["noise"])
    tilted = _lasting(noisy & (signs.tilted_db < TILTED_DB), TILTED_WINDOWS)
    jumps = _lasting(loud & (signs.jumps >= JUMPS_LEAST), LEAST_WINDOWS["jumps"])
    one_sided = _lasting(loud & signs.one_side, LEAST_WINDOWS["one_sided"])
    tones = _lasting(loud & (signs.line_hz > 0), LEAST_WINDOWS["tone"])
    found = [
        *_found("noise", flat | tilted, lambda at: "noise as loud as the words"),
        *_found("jumps", jumps, lambda at: "the wave jumps from end to end between samples"),
        *_found("one_sided", one_sided, lambda at: "the wave stays on one side of zero"),
        *_found("tone", tones, lambda at: f"a tone of {np.median(signs.line_hz[at]):.0f} Hz"),
        *_steady(samples, loud, signs.level_db),
    ]
    return sorted(_without_overlap(found), key=lambda piece: piece.start)


def _signs_of(samples: npt.NDArray[np.float32]) -> _Signs | None:
    count = (len(samples) - WINDOW) // HOP + 1
    if count < 1:
        return None
    parts = []
    for at in range(0, count, AT_ONCE):
        upto = min(at + AT_ONCE, count)
        parts.append(_signs(samples[at * HOP : (upto - 1) * HOP + WINDOW].astype(np.float64)))
    return _Signs(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _signs(samples: npt.NDArray[np.float64]) -> tuple[npt.NDArray, ...]:
    windows = sliding_window_view(samples, WINDOW)[::HOP]
    power = np.mean(np.square(windows), axis=1) + 1e-12
    high, low = windows.max(axis=1), windows.min(axis=1)
    peak = np.maximum(np.maximum(high, -low), 1e-9)
    spectra = _spectra(samples)
    bands_db = _bands_db(spectra)
    level = bands_db - bands_db.mean(axis=1, keepdims=True)
    octaves = np.linspace(-0.5, 0.5, level.shape[1])
    slope = (level @ octaves) / (octaves @ octaves)
    swings = np.mean(np.square(windows[:, 24:] - windows[:, :-24]), axis=1) / power
    return (
        10 * np.log10(power),
        level.std(axis=1),
        (level - slope[:, np.newaxis] * octaves).std(axis=1),
        np.where(_low_share(spectra) > LOW_SHARE, _jumps(windows, peak), 0),
        (np.minimum(high, -low) < ONE_SIDE * peak) & (swings > SWINGS),
        _line_hz(windows, spectra),
    )


def _spectra(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The power spectrum of each window: the mean of SEGMENTS short ones."""
    pieces = sliding_window_view(samples, SEGMENT)[::SEGMENT_HOP]
    power = np.square(np.abs(np.fft.rfft(pieces * np.hanning(SEGMENT), axis=1)))
    return sliding_window_view(power, SEGMENTS, axis=0)[:: HOP // SEGMENT_HOP].mean(axis=2)


def _bands_db(spectra: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Levels of bands that are equally wide in octaves, as far as the resolution goes."""
    edges = np.geomspace(*BAND_HZ, BANDS + 1)
    hz = SPECTRUM_HZ
    inside = [(hz >= low) & (hz < high) for low, high in pairwise(edges)]
    return 10 * np.log10(np.stack([spectra[:, bins].mean(axis=1) for bins in inside if bins.any()], axis=1) + 1e-15)


def _low_share(spectra: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    audible = SPECTRUM_HZ > AUDIBLE_HZ
    low = audible & (SPECTRUM_HZ < LOW_HZ)
    share: npt.NDArray[np.float64] = spectra[:, low].sum(axis=1) / np.maximum(spectra[:, audible].sum(axis=1), 1e-12)
    return share


def _jumps(windows: npt.NDArray[np.float64], peak: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """How often a window jumps, at the rate at which it does most."""
    most = np.zeros(len(windows), np.int64)
    for stride in STRIDES:
        wide = np.abs(windows[:, stride:] - windows[:, :-stride]) > JUMP * peak[:, np.newaxis]
        most = np.maximum(most, -(-np.count_nonzero(wide, axis=1) // stride))
    return most


def _line_hz(windows: npt.NDArray[np.float64], spectra: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The frequency of the line that holds LINE_SHARE of the power, else 0; looked for where a few bins hold most of it."""
    out = np.zeros(len(windows))
    likely = np.flatnonzero(_held(spectra * (SPECTRUM_HZ > AUDIBLE_HZ))[1] > LINE_LIKELY)
    if len(likely) == 0:
        return out
    power = np.square(np.abs(np.fft.rfft(windows[likely] * np.hanning(WINDOW), axis=1)))
    hz = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ)
    peak, share = _held(power * (hz > AUDIBLE_HZ))
    out[likely] = np.where((share > LINE_SHARE) & (hz[peak] > LINE_FROM_HZ), hz[peak], 0.0)
    return out


def _held(power: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """(the strongest bin, the share of the power within LINE_BINS of it) of each spectrum."""
    peak = power.argmax(axis=1)
    rows = np.arange(len(power))
    around = [power[rows, np.clip(peak + step, 0, power.shape[1] - 1)] for step in range(-LINE_BINS, LINE_BINS + 1)]
    return peak, np.sum(around, axis=0) / np.maximum(power.sum(axis=1), 1e-12)


def _lasting(mask: npt.NDArray[np.bool_], least: int) -> npt.NDArray[np.bool_]:
    """`mask` where it holds for at least so many windows in a row."""
    out = np.zeros(len(mask), bool)
    for first, last in runs(mask):
        out[first : last + 1] = last - first + 1 >= least
    return out


def _found(kind: Kind, mask: npt.NDArray[np.bool_], said: Callable[[slice], str]) -> list[NoVoice]:
    """A sign that holds in windows in a row; a window is within the sound from its first quarter on."""
    return [
        NoVoice(kind, first * HOP + WINDOW // 4, last * HOP + WINDOW - WINDOW // 4, said(slice(first, last + 1)))
        for first, last in runs(mask)
    ]


def _steady(
    samples: npt.NDArray[np.float32], loud: npt.NDArray[np.bool_], level_db: npt.NDArray[np.float64]
) -> list[NoVoice]:
    """Where 60 ms are found again 30 to 70 ms later, exactly, all along; looked for where the level stays as it is."""
    band = resample_poly(samples.astype(np.float64), 1, RATE_HZ // BAND_RATE_HZ)
    hop, reach = HOP * BAND_RATE_HZ // RATE_HZ, STEADY_FRAME + STEADY_LAGS[1]
    count = min(len(loud), max(0, (len(band) - reach) // hop + 1))
    later = np.minimum(np.arange(count) + 3, len(level_db) - 1)
    likely = loud[:count] & (np.abs(level_db[later] - level_db[:count]) < STEADY_WITHIN_DB)
    held = np.array([bool(likely[at]) and _repeats(band[at * hop : at * hop + reach]) for at in range(count)], bool)
    return [
        NoVoice(
            "steady",
            first * HOP,
            min(last * HOP + STEADY_REACH, len(samples)),
            "a steady sound that repeats itself exactly",
        )
        for first, last in runs(held)
        if last - first + 1 >= LEAST_WINDOWS["steady"]
    ]


def _repeats(part: npt.NDArray[np.float64]) -> bool:
    part = part - part.mean()
    head = part[:STEADY_FRAME]
    own = float(head @ head)
    if own < STEADY_LEAST * STEADY_FRAME:
        return False
    products = np.correlate(part, head, "valid")[STEADY_LAGS[0] :]
    energy = np.concatenate([[0.0], np.cumsum(part**2)])
    lags = np.arange(STEADY_LAGS[0], STEADY_LAGS[1] + 1)
    beside = energy[lags + STEADY_FRAME] - energy[lags]
    return bool(np.max(products / np.sqrt(own * np.maximum(beside, 1e-12))) > STEADY)


def _without_overlap(found: Sequence[NoVoice]) -> list[NoVoice]:
    """Each stretch once, by the first sign in the order given that covers half of it."""
    kept: list[NoVoice] = []
    for piece in found:
        covered = sum(max(0, min(piece.end, k.end) - max(piece.start, k.start)) for k in kept)
        if covered < (piece.end - piece.start) / 2:
            kept.append(piece)
    return kept
