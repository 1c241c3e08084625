"""Our ears beside the nearest libraries, on the same recordings: recall and false alarms, reply by reply.

    python benchmarks/compare_detectors.py CAPTURE…

Needs, in an environment of its own, what is no dependency of ours: essentia (AGPL), pesq, visqol-python, deepeval; what is
missing is left out. CAPTURE are clean calls (`earwitness prove` records them). Faults are laid in offline, between tap and
wire. A library's detector that knows no reference is told nothing of pre_rtc: it has no way to be.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table
from scipy.signal import resample_poly

from harness.listen.measure import measure
from harness.listen.place.scene import Scene
from harness.listen.read.reading import Capture, read_capture
from harness.prove.catalogue import BY_ID, Words
from harness.prove.offline import with_fault
from harness.prove.trials import gates_fired

FAULTS = (
    ("click", 6.0),
    ("click", 12.0),
    ("hole", 40.0),
    ("hole", 160.0),
    ("periodic_holes", 40.0),
    ("hard_clip", 0.3),
    ("repeat", 80.0),
    ("faster", 0.5),
    ("low_pass", 5000.0),
    ("lost_tail", 80.0),
)
RATE_HZ = 48_000
OURS = "ours: the fault's gate"
PESQ_DROP, VISQOL_DROP = 0.5, 0.3  # below the same reply without the fault: what one would call a drop
SEED = 7

Samples = np.ndarray
Replies = dict[int, tuple[Samples, Samples]]  # seq → (published, heard by the second listener)
Detector = Callable[[Replies], dict[int, bool]]
Score = Callable[[Samples, Samples], float]


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def essentia_detectors() -> dict[str, Detector]:
    standard = _module("essentia.standard")
    if standard is None:
        return {}

    def framed(make: Callable[[], Any], size: int, hop: int) -> Detector:
        def fires(samples: Samples) -> bool:
            detector = make()
            frames = standard.FrameGenerator(
                samples.astype(np.float32), frameSize=size, hopSize=hop, startFromZero=True
            )
            return sum(len(detector(frame)[0]) for frame in frames) > 0

        return lambda replies: {seq: fires(heard) for seq, (_, heard) in replies.items()}

    return {
        "essentia ClickDetector": framed(
            lambda: standard.ClickDetector(frameSize=512, hopSize=256, sampleRate=RATE_HZ), 512, 256
        ),
        "essentia GapsDetector": framed(lambda: standard.GapsDetector(sampleRate=RATE_HZ), 2048, 1024),
        "essentia SaturationDetector": framed(lambda: standard.SaturationDetector(sampleRate=RATE_HZ), 512, 256),
    }


def deepeval_detectors() -> dict[str, Detector]:
    """Its audio glitch detection, which looks at all turns of a call together; no model is asked."""
    found, cases = _module("deepeval.metrics.audio_glitch._detectors"), _module("deepeval.test_case")
    if found is None or cases is None:
        return {}

    def detect(replies: Replies) -> dict[int, bool]:
        turns = []
        for _, heard in replies.values():
            buffer = io.BytesIO()
            soundfile.write(buffer, np.clip(heard, -1, 1), RATE_HZ, format="WAV", subtype="PCM_16")
            audio = cases.Audio.from_bytes(buffer.getvalue(), "audio/wav")
            turns.append(cases.Turn(role="assistant", content="", audio=audio))
        report = found.detect_audio_glitches(cases.ConversationalTestCase(turns=turns))
        fired = {event["turn"] for event in report.events}
        return {seq: index in fired for index, seq in enumerate(replies)}

    return {"DeepEval AudioGlitch": detect}


def scores() -> dict[str, tuple[Score, float]]:
    """Full-reference scores, and the drop that counts as heard."""
    found: dict[str, tuple[Score, float]] = {}
    pesq, visqol = _module("pesq"), _module("visqol")

    def at_16_khz(samples: Samples) -> Samples:
        return resample_poly(samples, 1, 3)

    if pesq is not None:
        found["PESQ-WB"] = (
            lambda a, b: float(pesq.pesq(16_000, at_16_khz(a), at_16_khz(b), "wb")),
            PESQ_DROP,
        )
    if visqol is not None:
        api = visqol.VisqolApi()
        api.create(mode="speech", use_lattice_model=False)

        def moslqo(a: Samples, b: Samples) -> float:
            x, y = at_16_khz(a).astype(np.float64), at_16_khz(b).astype(np.float64)
            return float(api.measure_from_arrays(x, y, 16_000).moslqo)

        found["ViSQOL"] = (moslqo, VISQOL_DROP)
    return found


def replies_of(capture: Capture) -> Replies:
    scene = Scene(capture)
    pre, post = scene.rings["pre_rtc"].audio.samples, scene.rings["post_rtc"].audio.samples
    announced = {t.seq: t for t in scene.announced}
    return {
        h.seq: (np.asarray(pre[span.start : span.end]), np.asarray(post[h.start : h.end]))
        for h in scene.heard["post_rtc"]
        if h.seq is not None and (span := announced[h.seq].pre) is not None
    }


class Comparison:
    """Grows call by call: (who, what) → one entry a reply, True where it fired."""

    def __init__(self) -> None:
        self.detectors = essentia_detectors() | deepeval_detectors()
        self.scores = scores()
        self.hits: dict[tuple[str, str], list[bool]] = defaultdict(list)

    def hear(self, path: Path) -> None:
        capture = read_capture(path)
        usual, _ = gates_fired(capture.case, measure(capture))
        clean = replies_of(capture)
        gates = {gate for fault, _ in FAULTS for gate in BY_ID[fault].gates}
        for seq in clean:
            self.hits[OURS, "clean"].append(bool(usual.get(seq, set()) & gates))
        for name, detect in self.detectors.items():
            self.hits[name, "clean"] += detect(clean).values()
        reference = {
            name: {seq: score(*pair) for seq, pair in clean.items()} for name, (score, _) in self.scores.items()
        }
        for fault, severity in FAULTS:
            self._with_fault(capture, fault, severity, reference)

    def _with_fault(
        self, capture: Capture, fault: str, severity: float, reference: dict[str, dict[int, float]]
    ) -> None:
        changed, applied = with_fault(Scene(capture), BY_ID[fault].make(severity, Words()), SEED, "post")
        struck = {item.reply for item in applied if item.audible}
        fired, _ = gates_fired(changed.case, measure(changed))
        heard, label = replies_of(changed), f"{fault} {severity:g}"
        mine = {seq: pair for index, (seq, pair) in enumerate(heard.items()) if index in struck}
        for seq in mine:
            self.hits[OURS, label].append(bool(fired.get(seq, set()) & set(BY_ID[fault].gates)))
        for name, detect in self.detectors.items():
            found = detect(heard)
            self.hits[name, label] += [found[seq] for seq in mine]
        for name, (score, drop) in self.scores.items():
            self.hits[name, label] += [
                score(*pair) < reference[name][seq] - drop for seq, pair in mine.items() if seq in reference[name]
            ]


def main(paths: list[str]) -> int:
    if not paths:
        print(__doc__)
        return 2
    comparison = Comparison()
    for path in paths:
        comparison.hear(Path(path))
    table = Table(title=f"fired / replies, over {len(paths)} calls ('clean': false alarms; scores: dropped)")
    labels = ["clean", *(f"{fault} {severity:g}" for fault, severity in FAULTS)]
    for heading in ("", *labels):
        table.add_column(heading)
    for name in (OURS, *comparison.detectors, *comparison.scores):
        cells = [comparison.hits[name, label] for label in labels]
        table.add_row(name, *(f"{sum(cell)}/{len(cell)}" if cell else "–" for cell in cells))
    Console(width=220).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
