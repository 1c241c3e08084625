"""How long after an outage the reply goes on: ms from the outage's end until the listener hears it again as published.

From the capture alone: link.json has when the way to the user was cut, pre_rtc.wav what would have been heard. "Goes on":
sound that is pre's own, piece after piece of 40 ms without a concealed or missing one in between, for GOES_ON_MS at
least; concealment is not pre's. The search goes backwards from the first long piece of the reply that is found again, so
that the result does not depend on how far the lag jumped meanwhile. Resolution: RESOLUTION_MS. Where the reply itself
paused at the outage's end, the time counts from when its next sound was due. Band samples (8 kHz) within.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.listen.place.align import find_best
from harness.listen.place.delay import GOOD, WINDOW, DelayTrack
from harness.listen.place.ring import BAND_RATE_HZ, DECIMATION, BandArray, Ring
from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard
from harness.listen.read.records import no_number, number
from harness.model import capture
from harness.model.measurement import Metric, Turn
from harness.network.log import DELIVERED, Row
from harness.network.record import LinkRecord

PER_MS = BAND_RATE_HZ // 1_000
PIECE = 40 * PER_MS
HOP = 10 * PER_MS
REACH = 12 * PER_MS  # between neighbours a jitter buffer moves by one pitch period at most
GOES_ON_MS = 100.0
MISSING_DB = -15.0  # against the level of the next sound
SOUND_BELOW_DB = 25.0  # of the reply's own level: pieces below it are a pause
RESOLUTION_MS = 20.0
RECOVERY, FIRST_PACKET, COUNT = "recovery_ms", "recovery_first_packet_ms", "outage_count"


@dataclass(frozen=True)
class Cut:
    """Nothing came to the user in [start_ms, end_ms), host clock."""

    start_ms: float
    end_ms: float


@dataclass(frozen=True)
class Recovered:
    """`ms` None: no recovery, and why. `paused_ms`: how long the reply itself paused when the outage was over."""

    ms: float | None
    paused_ms: float = 0.0
    why: str = ""


def cuts_of(record: LinkRecord) -> list[Cut]:
    """The outages of the way to the user, touching ones joined."""
    given = sorted((d.at_ms, d.at_ms + d.for_ms) for d in record.done if d.for_ms is not None and "down" in d.ways)
    merged: list[Cut] = []
    for start, end in given:
        if merged and start <= merged[-1].end_ms:
            merged[-1] = Cut(merged[-1].start_ms, max(end, merged[-1].end_ms))
        else:
            merged.append(Cut(start, end))
    return merged


def on_recovery(scene: Scene, turn: TurnHeard) -> dict[str, Metric]:
    """A turn's slowest recovery from any outage; empty where no outage fell into its reply."""
    record = scene.capture.link
    heard, announced = turn.heard.get(scene.primary), turn.announced
    if record is None or heard is None:
        return {}
    first, last = float(heard.start), float(heard.end)
    if (
        announced is not None and announced.pre is not None and heard.head_lag is not None
    ):  # the reply's lost ends belong to it
        first, last = min(first, announced.pre.start + heard.head_lag), max(last, announced.pre.end + heard.head_lag)
    start, end = (scene.clocks.mono_ms(scene.primary, at) for at in (first, last))
    if start is None or end is None:
        return {}
    hit = [cut for cut in cuts_of(record) if cut.start_ms < end and cut.end_ms > start]
    if not hit:
        return {}
    found = [_in_reply(scene, turn, cut) for cut in hit]
    return {RECOVERY: _slowest(found), FIRST_PACKET: _first_packets(scene.capture.packets, hit)}


def recovery_of_call(record: LinkRecord | None, turns: Sequence[Turn]) -> dict[str, Metric]:
    """How many outages, and the slowest recovery of any reply; empty without an outage of the way to the user."""
    cuts = cuts_of(record) if record is not None else []
    if not cuts:
        return {}
    found = [(turn.reply_seq, turn.metrics[RECOVERY]) for turn in turns if RECOVERY in turn.metrics]
    measured = [(m.value, seq, m) for seq, m in found if m.value is not None]
    if not found:
        worst = no_number("ms", "no outage fell into a reply")
    elif len(measured) < len(found):
        worst = no_number("ms", next(m.reason for _, m in found if m.value is None))
    else:
        _, seq, metric = max(measured, key=lambda item: item[0])
        worst = metric.model_copy(update={"reason": "; ".join(filter(None, [f"reply {seq}", metric.reason]))})
    return {COUNT: number(len(cuts), "count"), RECOVERY: worst}


def _slowest(found: Sequence[Recovered]) -> Metric:
    lost = next((one for one in found if one.ms is None), None)
    if lost is not None:
        return no_number("ms", lost.why)
    slowest = max(found, key=lambda one: one.ms or 0.0)
    paused = f"counted from when its next sound was due: the reply itself paused {slowest.paused_ms:.0f} ms"
    said = [f"the slowest of {len(found)} outages"] if len(found) > 1 else []
    said += [paused] if slowest.paused_ms > 0 else []
    return number(slowest.ms or 0.0, "ms", reason="; ".join(said), uncertainty=RESOLUTION_MS)


