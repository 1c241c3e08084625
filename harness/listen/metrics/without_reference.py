"""What is wrong with a reply whatever it was meant to be, as metrics and defects: in what was published, else at each listener.

Garbage is bytes that are no samples (noise as loud as words, a wave that jumps or stays on one side of zero). A steady sound is
a tone or a loop; an agent may mean it. Torn speech has holes; it is looked for where nothing tells of the agent's own sound.
What comes later on the way is held against what was published (accounts.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.listen.metrics.no_voice import GARBAGE, PER_MS, NoVoice, find_no_voice
from harness.listen.metrics.torn import Torn, find_torn
from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard
from harness.listen.read.records import number
from harness.model.measurement import Defect, DefectKind, Metric, RingName

SUFFIX: dict[RingName, str] = {"pre_rtc": "_pre", "post_rtc": "", "ear": "_ear"}
TORN = "torn_count{}"
BESIDE = 60 * PER_MS  # silence within garbage is no torn speech
TORN_FROM = 2  # one may be the closure of a plosive
NAMES = ("garbage_longest{}_ms", "steady_longest{}_ms")


def metrics_without_reference(scene: Scene, turn: TurnHeard) -> tuple[dict[str, Metric], list[Defect]]:
    """Metrics and defects; nothing where the reply's place is not known."""
    metrics: dict[str, Metric] = {}
    defects: list[Defect] = []
    for ring, start, end in _places(scene, turn):
        samples = np.asarray(scene.rings[ring].audio.samples[start:end], np.float32)
        found = find_no_voice(samples)
        for name, kinds in zip(NAMES, (GARBAGE, ("tone", "steady")), strict=True):
            mine = [piece for piece in found if piece.kind in kinds]
            worst = max(mine, key=lambda piece: piece.duration_ms, default=None)
            length_ms = 0.0 if worst is None else worst.duration_ms
            metrics[name.format(SUFFIX[ring])] = number(length_ms, "ms", reason="" if worst is None else worst.detail)
        defects += [_defect(ring, start, piece) for piece in found]
        if ring != "pre_rtc":
            torn = [hole for hole in find_torn(samples) if not any(_touch(hole, piece) for piece in found)]
            metrics[TORN.format(SUFFIX[ring])] = number(len(torn), "count")
            defects += [_hole(ring, start, piece) for piece in torn] if len(torn) >= TORN_FROM else []
    return metrics, defects


def _places(scene: Scene, turn: TurnHeard) -> Iterator[tuple[RingName, int, int]]:
    if "pre_rtc" in scene.rings:
        if turn.announced is not None and turn.announced.pre is not None:
            yield "pre_rtc", turn.announced.pre.start, turn.announced.pre.end
        return
    rings: tuple[RingName, ...] = ("post_rtc", "ear")
    for ring in rings:
        heard = turn.heard.get(ring)
        if heard is not None and ring not in turn.too_early:
            yield ring, heard.start, heard.end


def _touch(hole: Torn, piece: NoVoice) -> bool:
    return hole.start < piece.end + BESIDE and hole.end > piece.start - BESIDE


def _hole(ring: RingName, start: int, piece: Torn) -> Defect:
    return Defect(
        kind="dropout",
        ring=ring,
        start_ms=round((start + piece.start) / PER_MS, 3),
        duration_ms=round((piece.end - piece.start) / PER_MS, 3),
        detail="a hole with hard edges, one of several; told without a reference",
    )


def _defect(ring: RingName, start: int, piece: NoVoice) -> Defect:
    kind: DefectKind = "garbage" if piece.kind in GARBAGE else "steady_sound"
    return Defect(
        kind=kind,
        ring=ring,
        start_ms=round((start + piece.start) / PER_MS, 3),
        duration_ms=round(piece.duration_ms, 3),
        detail=f"no voice makes it: {piece.detail}",
    )
