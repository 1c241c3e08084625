"""Sounds in a reply that were not published: clicks, booms, bursts of noise. For one ReplyPair (pre, arrived).

An event is arrived sound beyond pre's around that place, so speech's own plosives never count. Positions are samples
of the pair. Limits come from clean calls and from known faults (`earwitness prove`). Methods: spec/metrics.md (d).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, percentile_filter

from harness.listen.place.onset import runs
from harness.listen.place.pair import HOP, PER_MS, WINDOW, FloatArray, ReplyPair, band, in_db
from harness.listen.place.rejoin import RESTLESS_FRAMES, rejoined

CELL = PER_MS
# the difference above pre's peak within ±5 ms, and above what the difference usually is within ±40 ms: either pair
CLICK_DIFFERENCE_DB = ((4.5, 8.0), (3.0, 12.0))
CLICK_DIFFERENCE_RESTLESS_DB = (4.5, 18.0)  # where the lag is restless
CLICK_DIFFERENCE_REJOINED_DB = (4.5, 14.0)  # there too, where the arrived sound was rejoined
CLICK_STANDS_OUT_DB = 0.6  # and above pre's peak within ±15 ms: a plosive that only moved stays below
CLICK_ALONE_DB = 5.5  # what arrived above pre's peak within ±15 ms, wherever the lag is restless
CLICK_ALONE_RESTLESS_DB = 9.0
QUIETEST_SHARE = 0.1  # of the reply's peak: below, a click is not heard beside it
CLICK_MAX_MS = 6.0
EDGE_MS = 40
BOOM_HZ = (20.0, 200.0)
BOOM_OVER_DB = 12.0
BOOM_DBFS = -35.0
BOOM_MIN_MS = 32.0  # a click is seen in frames over 25 ms
BURST_BANDS_HZ = ((200.0, 1_000.0), (1_000.0, 2_000.0), (2_000.0, 4_000.0), (4_000.0, 8_000.0), (8_000.0, 12_000.0))
BURST_OVER_DB = 8.0
BURST_BANDS = 2
BURST_MIN_MS = 25.0
BURST_BELOW_TOTAL_DB = 25.0  # a band so far below all that pre has there is masked by it
BURST_DBFS = -58.0
NEAR_FRAMES = 3
LEAST_MARGIN_DB = -60.0


@dataclass(frozen=True)
class Event:
    """[start, end) in samples of the pair; `over_db`: above pre's level there; for a click, beyond the limit."""

    kind: str  # click | boom | noise_burst
    start: int
    end: int
    over_db: float


@dataclass(frozen=True)
class Margins:
    """How far the most click-like, boom-like, burst-like place of a reply is beyond its limit, dB; below 0: not one.

    None where the reply is too short to be judged.
    """

    click_db: float | None
    boom_db: float | None
    noise_burst_db: float | None


def _sustained(margin: FloatArray, min_ms: float) -> float:
    """The highest margin that lasts `min_ms`, as `_frame_events` counts."""
    frames = 1
    while (frames - 1) * HOP + WINDOW // 2 < min_ms * PER_MS:
        frames += 1
    if len(margin) < frames:
        return LEAST_MARGIN_DB
    held = np.lib.stride_tricks.sliding_window_view(margin, frames).min(axis=1)
    return float(held.max())


def find_events(pair: ReplyPair) -> tuple[list[Event], Margins]:
    """Events in order; one that another explains is left out. The margins take no account of that."""
    clicks = _click_margin(pair)
    boom_over, boom_level = _boom_course(pair)
    burst_over = _burst_course(pair)
    bursts = _frame_events("noise_burst", burst_over > BURST_OVER_DB, burst_over, pair, BURST_MIN_MS)
    booms = _frame_events("boom", (boom_over > BOOM_OVER_DB) & (boom_level > BOOM_DBFS), boom_over, pair, BOOM_MIN_MS)
    margins = Margins(
        None if clicks is None else float(clicks.max(initial=LEAST_MARGIN_DB)),
        _sustained(np.minimum(boom_over - BOOM_OVER_DB, boom_level - BOOM_DBFS), BOOM_MIN_MS),
        _sustained(burst_over - BURST_OVER_DB, BURST_MIN_MS),
    )
    taken = [*bursts, *booms]
    alone = [click for click in _clicks(clicks) if not any(_meet(click, other) for other in taken)]
    booms = [boom for boom in booms if not any(_meet(boom, burst) for burst in bursts)]
    return sorted([*bursts, *booms, *alone], key=lambda event: event.start), margins


def _meet(a: Event, b: Event) -> bool:
    margin = WINDOW
    return a.start < b.end + margin and b.start < a.end + margin


def _cells(samples: npt.NDArray[np.floating]) -> FloatArray:
    """Peak of each ms."""
    n = len(samples) // CELL
    peaks: FloatArray = np.abs(samples[: n * CELL]).reshape(n, CELL).max(axis=1).astype(np.float64)
    return peaks


