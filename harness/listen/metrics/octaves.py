"""An octave of a reply that arrives weaker or louder than the rest of it: metrics and defects. Pure.

Held against what was published, over the frames that the ledger calls arrived: there the waveform of the voice band is known to
be the published one, so an octave that differs was changed. Each frame's octave is held against the frame as a whole, so
neither a gain nor a hole shows here. The median over 100 ms of frames in which the octave speaks; docs/why/proof.md has what
clean calls reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from harness.listen.ledger.entries import Ledger
from harness.listen.place.pair import HOP, HOP_MS, PER_MS, WINDOW, BoolArray, FloatArray, ReplyPair, band, in_db
from harness.listen.read.records import no_number, number
from harness.model.measurement import Defect, Metric, RingName

SUFFIX = {"post_rtc": "", "ear": "_ear"}
OCTAVES_HZ = ((125, 250), (250, 500), (500, 1_000), (1_000, 2_000), (2_000, 4_000), (4_000, 8_000))
OVER_MS = 100.0
SPEAKS_DB = 20.0  # below the octave's own loud frames
WITHIN_DB = 30.0  # below the frame as a whole: a codec keeps less with no care
QUIETEST_DBFS = -60.0
SAME_PLACE = 2 * PER_MS  # the ledger's lag and the pair's
CHANGED_DB = 6.0  # clean calls: 3.7 (583 replies), once 7.2 on a loaded host; Opus at 22 kbit/s: 4.5


@dataclass(frozen=True)
class OctaveChange:
    """The octave that differs most, and by how much; [first, last] frame in which it differs beyond CHANGED_DB."""

    octave_hz: tuple[int, int]
    change_db: float
    first: int
    last: int


def octave_metrics(
    pairs: Mapping[str, ReplyPair], ledgers: Mapping[str, Ledger]
) -> tuple[dict[str, Metric], list[Defect]]:
    """`pairs`, `ledgers`: of one reply, by ring, held against pre_rtc."""
    metrics: dict[str, Metric] = {}
    defects: list[Defect] = []
    for ring, pair in pairs.items():
        if ring not in ledgers or pair.published.name != "pre_rtc":
            continue
        name = f"octave_change{SUFFIX[ring]}_db"
        worst = find_octave_change(pair, ledgers[ring])
        if worst is None:
            metrics[name] = no_number("dB", "too little of the reply arrived to compare its octaves")
            continue
        octave = "{:g} to {:g} Hz".format(*worst.octave_hz)
        metrics[name] = number(worst.change_db, "dB", reason=octave)
        if abs(worst.change_db) > CHANGED_DB:
            said: RingName = "ear" if ring == "ear" else "post_rtc"
            defects.append(
                Defect(
                    kind="spectrum",
                    ring=said,
                    start_ms=round(pair.ring_ms(worst.first * HOP), 3),
                    duration_ms=round((worst.last - worst.first) * HOP_MS + WINDOW / PER_MS, 3),
                    detail=f"{octave}: {worst.change_db:+.1f} dB against the rest of the reply",
                )
            )
    return metrics, defects


def find_octave_change(pair: ReplyPair, kept: Ledger) -> OctaveChange | None:
    """None where no octave speaks for OVER_MS in what arrived."""
    arrived = pair.active & _arrived(pair, kept)
    if not arrived.any():
        return None
    whole = pair.raw_db - pair.pre_db
    found = [_of_octave(pair, arrived, whole, octave) for octave in OCTAVES_HZ]
    return max((one for one in found if one is not None), key=lambda one: abs(one.change_db), default=None)


def _of_octave(pair: ReplyPair, arrived: BoolArray, whole: FloatArray, octave: tuple[int, int]) -> OctaveChange | None:
    bins = band(*octave)
    before, after = in_db(pair.pre_power[bins].sum(axis=0)), in_db(pair.raw_power[bins].sum(axis=0))
    loud = float(np.percentile(before[arrived], 95))
    speaks = arrived & (before > max(loud - SPEAKS_DB, QUIETEST_DBFS)) & (before > pair.pre_db - WITHIN_DB)
    frames = np.flatnonzero(speaks & (pair.raw_db > QUIETEST_DBFS))
    size = round(OVER_MS / HOP_MS)
    if len(frames) < size:
        return None
    change = (after - before - whole)[frames]
    inside = slice(size // 2, len(frames) - size // 2 + 1)
    course, frames = median_filter(change, size=size, mode="nearest")[inside], frames[inside]
    worst = int(np.argmax(np.abs(course)))
    beyond = np.flatnonzero(course * np.sign(course[worst]) > CHANGED_DB)
    first, last = (beyond[0], beyond[-1]) if len(beyond) else (worst, worst)
    return OctaveChange(octave, float(course[worst]), int(frames[first]), int(frames[last]))


def _arrived(pair: ReplyPair, kept: Ledger) -> BoolArray:
    """Frames that lie in a stretch that arrived, where the pair has it too."""
    out = np.zeros(pair.pre_power.shape[1], bool)
    for entry in kept.of("arrived"):
        first = max(0, -(-(entry.p_start - pair.first) // HOP))
        frames = np.arange(first, min(len(out), (entry.p_end - pair.first - WINDOW) // HOP + 1))
        middle = np.minimum(frames * HOP + WINDOW // 2, len(pair.place) - 1)
        lag = entry.y_start - entry.p_start
        out[frames] = np.abs(pair.place[middle] - (middle + pair.first + lag)) < SAME_PLACE
    return out
