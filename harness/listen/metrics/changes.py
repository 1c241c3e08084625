"""What happened to one reply between the agent and each listener, and its faults as published: metrics and defects.

Metrics carry the ring in their name: none for the second listener (post_rtc), `_ear` for the browser, `_pre` for the reply
as published. A metric is a number to be judged; a defect is the same fault as an event, with its time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.listen.metrics.edges import lost_edges_ms
from harness.listen.metrics.events import Event, find_events
from harness.listen.metrics.fingerprint import Fingerprint, take_fingerprint
from harness.listen.metrics.gaps import HOLES
from harness.listen.metrics.latency import NOT_INSTRUMENTED
from harness.listen.metrics.level import FULL_SCALE, active_level_dbfs, flat_top_ratio, loudness_lufs
from harness.listen.metrics.pitch import frequency_shift
from harness.listen.metrics.published import SPIKE_OVER_DB, find_flaws, spike_course
from harness.listen.metrics.repeats import repeats_on_the_way
from harness.listen.place.course import COARSE_STEP, lag_slope
from harness.listen.place.delay import DelayTrack
from harness.listen.place.pair import HOP, PER_MS, ReplyPair, make_pair
from harness.listen.place.replies import AnnouncedReply, HeardReply
from harness.listen.place.ring import DECIMATION
from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard
from harness.listen.read.records import no_number, not_applicable, number
from harness.model.audio import Audio
from harness.model.events import ReplyCause
from harness.model.measurement import Defect, DefectKind, Metric, RingName

SUFFIX = {"post_rtc": "", "ear": "_ear"}
OTHER_RATE = "the reply plays at another speed: nothing else of its sound is held against what was published"
NOT_AT_ANOTHER_RATE = (
    "level_change", "level_drop", "compression", "hf_change", "bandwidth", "band_lost", "mel_distance", "click_count",
    "boom_count", "noise_burst_count", "repeat_count", "head_loss", "tail_loss",
)  # fmt: skip
UNALIGNED = "the reply could not be aligned with pre_rtc.wav"
TOO_SHORT = "too little of the reply can be compared"
NEAR_HOLE_MS = 80.0  # the edges of a hole always differ from pre
SILENT_PEAK = 10 ** (-60 / 20)  # a breath ahead of a word is no silence
UNITS = {
    "level_change": "dB", "level_drop": "dB", "compression": "dB", "hf_change": "dB", "bandwidth": "Hz", "band_lost": "Hz",
    "mel_distance": "dB", "mel_distance_mean": "dB", "click_count": "count", "boom_count": "count",
    "noise_burst_count": "count", "click_margin": "dB", "boom_margin": "dB", "noise_burst_margin": "dB",
    "repeat_count": "count", "head_loss": "ms", "tail_loss": "ms", "speed": "ppm",
    "pitch_shift": "cents", "overdriven": "ratio", "active_level": "dBFS", "loudness": "LUFS",
}  # fmt: skip
NAMES = {  # metric names with their units in them
    "level_change": "level_change{}_db", "level_drop": "level_drop{}_db", "compression": "compression{}_db",
    "hf_change": "hf_change{}_db", "bandwidth": "bandwidth{}_hz", "band_lost": "band_lost{}_hz",
    "mel_distance": "mel_distance{}_db",
    "mel_distance_mean": "mel_distance_mean{}_db", "click_count": "click_count{}", "boom_count": "boom_count{}",
    "noise_burst_count": "noise_burst_count{}", "click_margin": "click_margin{}_db", "boom_margin": "boom_margin{}_db",
    "noise_burst_margin": "noise_burst_margin{}_db", "repeat_count": "repeat_count{}", "head_loss": "head_loss{}_ms",
    "tail_loss": "tail_loss{}_ms", "speed": "speed{}_ppm", "pitch_shift": "pitch_shift{}_cents",
    "overdriven": "overdriven{}_ratio", "active_level": "active_level{}_dbfs", "loudness": "loudness{}_lufs",
}  # fmt: skip
JUDGED = (
    *((NAMES[key].format(""), UNITS[key]) for key in UNITS if key not in ("active_level", "loudness", "bandwidth")),
    ("dropout_count_pre", "count"), ("leading_silence_ms", "ms"),
)  # fmt: skip


@dataclass
class Findings:
    """Grows as a ring is examined."""

    ring: str
    metrics: dict[str, Metric]
    defects: list[Defect]

    def put(self, key: str, value: float | None, reason: str = "", uncertainty: float | None = None) -> None:
        name = NAMES[key].format(SUFFIX.get(self.ring, "_pre"))
        unit = UNITS[key]
        if value is None:
            self.metrics[name] = no_number(unit, reason or TOO_SHORT)
        else:
            self.metrics[name] = number(value, unit, reason=reason, uncertainty=uncertainty)

    def hear(self, kind: DefectKind, start_ms: float, duration_ms: float, detail: str) -> None:
        ring: RingName = "ear" if self.ring == "ear" else "post_rtc" if self.ring == "post_rtc" else "pre_rtc"
        self.defects.append(
            Defect(kind=kind, ring=ring, start_ms=round(start_ms, 3), duration_ms=round(duration_ms, 3), detail=detail)
        )


def pairs_of(scene: Scene, turn: TurnHeard) -> dict[str, ReplyPair]:
    """The reply beside pre_rtc, by ring; of those listeners where it is aligned."""
    announced, pre = turn.announced, scene.rings.get("pre_rtc")
    if pre is None or announced is None or announced.pre is None:
        return {}
    span, cut = (announced.pre.start, announced.pre.end), announced.cause == ReplyCause.INTERRUPTED
    return {
        ring: make_pair(pre, span, scene.rings[ring], heard.track, until=_until(heard.track) if cut else None)
        for ring in SUFFIX
        if (heard := turn.heard.get(ring)) is not None and heard.track is not None
    }


def _until(track: DelayTrack) -> int:
    return round(track.at[-1] * DECIMATION)


def change_metrics(
    scene: Scene, turn: TurnHeard, known: list[Defect], pairs: Mapping[str, ReplyPair]
) -> tuple[dict[str, Metric], list[Defect]]:
    """The changes of one reply in all rings. `known`: its defects found already; `pairs`: as `pairs_of` gives them. Nothing for
    an agent without pre_rtc.wav.
    """
    announced, pre = turn.announced, scene.rings.get("pre_rtc")
    if pre is None and not scene.capture.manifest.agent.instrumented:
        return {name: not_applicable(unit, NOT_INSTRUMENTED) for name, unit in JUDGED}, []
    if pre is None or announced is None or announced.pre is None:
        return {}, []
    metrics, defects = _as_published(pre.audio, announced)
    for ring in SUFFIX:
        heard = turn.heard.get(ring)
        if heard is None:
            continue
        found = Findings(ring, {}, [])
        mine = [defect for defect in known if defect.ring == ring]
        _on_the_way(scene, announced, heard, found, mine, pairs.get(ring))
        metrics |= found.metrics
        defects += found.defects
    return metrics, defects


def _as_published(pre: Audio, announced: AnnouncedReply) -> tuple[dict[str, Metric], list[Defect]]:
    assert announced.pre is not None
    found = Findings("pre_rtc", {}, [])
    samples = np.asarray(pre.samples[announced.pre.start : announced.pre.end])
    part = Audio(np.ascontiguousarray(samples, np.float32), pre.rate_hz)
    flaws = find_flaws(part.samples, announced.pre.start)
    for flaw in flaws:
        kind: DefectKind = "dropout" if flaw.kind == "dropout" else "click" if flaw.kind == "click" else "repeat"
        found.hear(kind, flaw.start / PER_MS, (flaw.end - flaw.start) / PER_MS, flaw.detail)
    for name, kind in (("dropout_count_pre", "dropout"), ("click_count_pre", "click"), ("repeat_count_pre", "repeat")):
        found.metrics[name] = number(sum(flaw.kind == kind for flaw in flaws), "count")
    spike_db = float(spike_course(part.samples).max(initial=-np.inf)) - SPIKE_OVER_DB
    found.put("click_margin", spike_db if np.isfinite(spike_db) else None, "no sound stands out of the reply")
    clipped = flat_top_ratio(part)
    found.metrics["clipping_ratio_pre"] = (
        no_number("ratio", "the reply is silent") if clipped is None else number(clipped, "ratio")
    )
    if clipped is not None and clipped > CLIPPED_RATIO:
        whole_ms = (announced.pre.end - announced.pre.start) / PER_MS
        found.hear(
            "clipping", announced.pre.start / PER_MS, whole_ms, f"{100 * clipped:.3f} % of the samples lie in flat tops"
        )
    found.put("active_level", active_level_dbfs(part), "no speech level")
    found.put("loudness", loudness_lufs(part), "shorter than the 400 ms that loudness is measured over")
    if announced.pre_start is not None:
        leading = np.asarray(pre.samples[announced.pre_start : announced.pre.end])
        sounding = np.flatnonzero(np.abs(leading) > SILENT_PEAK)
        found.metrics["leading_silence_ms"] = number(float(sounding[0]) / PER_MS if len(sounding) else 0.0, "ms")
    return found.metrics, found.defects


def _on_the_way(
    scene: Scene,
    announced: AnnouncedReply,
    heard: HeardReply,
    found: Findings,
    known: list[Defect],
    pair: ReplyPair | None,
) -> None:
    _speed_and_pitch(scene, announced, heard, found)
    if heard.other_rate is not None:  # what else differs comes from it
        for key in NOT_AT_ANOTHER_RATE:
            found.put(key, None, OTHER_RATE)
        return
    if heard.track is None or pair is None:
        for key in ("level_change", "click_count", "boom_count", "noise_burst_count", "repeat_count", "head_loss"):
            found.put(key, None, UNALIGNED)
        return
    cut = announced.cause == ReplyCause.INTERRUPTED
    fingerprint = take_fingerprint(pair, cut=cut)
    _fingerprint(pair, fingerprint, heard, found)
    _edges(pair, heard, found, cut)
    if heard.course is not None and any(d.kind in ALTERED for d in found.defects):
        for kind in ("click", "boom", "noise_burst", "repeat"):
            found.put(
                f"{kind}_count", None, "the reply plays at another speed or pitch: fine detail cannot be compared"
            )
        return
    _events(pair, found, known, clicks_told=fingerprint is not None)
    repeats = repeats_on_the_way(scene.rings["pre_rtc"], heard.track, scene.rings[heard_ring(found)])
    found.put("repeat_count", len(repeats))
    for repeated in repeats:
        found.hear("repeat", repeated.start / PER_MS, repeated.duration_ms, f"heard twice (alike {repeated.alike:.2f})")


EDGES = ("lost_head", "lost_tail")
ALTERED = ("speed", "wrong_rate", "pitch")


def heard_ring(found: Findings) -> str:
    return found.ring


def _speed_and_pitch(scene: Scene, announced: AnnouncedReply, heard: HeardReply, found: Findings) -> None:
    """Speed from the lag's slope; where the waveforms differ, from the level's course, with the shift of the spectrum."""
    assert announced.pre is not None
    ratio = heard.course.ratio if heard.course is not None else 1.0
    slope = lag_slope(heard.track, ratio) if heard.track is not None else None
    shift = None
    if heard.course is not None:
        coarse = 0.0 if abs(ratio - 1) < COARSE_STEP else 1e6 * (ratio - 1)
        slower = coarse if slope is None else slope.ppm
        published = scene.rings["pre_rtc"].audio.samples[announced.pre.start : announced.pre.end]
        places = heard.course.at + np.arange(len(published)) * (1 + slower / 1e6)
        source = scene.rings[found.ring].audio.samples
        index = np.clip(np.rint(places).astype(np.int64), 0, len(source) - 1)
        shift = frequency_shift(
            np.asarray(published), np.asarray(source[int(index[0]) : int(index[-1]) + 1])[index - index[0]]
        )
        found.put(
            "speed",
            -slower,
            "" if slope is not None else "by the level's course",
            2_500.0 if slope is None else slope.error_ppm,
        )
    elif slope is not None:
        found.put("speed", -slope.ppm, "", slope.error_ppm)
    else:
        found.put("speed", None, UNALIGNED if heard.track is None else TOO_SHORT)
    percent = None if shift is None else 100 * (shift.ratio - 1)
    if heard.track is None and percent is None:
        found.put("pitch_shift", None, UNALIGNED)
    else:
        found.put("pitch_shift", 0.0 if shift is None else 1_200 * float(np.log2(shift.ratio)))
    _name_speed(heard, found)


SPEED_PPM = 2_500.0
PITCH_CENTS = 25.0


def _name_speed(heard: HeardReply, found: Findings) -> None:
    speed = found.metrics[NAMES["speed"].format(SUFFIX[found.ring])].value
    cents = found.metrics[NAMES["pitch_shift"].format(SUFFIX[found.ring])].value
    start_ms = heard.start / PER_MS
    if speed is not None and abs(speed) > SPEED_PPM:
        kind: DefectKind = "wrong_rate" if heard.other_rate is not None else "speed"
        found.hear(kind, start_ms, heard.duration_ms, speed_text(1 - speed / 1e6, cents))
    elif cents is not None and abs(cents) > PITCH_CENTS:
        found.hear("pitch", start_ms, heard.duration_ms, f"{cents:+.0f} cents at the same speed")


def speed_text(ratio: float, cents: float | None) -> str:
    """ "plays at 0.544 of its speed: 83.8 % longer, voice deeper". `ratio`: how many times as long; `cents`: of the pitch, once
    it is brought back to its length: near zero where pitch and speed changed together.
    """
    longer = 100 * (ratio - 1)
    length = f"{abs(longer):.3g} % {'longer' if longer > 0 else 'shorter'}"
    speed = f"plays at {1 / ratio:.3f} of its speed" if ratio > 1 else f"plays {1 / ratio:.3f} times as fast"
    if cents is None or abs(longer) < 1:
        return f"{speed}: {length}"
    together = abs(cents) < abs(1_200 * math.log2(ratio)) / 2
    return (
        f"{speed}: {length}, voice {'deeper' if ratio > 1 else 'higher'}"
        if together
        else f"{speed}: {length}, at another pitch"
    )


LEVEL_DB, DROP_DB, COMPRESSION_DB, HF_DB = 2.0, 3.0, 1.2, 2.0
BAND_LOST_HZ = 2_500.0
CLIPPED_RATIO = 0.0003


def _fingerprint(pair: ReplyPair, print_: Fingerprint | None, heard: HeardReply, found: Findings) -> None:
    put = found.put
    if print_ is None:
        for key in ("level_change", "level_drop", "compression", "hf_change", "bandwidth", "mel_distance"):
            put(key, None)
        return
    put("level_change", print_.level_change_db)
    put("level_drop", print_.level_drop_db)
    put("compression", print_.compression_db)
    put("hf_change", print_.hf_change_db)
    put("bandwidth", print_.bandwidth_hz)
    put("band_lost", print_.band_lost_hz)
    put("mel_distance", print_.mel_p95_db)
    put("mel_distance_mean", print_.mel_mean_db)
    put("overdriven", _overdriven(pair))
    overdriven = found.metrics[NAMES["overdriven"].format(SUFFIX[found.ring])].value
    if overdriven is not None and overdriven > CLIPPED_RATIO:
        found.hear(
            "clipping", heard.start / PER_MS, heard.duration_ms, f"{100 * overdriven:.3f} % did not fit into full scale"
        )
    part = Audio(np.ascontiguousarray(pair.raw, np.float32), 48_000)
    put("active_level", active_level_dbfs(part), "no speech level")
    put("loudness", loudness_lufs(part), "shorter than the 400 ms that loudness is measured over")
    whole = (heard.start / PER_MS, heard.duration_ms)
    checks: tuple[tuple[DefectKind, float | None, Callable[[float], bool], str], ...] = (
        ("level_change", print_.level_change_db, lambda v: abs(v) > LEVEL_DB, "{:+.1f} dB against what was published"),
        ("compression", print_.compression_db, lambda v: abs(v) > COMPRESSION_DB, "loud parts change by {:+.1f} dB"),
        ("bandwidth", print_.hf_change_db, lambda v: v < -HF_DB, "4 to 8 kHz: {:+.1f} dB"),
    )
    lost_hz = print_.band_lost_hz
    if lost_hz is not None and lost_hz > BAND_LOST_HZ:
        found.hear("bandwidth", *whole, f"nothing arrives above {print_.bandwidth_hz or 0:.0f} Hz")
    for kind, value, wrong, text in checks:
        if value is not None and wrong(value):
            found.hear(kind, *whole, text.format(value))
    if print_.level_drop_db is not None and print_.level_drop_db < -DROP_DB:
        at_ms = pair.ring_ms(print_.level_drop_frame * HOP)
        found.hear("level_drop", at_ms - 75, 150.0, f"{print_.level_drop_db:.1f} dB against the rest of the reply")


def _overdriven(pair: ReplyPair) -> float:
    """Share of the samples that exceed full scale only at the level of arrival."""
    loud = np.abs(pair.pre) * np.float32(10 ** (pair.gain_db / 20)) >= FULL_SCALE
    fitted = np.abs(pair.pre) >= FULL_SCALE
    return float(np.count_nonzero(loud & ~fitted) / max(1, len(pair.pre) - 2 * pair.margin))


def _edges(pair: ReplyPair, heard: HeardReply, found: Findings, cut: bool) -> None:
    lost = lost_edges_ms(pair)
    if lost is None:
        found.put("head_loss", None)
        found.put("tail_loss", None)
        return
    found.put("head_loss", lost[0], uncertainty=5.0)
    if not cut:
        found.put("tail_loss", lost[1], uncertainty=5.0)
    if lost[0] >= EDGE_MS:
        found.hear("lost_head", heard.start / PER_MS - lost[0], lost[0], "the beginning of the first word is missing")
    if lost[1] >= EDGE_MS and not cut:
        found.hear("lost_tail", heard.end / PER_MS, lost[1], "the end of the last word is missing")


EDGE_MS = 24.0


def _around(defects: Sequence[Defect]) -> list[tuple[float, float]]:
    """The defects' times with NEAR_HOLE_MS on either side, ms in the ring."""
    return [(d.start_ms - NEAR_HOLE_MS, d.start_ms + d.duration_ms + NEAR_HOLE_MS) for d in defects]


