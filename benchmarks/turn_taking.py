"""Turn-taking offline: split rate of paused speech against latency, and what the agent does at sounds into its reply.

    python benchmarks/turn_taking.py [--plot docs/images/turn_taking.png] [--quick]

The detector hears the shipped cases' WAVs and generated paused speech (espeak-ng, four voices; a first part that ends in
a comma, a pause, a second part), in steps of 10 ms as in a call. A pause that ends a turn is a split. Latency is the
decision minus the true end, which the WAV's making tells. Nothing here runs in real time, and nothing depends on load.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import lfilter, resample_poly

from harness.provide.cache import cache_dir
from harness.run.cases import build_cases, load_checked_cases, select_cases
from runtime.audio.vad_silero import SileroVad
from runtime.call.barge_in import Act, BargeIn, UserFrame
from runtime.call.speech_detector import SpeechDetector, SpeechKind, SteppedVad
from runtime.call.turn_detector import FixedTurnDetector, RuleTurnDetector, TurnDetector
from runtime.engines.espeak import EspeakTextToSpeech

ROOT = Path(__file__).parents[1]
VOICES = ("en-us", "en-gb", "en-us+f3", "en-gb+m3")
PARTS = (
    ("I would like to book a table,", "for two people tomorrow evening."),
    ("When I got home yesterday,", "the door was already open."),
    ("My number is four seven one,", "nine two eight."),
    ("Could you tell me,", "what time it is in London?"),
    ("Well, I think that,", "we should go now."),
)
PAUSES_MS = (100, 150, 200, 250, 300, 350, 400, 500, 600, 800)
HANGOVERS_MS = (100, 150, 200, 250, 300, 350, 400, 500, 600, 800)
BACKCHANNELS = ("mhm", "uh huh", "yeah", "okay", "right")
INTERRUPTIONS = ("Stop, wait a moment", "No, that's wrong", "Can you hear me", "What about tomorrow", "Hold on please")
SHORT = ("Stop", "Wait")
LEVEL_DBFS = -23.0
USUAL_DBFS = -20.0  # the louder half of a voice at LEVEL_DBFS


@dataclass(frozen=True)
class Sample:
    """16 kHz; times in ms. `pauses` inside the one turn, `end_ms` its true end."""

    name: str
    signal: np.ndarray
    start_ms: float
    end_ms: float
    pauses: tuple[tuple[float, float], ...] = ()


async def synthesise(texts: Sequence[str]) -> dict[tuple[str, str], np.ndarray]:
    """(voice, text) → its voiced part at 16 kHz, LEVEL_DBFS."""
    made = {}
    for voice in VOICES:
        tts = EspeakTextToSpeech(voice)
        try:
            await tts.warm_up()
            for text in texts:
                sound = np.concatenate([chunk async for chunk in tts.speak(text)])
                made[voice, text] = _voiced(resample_poly(sound / 32768, 320, 441))
        finally:
            await tts.aclose()
    return made


def _voiced(sound: np.ndarray) -> np.ndarray:
    level = np.sqrt(np.convolve(sound**2, np.ones(80) / 80, "same"))
    inside = np.flatnonzero(level > level.max() * 10 ** (-40 / 20))  # as a case's truth: 5 ms RMS, 40 dB
    part = sound[inside[0] : inside[-1] + 1]
    return part * 10 ** (LEVEL_DBFS / 20) / np.sqrt(np.mean(part**2))


def _int16(parts: Sequence[np.ndarray]) -> np.ndarray:
    whole = np.concatenate(parts)
    whole = whole + 1e-4 * np.random.default_rng(0).standard_normal(len(whole))
    return (whole * 32767).clip(-32768, 32767).astype(np.int16)


def silence(ms: float) -> np.ndarray:
    return np.zeros(round(ms * 16))


def paused(made: dict[tuple[str, str], np.ndarray]) -> list[tuple[int, Sample]]:
    found = []
    for pause_ms in PAUSES_MS:
        for voice in VOICES:
            for first, second in PARTS:
                a, b = made[voice, first], made[voice, second]
                signal = _int16([silence(500), a, silence(pause_ms), b, silence(1_500)])
                begin = 500 + len(a) / 16
                end = begin + pause_ms + len(b) / 16
                found.append((pause_ms, Sample(f"{voice}: {first}", signal, 500, end, ((begin, begin + pause_ms),))))
    return found


def shipped() -> list[Sample]:
    """Every utterance of the shipped cases without a designed pause, with what is around it."""
    found = []
    cases = build_cases(select_cases(load_checked_cases([ROOT / "cases"]), "all", []), cache_dir() / "cases")
    for built in cases:
        samples, _ = soundfile.read(built.wav)
        signal = _int16([resample_poly(samples, 1, 3), silence(1_500)])
        for n, spoken in enumerate(built.truth.utterances):
            start, end = spoken.start_sample / 48, spoken.end_sample / 48
            if spoken.is_turn and not spoken.pauses:
                found.append(Sample(f"{built.case.id} {n}", signal, start, end))
    return found


class Replayed:
    """A SteppedVad's answers, recorded once for a signal and given again."""

    def __init__(self, answers: list[float | None]) -> None:
        self._answers = iter(answers)

    def feed(self, _: np.ndarray) -> float | None:
        return next(self._answers)


