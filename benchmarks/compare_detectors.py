"""Our ears beside the nearest libraries, on the same recordings: recall and false alarms, reply by reply.

    python benchmarks/compare_detectors.py CAPTURE…

Needs, in an environment of its own, what is no dependency of ours: essentia (AGPL) and pesq; what is missing
is left out. CAPTURE are clean calls (`earwitness prove` records them). Faults are laid in offline, between tap and wire.
A library's detector is told nothing of pre_rtc: it has no way to be.
"""

from __future__ import annotations

import importlib
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.signal import resample_poly

from harness.listen.measure import measure
from harness.listen.reading import read_capture
from harness.listen.scene import Scene
from harness.prove.catalogue import BY_ID, Words
from harness.prove.offline import with_fault
from harness.prove.trials import gates_fired

FAULTS = (
    ("click", 6.0),
    ("click", 12.0),
    ("hole", 40.0),
    ("hole", 80.0),
    ("hard_clip", 0.3),
    ("repeat", 80.0),
    ("low_pass", 5000.0),
)
RATE_HZ = 48_000
SCORE_DROP = {"PESQ-WB": 0.5}  # against the clean reply: what one would call a drop

Samples = np.ndarray


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def essentia_detectors() -> dict[str, Callable[[Samples], bool]]:
    standard = _module("essentia.standard")
    if standard is None:
        return {}

    def framed(make: Callable[[], Any], size: int, hop: int, index: int) -> Callable[[Samples], bool]:
        def fires(samples: Samples) -> bool:
            detector = make()
            found = 0
            for frame in standard.FrameGenerator(
                samples.astype(np.float32), frameSize=size, hopSize=hop, startFromZero=True
            ):
                found += len(detector(frame)[index])
            return found > 0

        return fires

    return {
        "essentia ClickDetector": framed(
            lambda: standard.ClickDetector(frameSize=512, hopSize=256, sampleRate=RATE_HZ), 512, 256, 0
        ),
        "essentia GapsDetector": framed(lambda: standard.GapsDetector(sampleRate=RATE_HZ), 2048, 1024, 0),
        "essentia SaturationDetector": framed(lambda: standard.SaturationDetector(sampleRate=RATE_HZ), 512, 256, 0),
    }


def scores() -> dict[str, Callable[[Samples, Samples], float]]:
    found: dict[str, Callable[[Samples, Samples], float]] = {}
    pesq = _module("pesq")
    if pesq is not None:
        found["PESQ-WB"] = lambda a, b: float(pesq.pesq(16_000, resample_poly(a, 1, 3), resample_poly(b, 1, 3), "wb"))
    return found


def replies(scene: Scene) -> list[tuple[int, Samples, Samples]]:
    """(seq, published, heard by the second listener) of each reply."""
    pre, post = scene.rings["pre_rtc"].audio.samples, scene.rings["post_rtc"].audio.samples
    told = {t.seq: t for t in scene.told}
    return [
        (h.seq, np.asarray(pre[told[h.seq].pre.start : told[h.seq].pre.end]), np.asarray(post[h.start : h.end]))
        for h in scene.heard["post_rtc"]
        if h.seq is not None and told[h.seq].pre is not None
    ]


def main(paths: list[str]) -> int:
    if not paths:
        print(__doc__)
        return 2
    detectors, scored = essentia_detectors(), scores()
    hits: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for path in paths:
        scene = Scene(read_capture(Path(path)))
        base_fired, _ = gates_fired(scene.capture.case, measure(scene.capture))
        clean_scores: dict[tuple[str, int], float] = {}
        for seq, published, heard in replies(scene):
            for name, fires in detectors.items():
                hits[(name, "clean")].append(fires(heard))
            for name, score in scored.items():
                clean_scores[(name, seq)] = score(published, heard)
            for gate in {g for fault, _ in FAULTS for g in BY_ID[fault].gates}:
                hits[(gate, "clean")].append(gate in base_fired.get(seq, set()))
        for fault, severity in FAULTS:
            changed, applied = with_fault(scene, BY_ID[fault].make(severity, Words()), 7, "post")
            struck = {a.reply for a in applied if a.audible}
            fired, _ = gates_fired(changed.case, measure(changed))
            label = f"{fault} {severity:g}"
            for index, (seq, published, heard) in enumerate(replies(Scene(changed))):
                if index not in struck:
                    continue
                for name, fires in detectors.items():
                    hits[(name, label)].append(fires(heard))
                for name, score in scored.items():
                    if (name, seq) in clean_scores:
                        hits[(name, label)].append(
                            score(published, heard) < clean_scores[(name, seq)] - SCORE_DROP[name]
                        )
                hits[("ours: the fault's gate", label)].append(bool(fired.get(seq, set()) & set(BY_ID[fault].gates)))
    ours = {g for fault, _ in FAULTS for g in BY_ID[fault].gates}
    alarms = [any(row) for row in zip(*(hits[(gate, "clean")] for gate in sorted(ours)), strict=True)]
    hits[("ours: the fault's gate", "clean")] = alarms
    table = Table(title=f"fired / replies, over {len(paths)} calls ('clean': false alarms)")
    labels = ["clean", *(f"{fault} {severity:g}" for fault, severity in FAULTS)]
    for heading in ("", *labels):
        table.add_column(heading)
    for name in ("ours: the fault's gate", *detectors, *scored):
        cells = [hits[(name, label)] for label in labels]
        table.add_row(name, *(f"{sum(c)}/{len(c)}" if c else "–" for c in cells))
    Console(width=180).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