def _events(pair: ReplyPair, found: Findings, known: list[Defect], *, clicks_told: bool) -> None:
    """An event beside a hole is the hole's edge; a click beside clipped samples is the clipping. A boom may clip too.

    No click is told where the lag is restless nearly all along: what is a few ms off looks like clicks.
    """
    torn = _around([*(d for d in known if d.kind in HOLES), *(d for d in found.defects if d.kind in EDGES)])
    clipped = _around([d for d in known if d.kind == "clipping"])

    def apart(event: Event) -> bool:
        start, end = pair.ring_ms(event.start), pair.ring_ms(event.end)
        beside = [*torn, *clipped] if event.kind == "click" else torn
        return all(end < a or start > b for a, b in beside)

    heard, margins = find_events(pair)
    found.put("click_margin", margins.click_db)
    found.put("boom_margin", margins.boom_db)
    found.put("noise_burst_margin", margins.noise_burst_db)
    events = [event for event in heard if apart(event)]
    for kind in ("click", "boom", "noise_burst"):
        if kind == "click" and not clicks_told:
            found.put("click_count", None)
            continue
        mine = [event for event in events if event.kind == kind]
        found.put(f"{kind}_count", len(mine))
        for event in mine:
            start_ms = pair.ring_ms(event.start)
            named: DefectKind = "click" if kind == "click" else "boom" if kind == "boom" else "noise_burst"
            found.hear(
                named,
                start_ms,
                (event.end - event.start) / PER_MS,
                f"{event.over_db:.1f} dB {'beyond what is one' if kind == 'click' else 'above what was published there'}",
            )