def frames_of(signal: np.ndarray) -> np.ndarray:
    return signal[: len(signal) // 160 * 160].reshape(-1, 160)


def vad_answers(signal: np.ndarray) -> list[float | None]:
    vad = SteppedVad(SileroVad)
    return [vad.feed(frame) for frame in frames_of(signal)]


def ends(signal: np.ndarray, answers: list[float | None], turns: TurnDetector) -> list[float]:
    """When a turn was decided to be over, ms."""
    detector = SpeechDetector(Replayed(answers), turns)  # type: ignore[arg-type]
    decided = []
    for k, frame in enumerate(frames_of(signal)):
        event = detector.feed(frame, 10.0 * (k + 1))
        if event is not None and event.kind is SpeechKind.ENDED and event.is_turn:
            decided.append(10.0 * (k + 1))
    return decided


@dataclass(frozen=True)
class Point:
    hangover_ms: float
    rules: bool
    split_by_pause: dict[int, float]
    latencies_ms: tuple[float, ...]
    shipped_splits: int

    @property
    def split_rate(self) -> float:
        return float(np.mean(list(self.split_by_pause.values())))


def curve(samples: list[tuple[int, Sample]], cases: list[Sample], hangovers: Sequence[float]) -> list[Point]:
    answers = {id(sample): vad_answers(sample.signal) for sample in (*(s for _, s in samples), *cases)}
    points = []
    for rules in (False, True):
        for hangover in hangovers:
            turns: TurnDetector = RuleTurnDetector(hangover) if rules else FixedTurnDetector(hangover)
            split: dict[int, list[bool]] = {}
            latencies, shipped_splits = [], 0
            for pause_ms, sample in samples:
                decided = ends(sample.signal, answers[id(sample)], turns)
                ((begin, stop),) = sample.pauses
                split.setdefault(pause_ms, []).append(
                    any(begin < t < stop + 250 and t < sample.end_ms for t in decided)
                )
                latencies += [decided[-1] - sample.end_ms] if decided else []
            for sample in cases:
                decided = ends(sample.signal, answers[id(sample)], turns)
                shipped_splits += sum(sample.start_ms < t < sample.end_ms for t in decided)
                latencies += [t - sample.end_ms for t in decided if t >= sample.end_ms][:1]
            rate = {pause: float(np.mean(values)) for pause, values in split.items()}
            points.append(Point(hangover, rules, rate, tuple(latencies), shipped_splits))
    return points


def reaction(signal: np.ndarray) -> list[tuple[float, Act]]:
    """What is decided at a sound that begins 500 ms into `signal`, ms after that."""
    detector = SpeechDetector(SteppedVad(SileroVad), FixedTurnDetector(200.0))
    barge_in, found = BargeIn(USUAL_DBFS), []
    for k, frame in enumerate(frames_of(signal)):
        event = detector.feed(frame, 10.0 * (k + 1))
        if event is None:
            continue
        behind = int(event.near_ms / 10) if event.kind is SpeechKind.STARTED else 1
        for back in range(behind - 1, -1, -1):
            act = barge_in.feed(UserFrame(detector.track.sound(back), event.speech_ms - 10 * back))
            if act is not Act.NOTHING:
                found.append((10.0 * (k + 1) - 500, act))
        if event.kind is SpeechKind.ENDED:
            found.append((10.0 * (k + 1) - 500, barge_in.end(event.speech_ms)))
    return found


def cough(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    bursts = []
    for length_ms in (rng.integers(150, 300), rng.integers(200, 400)):
        n = int(length_ms) * 16
        rush = lfilter([1.0], [1.0, -1.2, 0.6], rng.standard_normal(n))
        bursts += [rush * np.minimum(1, np.arange(n) / 160) * np.exp(-3 * np.arange(n) / n), silence(80)]
    sound = np.concatenate(bursts)
    return sound * 10 ** (-12 / 20) / np.max(np.abs(sound))


def print_reactions(made: dict[tuple[str, str], np.ndarray]) -> None:
    print(
        "\n| said into a reply | level | sounds | held | P50, max of holding | cancelled at once | then asked for words |"
    )
    print("|---|---|---|---|---|---|---|")
    groups = {"an interruption": INTERRUPTIONS, "one short word": SHORT, "a backchannel": BACKCHANNELS}
    for name, texts in groups.items():
        for below_db in (0, 6, 10, 12):
            sounds = [made[voice, text] * 10 ** (-below_db / 20) for voice in VOICES for text in texts]
            _print_reaction(name, f"usual − {below_db} dB" if below_db else "usual", sounds)
    _print_reaction("a cough (made noise)", "peak −12 dBFS", [cough(seed) for seed in range(20)])


def _print_reaction(name: str, level: str, sounds: list[np.ndarray]) -> None:
    reactions = [reaction(_int16([silence(500), sound, silence(800)])) for sound in sounds]
    held = [t for found in reactions for t, act in found if act is Act.HOLD]
    cancelled = sum(any(act is Act.CANCEL for _, act in found) for found in reactions)
    asked = sum(found != [] and found[-1][1] is Act.ASK for found in reactions)
    when = f"{np.median(held):.0f}, {max(held):.0f} ms" if held else "–"
    print(f"| {name} | {level} | {len(sounds)} | {len(held)} | {when} | {cancelled} | {asked} |")


def print_curve(points: list[Point]) -> None:
    print(
        "\n| hangover | detector | latency P50, P95 | split rate | " + " | ".join(f"{p} ms" for p in PAUSES_MS),
        end=" |",
    )
    print(" shipped cases split |\n|" + "---|" * (5 + len(PAUSES_MS)))
    for point in points:
        cells = " | ".join(f"{point.split_by_pause[pause]:.2f}" for pause in PAUSES_MS)
        latency = f"{np.median(point.latencies_ms):.0f}, {np.percentile(point.latencies_ms, 95):.0f} ms"
        name = "rules" if point.rules else "fixed"
        print(
            f"| {point.hangover_ms:.0f} ms | {name} | {latency} | {point.split_rate:.2f} | {cells} | {point.shipped_splits} |"
        )


def plot(points: list[Point], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for rules, name, marker in ((False, "fixed", "o"), (True, "rules on prosody", "s")):
        chosen = [point for point in points if point.rules is rules]
        latencies = [float(np.median(point.latencies_ms)) for point in chosen]
        axes.plot(latencies, [100 * point.split_rate for point in chosen], marker=marker, label=name)
        for point, latency in zip(chosen, latencies, strict=True):
            if not rules:
                label = f"{point.hangover_ms:.0f}"
                axes.annotate(
                    label, (latency, 100 * point.split_rate), xytext=(4, 5), textcoords="offset points", fontsize=8
                )
    axes.set_xlabel("true end of turn → decision, median (ms)")
    axes.set_ylabel("pauses of 100 to 800 ms that split the turn (%)")
    axes.set_title("Split rate against latency, by hangover (ms)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--quick", action="store_true", help="three hangovers only")
    arguments = parser.parse_args()
    texts = [*(text for pair in PARTS for text in pair), *BACKCHANNELS, *INTERRUPTIONS, *SHORT]
    made = asyncio.run(synthesise(texts))
    points = curve(paused(made), shipped(), (150, 200, 400) if arguments.quick else HANGOVERS_MS)
    print_curve(points)
    print_reactions(made)
    if arguments.plot is not None:
        plot(points, arguments.plot)


if __name__ == "__main__":
    main()