def _first_packets(packets: Sequence[Row], cuts: Sequence[Cut]) -> Metric:
    """From an outage's end to the first media packet that went on to the user; the longest of several."""
    came = [row.departed_ms for row in packets if row.way == "down" and row.kind == "rtp" and row.fate in DELIVERED]
    departed = np.sort(np.array([ms for ms in came if ms is not None]))
    waits = []
    for cut in cuts:
        behind = departed[departed >= cut.end_ms]
        if not len(behind):
            return no_number(
                "ms", "no media packet came after the outage" if len(departed) else "there is no packet log"
            )
        waits.append(float(behind[0] - cut.end_ms))
    return number(max(waits), "ms")


def _in_reply(scene: Scene, turn: TurnHeard, cut: Cut) -> Recovered:
    pre, ring = scene.rings.get("pre_rtc"), scene.rings[scene.primary]
    if pre is None:
        return Recovered(None, why=scene.capture.why_missing("pre_rtc"))
    heard, announced = turn.heard[scene.primary], turn.announced
    if announced is None or announced.pre is None or heard.track is None or not heard.track.found:
        return Recovered(None, why="the reply is not aligned with pre_rtc.wav")
    end = scene.clocks.sample_at(scene.primary, cut.end_ms)
    if end is None:
        return Recovered(None, why=f"the manifest has no timeline for {scene.primary}.wav")
    if end >= len(ring.audio):
        return Recovered(None, why=f"the recording ends before the outage did ({capture.LINK})")
    span = (announced.pre.start // DECIMATION, announced.pre.end // DECIMATION)
    return find_recovery(pre, span, ring, heard.track, end / DECIMATION)


def find_recovery(pre: Ring, span: tuple[int, int], ring: Ring, track: DelayTrack, end: float) -> Recovered:
    """`span`: the reply in pre's band; `end`: of the outage in the ring's band."""
    starts, loud = _pieces(pre.band, span)
    places = track.at + track.lag
    lag_before = float(track.lag[places < end][-1]) if (places < end).any() else float(track.lag[0])
    ahead = starts[loud & (starts + lag_before >= end)]
    if not len(ahead):
        return Recovered(None, why="the reply was over before the outage was")
    for n in np.flatnonzero(places - WINDOW / 2 >= end):
        first = _followed_back(pre.band, ring.band, starts, loud, float(track.at[n]), float(track.lag[n]))
        if first is not None:
            due = max(end, float(ahead[0]) + lag_before)
            paused = due - end if due - end > HOP else 0.0
            return Recovered(max(0.0, first - due) / PER_MS, paused / PER_MS)
    return Recovered(None, why="the reply is not heard again after the outage")


def _pieces(band: BandArray, span: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(starts of the reply's pieces, whether there is sound in each)."""
    starts = np.arange(span[0], max(span[0], span[1] - PIECE) + 1, HOP)
    energy = np.concatenate([[0.0], np.cumsum(band[span[0] : span[1]] ** 2)])
    within = starts - span[0]
    power = (energy[np.minimum(within + PIECE, len(energy) - 1)] - energy[within]) / PIECE
    whole = energy[-1] / max(1, span[1] - span[0])
    return starts, power > whole * 10 ** (-SOUND_BELOW_DB / 10)


def _followed_back(
    pre: BandArray, heard: BandArray, starts: np.ndarray, loud: np.ndarray, anchor: float, lag: float
) -> float | None:
    """Where in `heard` the unbroken run of pieces begins that holds the anchor (a position in pre); None if there is none."""
    pieces = [(int(s), bool(is_loud)) for s, is_loud in zip(starts, loud, strict=True)]
    near = [n for n, (s, is_loud) in enumerate(pieces) if is_loud and abs(s + PIECE / 2 - anchor) <= WINDOW / 2]
    begun = next((n for n in sorted(near, key=lambda n: -pieces[n][0]) if _at(pre, heard, pieces[n][0], lag)), None)
    if begun is None:
        return None
    first: float | None = None
    last_start = pieces[begun][0]
    for n in range(begun, -1, -1):
        start, is_loud = pieces[n]
        if not is_loud:
            continue
        found = _at(pre, heard, start, lag)
        if found is None:
            break
        lag, first, last_start = found - start, found, start
    sounded = anchor + WINDOW / 2 - last_start
    if first is None or sounded / PER_MS < GOES_ON_MS:
        return None
    return first + _silent_ahead(pre[last_start : last_start + PIECE], heard[round(first) : round(first) + PIECE])


def _silent_ahead(said: BandArray, heard: BandArray) -> int:
    """How much of a piece's beginning is missing: a piece still correlates without its quiet beginning."""
    n = min(len(said), len(heard)) // HOP
    of_said, of_heard = ((x[: n * HOP].reshape(n, HOP) ** 2).sum(axis=1) for x in (said, heard))
    matched = of_heard[-1] / max(of_said[-1], 1e-12)  # its end is heard: the run goes on from there
    missing = np.flatnonzero(of_heard < of_said * matched * 10 ** (MISSING_DB / 10))
    return 0 if not len(missing) else int(missing[-1] + 1) * HOP


def _at(pre: BandArray, heard: BandArray, start: int, lag: float) -> float | None:
    """Where the piece of pre that begins at `start` is heard near `lag`; None if it is not."""
    match = find_best(pre[start : start + PIECE], heard, (start + lag - REACH, start + lag + REACH))
    return match.at if match is not None and match.confidence >= GOOD else None