def click_scores(pre: FloatArray, heard: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """dB of each ms: (difference over pre's peak, difference over its usual self, arrived over pre's peak)."""
    published, difference, arrived = _cells(pre), _cells(heard - pre), _cells(heard)
    quietest = max(QUIETEST_SHARE * float(published.max(initial=0.0)), 1e-4)
    near = np.maximum(maximum_filter1d(published, 11), quietest)
    wide = np.maximum(maximum_filter1d(published, 31), quietest)
    usual = np.maximum(percentile_filter(difference, 80, size=81), 1e-4)
    return (
        20 * np.log10(np.maximum(difference, 1e-9) / near),
        20 * np.log10(np.maximum(difference, 1e-9) / usual),
        20 * np.log10(np.maximum(arrived, 1e-9) / wide),
    )


def _click_margin(pair: ReplyPair) -> FloatArray | None:
    """dB of each ms beyond the nearest of the click's limits; far below 0 outside of the reply."""
    if len(pair.pre) < 100 * PER_MS:
        return None
    joined = rejoined(pair)
    scores = click_scores(joined.pre, joined.as_placed)
    n = np.arange(len(scores[0])) * CELL
    edge = pair.margin + EDGE_MS * PER_MS  # a step of the buffer at the very beginning is not in the lag's course
    steady = ~joined.restless & (n >= edge) & (n < len(pair.pre) - edge)
    alone = scores[2] - np.where(steady, CLICK_ALONE_DB, CLICK_ALONE_RESTLESS_DB)
    margin = np.maximum(alone, _beyond(scores, CLICK_DIFFERENCE_RESTLESS_DB))
    for limits in CLICK_DIFFERENCE_DB:
        margin = np.where(steady, np.maximum(margin, _beyond(scores, limits)), margin)
    if joined.sure.any():
        beyond = _beyond(click_scores(joined.pre, joined.heard), CLICK_DIFFERENCE_REJOINED_DB)
        margin = np.where(joined.sure, np.maximum(margin, beyond), margin)
    inside = (n >= pair.margin) & (n < len(pair.pre) - pair.margin)
    return np.where(inside, margin, LEAST_MARGIN_DB)


def _beyond(scores: tuple[FloatArray, FloatArray, FloatArray], limits: tuple[float, float]) -> FloatArray:
    over_peak, over_usual, alone = scores
    return np.asarray(np.minimum.reduce([over_peak - limits[0], over_usual - limits[1], alone - CLICK_STANDS_OUT_DB]))


def _clicks(margin: FloatArray | None) -> list[Event]:
    if margin is None:
        return []
    clicks: list[Event] = []
    for first, last in runs(margin > 0):
        start, end = first * CELL, (last + 1) * CELL
        over = float(margin[first : last + 1].max())
        if clicks and start - clicks[-1].end < 10 * PER_MS:
            clicks[-1] = Event("click", clicks[-1].start, end, max(over, clicks[-1].over_db))
        else:
            clicks.append(Event("click", start, end, over))
    return [click for click in clicks if click.end - click.start <= 3 * CLICK_MAX_MS * PER_MS]


def _around(pair: ReplyPair, power: FloatArray) -> FloatArray:
    """The largest power near each frame; of a wider neighbourhood where the lag is restless."""
    near = maximum_filter1d(power, 2 * NEAR_FRAMES + 1, axis=-1)
    wide = maximum_filter1d(power, 2 * RESTLESS_FRAMES + 1, axis=-1)
    return np.where(pair.settled[: power.shape[-1]], near, wide)


def _frame_events(
    kind: str, hit: npt.NDArray[np.bool_], over: FloatArray, pair: ReplyPair, min_ms: float
) -> list[Event]:
    events = []
    for first, last in runs(hit):
        start, end = first * HOP + WINDOW // 4, last * HOP + 3 * WINDOW // 4
        if (end - start) / PER_MS < min_ms or end < pair.margin // 2 or start > len(pair.pre) - pair.margin // 2:
            continue
        events.append(Event(kind, start, end, float(over[first : last + 1].max())))
    return events


def _boom_course(pair: ReplyPair) -> tuple[FloatArray, FloatArray]:
    """(dB above what pre has around each frame, level), 20 to 200 Hz."""
    pre, heard = (power[band(*BOOM_HZ)].sum(axis=0) for power in (pair.pre_power, pair.heard_power))
    return in_db(heard) - in_db(_around(pair, pre)), in_db(heard)


def _burst_course(pair: ReplyPair) -> FloatArray:
    """dB by which at least BURST_BANDS bands are above pre's around each frame."""
    masked = _around(pair, pair.pre_power.sum(axis=0)) * 10 ** (-BURST_BELOW_TOTAL_DB / 10)
    floor = np.maximum(masked, 10 ** (BURST_DBFS / 10))
    over = np.stack(
        [
            in_db(pair.heard_power[band(*hz)].sum(axis=0))
            - in_db(np.maximum(_around(pair, pair.pre_power[band(*hz)].sum(axis=0)), floor))
            for hz in BURST_BANDS_HZ
        ]
    )
    return np.asarray(np.sort(over, axis=0)[-BURST_BANDS])
