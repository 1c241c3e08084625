"""Whose sound a foreign stretch is: the reply's own, again or out of its order; another reply's; the user's; or what it is like.

Looked for by waveform in the voice band (8 kHz), in all that was published and in what the user said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.listen.ledger.entries import Entry
from harness.listen.place.align import find_best
from harness.listen.place.pair import FREQUENCIES_HZ, power_spectrum
from harness.listen.place.ring import BAND_RATE_HZ, DECIMATION, BandArray, Ring

LEAST_MS = 35.0  # shorter pieces are like some vowel
ALIKE = 0.85
MOVED_WITHIN = 160  # 20 ms
USERS = 0.6  # the user's voice went through another codec, and the room
USERS_LEAST_MS = 120.0
TONE_SHARE = 0.9  # of the power in three bins
NOISE_FLATNESS = 0.3


def named(
    entries: Sequence[Entry], published: Ring, heard: Ring, reply: tuple[int, int], said: Ring | None
) -> tuple[Entry, ...]:
    """The entries, each foreign one with what it is. `reply`: its stretch of the published recording."""
    lost = [entry for entry in entries if entry.kind == "lost"]
    return tuple(
        _named(entry, published, heard, reply, said, lost) if entry.kind == "foreign" else entry for entry in entries
    )


def _named(
    entry: Entry, published: Ring, heard: Ring, reply: tuple[int, int], said: Ring | None, lost: Sequence[Entry]
) -> Entry:
    if entry.sound_ms < LEAST_MS:
        return entry
    piece = np.asarray(heard.band[entry.y_start // DECIMATION : entry.y_end // DECIMATION])
    at = _published_at(piece, published)
    if at is not None:
        start = round(at * DECIMATION)
        end = start + entry.y_end - entry.y_start
        if start >= reply[1] or end <= reply[0]:
            return replace(entry, detail=f"another reply's sound, at {start / 48:.0f} ms of {published.name}.wav")
        middle = (start + end) / 2
        out_of_order = any(e.p_start <= middle <= e.p_end for e in lost)
        at_ms = (start - reply[0]) / 48
        if out_of_order:
            return replace(entry, kind="moved", detail=f"published at {at_ms:.0f} ms of the reply")
        return replace(entry, kind="repeated", detail=f"published once, at {at_ms:.0f} ms of the reply")
    if said is not None and entry.sound_ms >= USERS_LEAST_MS:
        found = find_best(piece, said.band)
        if found is not None and found.confidence >= USERS:
            return replace(entry, detail="the user's own words")
    return replace(entry, detail=_like(np.asarray(heard.audio.samples[entry.y_start : entry.y_end], np.float64)))


def _published_at(piece: BandArray, published: Ring) -> float | None:
    """Where the piece was published; a jitter buffer may have moved within it, so its halves may be found one by one."""
    found = find_best(piece, published.band)
    if found is not None and found.confidence >= ALIKE:
        return found.at
    if len(piece) < 2 * LEAST_MS * BAND_RATE_HZ / 1e3:
        return None
    half = len(piece) // 2
    first, second = (find_best(part, published.band) for part in (piece[:half], piece[half:]))
    if first is None or second is None or min(first.confidence, second.confidence) < ALIKE:
        return None
    apart = second.at - first.at - half
    return first.at if abs(apart) <= MOVED_WITHIN else None


def _like(samples: np.ndarray) -> str:
    power = power_spectrum(samples.astype(np.float32))[2:].mean(axis=1)
    total = float(power.sum()) + 1e-20
    peak = int(np.argmax(power))
    if float(power[max(0, peak - 2) : peak + 3].sum()) / total > TONE_SHARE:
        return f"a tone of {FREQUENCIES_HZ[peak + 2]:.0f} Hz"
    flat = float(np.exp(np.mean(np.log(power[:240] + 1e-20))) / (power[:240].mean() + 1e-20))
    return "noise" if flat > NOISE_FLATNESS else ""
