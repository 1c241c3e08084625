"""The ledger of one reply as metrics, defects and records: what of the published sound is heard, and what was never published.

At the second listener and at the ear the reply is held against pre_rtc.wav. Without one, the second listener is the ear's
reference. Nothing is said of a reply that plays at another speed, or of less than LEAST_MS.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.listen.ledger.elsewhere import named
from harness.listen.ledger.entries import PER_MS, Entry, Ledger
from harness.listen.ledger.explained import EDGE_MS, TWO_BUFFERS_MS, UNCOUNTED_MS, Counted, excess_ms, explain
from harness.listen.ledger.keep import ImbalanceError, keep
from harness.listen.metrics.latency import NOT_INSTRUMENTED
from harness.listen.metrics.transport import counted_over
from harness.listen.place.align import WAVEFORM_CONFIDENCE, find_best
from harness.listen.place.delay import track_delay
from harness.listen.place.pair import ReplyPair, make_pair
from harness.listen.place.ring import DECIMATION, Ring
from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard
from harness.listen.read.records import no_number, not_applicable, number
from harness.model.events import ReplyCause
from harness.model.measurement import Defect, DefectKind, LedgerEntry, Metric, RingName

SUFFIX = {"post_rtc": "", "ear": "_ear"}
BETWEEN = "_between"  # two listeners, neither of them the agent itself
LEAST_MS = 300.0
SAME_REPLY_MS = 500.0  # two listeners whose replies differ by more have not grouped the same sounds
NAMES = (
    ("lost{}_ms", "ms"), ("lost_longest{}_ms", "ms"), ("foreign{}_ms", "ms"), ("foreign_longest{}_ms", "ms"),
    ("likeness_min{}", "ratio"), ("moved_count{}", "count"), ("repeated{}_ms", "ms"),
)  # fmt: skip
LOST_DEFECT_MS = 80.0  # the largest that was ever taken for one by mistake: 41 ms, on an overloaded host
HEARD_DEFECT_MS = 60.0
HEAD_PIECE = 6_400  # 800 ms of the band
OTHER_SPEED = "the reply plays at another speed or pitch: what was heard is not held against what was published"
NO_ALIGNMENT = "the reply is not aligned with what was published"


def account(
    scene: Scene, turn: TurnHeard, pairs: Mapping[str, ReplyPair]
) -> tuple[dict[str, Metric], list[Defect], dict[str, Ledger]]:
    """Metrics, defects and ledgers of one reply. `pairs`: by ring, where the reply is aligned with pre_rtc."""
    metrics: dict[str, Metric] = {}
    defects: list[Defect] = []
    ledgers: dict[str, Ledger] = {}
    if "pre_rtc" not in scene.rings:
        pair = between_listeners(scene, turn)
        if pair is None:
            return _none(scene), [], {}
        pairs = {"ear": pair}
    for ring, pair in pairs.items():
        if pair is None or _skipped(scene, turn, ring):
            continue
        p, heard = _spans(scene, turn, ring, pair)
        if (p[1] - p[0]) / PER_MS < LEAST_MS:
            continue
        own = pair.published.name == "pre_rtc"
        suffix = SUFFIX[ring] if own else BETWEEN
        try:
            kept = keep(pair, p, heard)
        except ImbalanceError as error:
            metrics |= {name.format(suffix): number(0, unit, reason=str(error), invalid=True) for name, unit in NAMES}
            continue
        counted = counted_over(scene, turn) if own and ring == scene.primary else None
        entries = explain(kept.entries, counted, UNCOUNTED_MS if own else TWO_BUFFERS_MS)
        entries = named(entries, pair.published, pair.source, p, scene.rings.get("said"))
        kept = replace(kept, entries=entries)
        ledgers[ring] = kept
        metrics |= _metrics(kept, suffix, counted)
        defects += _defects(kept) if own else []
    return metrics, defects, ledgers


def _none(scene: Scene) -> dict[str, Metric]:
    if scene.capture.manifest.agent.instrumented:
        return {}
    return {name.format(""): not_applicable(unit, NOT_INSTRUMENTED) for name, unit in NAMES}


def _skipped(scene: Scene, turn: TurnHeard, ring: str) -> bool:
    heard = turn.heard.get(ring)
    return ring in turn.too_early or heard is None or heard.course is not None


def _spans(scene: Scene, turn: TurnHeard, ring: str, pair: ReplyPair) -> tuple[tuple[int, int], tuple[int, int]]:
    """The reply in the published recording, and where it sounds in the ring. A reply that was cut ends where it was last
    followed.
    """
    heard = turn.heard[ring]
    last = pair.first + len(pair.place)
    start = pair.first + pair.margin
    if pair.published.name != "pre_rtc":
        return (start, min(last, turn.heard["post_rtc"].end)), (heard.start, heard.end)
    assert turn.announced is not None
    assert turn.announced.pre is not None
    if turn.announced.cause != ReplyCause.INTERRUPTED:
        return (start, min(last, turn.announced.pre.end)), (heard.start, heard.end)
    end = min(last, turn.announced.pre.end, round(pair.track.at[-1] * DECIMATION))
    return (start, end), (min(heard.start, int(pair.place[-1])), 0)


def between_listeners(scene: Scene, turn: TurnHeard) -> ReplyPair | None:
    """The reply at the second listener as the reference of the ear; None where it is not heard at both."""
    post, ear = turn.heard.get("post_rtc"), turn.heard.get("ear")
    if post is None or ear is None or {"post_rtc", "ear"} & turn.too_early or post.parts or ear.parts:
        return None
    here, there = scene.rings["post_rtc"], scene.rings["ear"]
    if here.bed is not None or there.bed is not None or abs(post.duration_ms - ear.duration_ms) > SAME_REPLY_MS:
        return None
    first, last = post.start // DECIMATION, -(-post.end // DECIMATION)
    lag = _lag(here, there, (first, last), (ear.start - post.start) / DECIMATION)
    if lag is None:
        return None
    track = track_delay(here.band, (first, last), there.band, lag)
    return make_pair(here, (post.start, post.end), there, track) if track.found else None


def _lag(here: Ring, there: Ring, span: tuple[int, int], near: float) -> float | None:
    piece = here.band[span[0] : min(span[1], span[0] + HEAD_PIECE)]
    found = find_best(piece, there.band, (span[0] + near - HEAD_PIECE, span[0] + near + HEAD_PIECE))
    return found.at - span[0] if found is not None and found.confidence >= WAVEFORM_CONFIDENCE else None


def _metrics(kept: Ledger, suffix: str, counted: Counted | None) -> dict[str, Metric]:
    lost, foreign = unexplained_lost(kept), [e for e in kept.of("foreign") if not e.explained]
    again = kept.of("repeated")
    values: dict[str, float | None] = {
        "lost{}_ms": sum(e.sound_ms for e in lost),
        "lost_longest{}_ms": max((e.sound_ms for e in lost), default=0.0),
        "foreign{}_ms": sum(e.sound_ms for e in foreign),
        "foreign_longest{}_ms": max((e.sound_ms for e in foreign), default=0.0),
        "likeness_min{}": kept.likeness_min,
        "moved_count{}": len(kept.of("moved")),
        "repeated{}_ms": sum(e.sound_ms for e in again),
    }
    metrics = {
        name.format(suffix): no_number(unit, "less than 100 ms of sound arrived as it was published")
        if values[name] is None
        else number(values[name] or 0.0, unit)
        for name, unit in NAMES
    }
    if counted is not None:
        metrics[f"concealed_excess{suffix}_ms"] = number(excess_ms(kept.entries, counted), "ms")
    return metrics


def unexplained_lost(kept: Ledger) -> list[Entry]:
    """What was lost within the reply and that no counter explains; a head or a tail that was faded is judged elsewhere.

    Between two listeners every head and tail is left out: one of them may have come later, or left sooner.
    """
    edge_ms = EDGE_MS if kept.reference == "pre_rtc" else math.inf
    return [
        e for e in kept.of("lost")
        if not e.explained and not (e.sound_ms < edge_ms and (_at_head(kept, e) or _at_tail(kept, e)))
    ]  # fmt: skip


def _at_head(kept: Ledger, entry: Entry) -> bool:
    return entry.p_start - kept.p[0] < PER_MS


def _at_tail(kept: Ledger, entry: Entry) -> bool:
    return kept.p[1] - entry.p_end < PER_MS


def _defects(kept: Ledger) -> list[Defect]:
    ring: RingName = "ear" if kept.ring == "ear" else "post_rtc"
    found: list[Defect] = []

    def hear(kind: DefectKind, entry: Entry, ms: float, detail: str) -> None:
        start_ms = round(entry.y_start / PER_MS, 3)
        found.append(Defect(kind=kind, ring=ring, start_ms=start_ms, duration_ms=round(ms, 3), detail=detail))

    for entry in unexplained_lost(kept):
        if entry.sound_ms >= LOST_DEFECT_MS:
            hear("lost_sound", entry, entry.p_ms, f"{entry.sound_ms:.0f} ms of what was published are heard nowhere")
    for entry in kept.of("foreign", "moved", "repeated"):
        if entry.explained or entry.sound_ms < HEARD_DEFECT_MS:
            continue
        said = f": {entry.detail}" if entry.detail else ""
        if entry.kind == "foreign":
            hear("foreign_sound", entry, entry.y_ms, f"{entry.sound_ms:.0f} ms of sound that was not published{said}")
        elif entry.kind == "moved":
            hear("moved", entry, entry.y_ms, f"{entry.sound_ms:.0f} ms are heard out of their order{said}")
        else:
            hear("repeat", entry, entry.y_ms, f"{entry.sound_ms:.0f} ms are heard again{said}")
    return found


def in_record(ledgers: Mapping[str, Ledger]) -> dict[str, list[LedgerEntry]]:
    """The ledgers as a measurement keeps them, by ring."""
    return {ring: [_recorded(entry) for entry in kept.entries] for ring, kept in sorted(ledgers.items())}


def _recorded(entry: Entry) -> LedgerEntry:
    return LedgerEntry(
        kind=entry.kind,
        published=(entry.p_start, entry.p_end),
        heard=(entry.y_start, entry.y_end),
        sound_ms=round(entry.sound_ms, 1),
        likeness=entry.likeness,
        explained=entry.explained,
        detail=entry.detail,
    )


def besides(defects: Sequence[Defect], known: Sequence[Defect]) -> list[Defect]:
    """The ledger's defects without those that another defect of the same ring has named already.

    One that covers less than half of it names a part; one of more than twice its length is of the reply as a whole.
    """

    def is_named(defect: Defect) -> bool:
        return any(
            other.ring == defect.ring
            and _common_ms(defect, other) >= defect.duration_ms / 2
            and other.duration_ms <= 2 * defect.duration_ms
            for other in known
        )

    return [defect for defect in defects if not is_named(defect)]


def _common_ms(defect: Defect, other: Defect) -> float:
    around = _around(other)
    first = max(defect.start_ms, other.start_ms - around)
    return min(defect.start_ms + defect.duration_ms, other.start_ms + other.duration_ms + around) - first


def _around(defect: Defect) -> float:
    """Which of the two times that a piece is heard is the second is a matter of view."""
    return defect.duration_ms if defect.kind == "repeat" else 0.0
