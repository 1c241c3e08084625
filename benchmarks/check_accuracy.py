"""How far `earwitness check` is off, on made recordings of which every word's place is known. Run by hand:

    python benchmarks/check_accuracy.py [--json FILE]

Each recording has six turns: an answer, a slow one that the user interrupts, an answer, one into the user's words, one after a
filler and 4 s of silence, and none. Pairs of voices (espeak-ng, the neural one, people's prompts of `earwitness setup --human`
where there are) times kinds of recording (clean; a microphone's noise; each side on the other's channel too; Opus in stereo).
Printed: errors in ms of what was found, and what was missed or told without being there.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from scipy.signal import resample_poly

from harness.listen.check.heard import hear_call
from harness.listen.check.overlap import LEAST_MS
from harness.model.call_heard import CallHeard
from harness.provide.cache import cache_dir
from harness.speech.find import find_speech
from harness.speech.voiced import voiced_span
from harness.speech.voices import RATE_HZ as VOICE_RATE_HZ
from harness.speech.voices import Voices

RATE_HZ, PER_MS = 48_000, 48
LEVEL_DBFS = -23.0
ASKS = (
    "What time is it in Tokyo",
    "And how is the weather there",
    "Stop, wait a moment",
    "Please read the story",
    "Thanks a lot",
)
TELLS = (
    "It is ten past nine in the evening over there",
    "It will rain all day, so take an umbrella with you, and a coat",
    "All right, I am listening to you now",
    "Let me have a look",
    "The story begins in a small house by the sea",
)
PAIRS = (
    ("en-us", "en-gb"), ("en-gb", "en-us+f2"), ("en-us+m3", "en-us+f4"), ("en-us", "joe"), ("joe", "en-gb"), ("joe", "joe"),
)  # fmt: skip
PEOPLE_ASK = ("agent-pass", "conf-getchannel", "conf-kicked", "conf-full", "conf-locked")
PEOPLE_TELL = ("agent-newlocation", "cannot-complete-as-dialed", "conf-invalid", "conf-muted", "all-circuits-busy-now")

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Laid:
    at_ms: float
    samples: Samples

    @property
    def end_ms(self) -> float:
        return self.at_ms + len(self.samples) / PER_MS


@dataclass(frozen=True)
class Made:
    user: tuple[Laid, ...]
    agent: tuple[Laid, ...]
    answers: tuple[Laid | None, ...]  # to each turn: what is first heard of the agent
    total_ms: float


@dataclass
class Found:
    """Errors in ms, by what was measured; `missed` and `false`: in words."""

    recording: str
    errors: dict[str, list[float]] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)

    def off(self, what: str, found_ms: float | None, true_ms: float) -> None:
        if found_ms is None:
            self.missed.append(what)
        else:
            self.errors.setdefault(what, []).append(found_ms - true_ms)


def levelled(samples: Samples) -> Samples:
    span = voiced_span(samples, RATE_HZ)
    assert span is not None
    cut = samples[slice(*span)]
    return np.asarray(cut * 10 ** (LEVEL_DBFS / 20) / np.sqrt(np.mean(cut**2)))


def made(asks: Sequence[Samples], tells: Sequence[Samples]) -> Made:
    user = [Laid(1_000, asks[0])]
    agent = [Laid(user[0].end_ms + 640, tells[0])]
    user.append(Laid(agent[0].end_ms + 900, asks[1]))
    agent.append(Laid(user[1].end_ms + 2_300, tells[1]))
    user.append(Laid(agent[1].at_ms + 700, asks[2]))  # interrupts
    agent.append(Laid(max(agent[1].end_ms, user[2].end_ms) + 800, tells[2]))
    user.append(Laid(agent[2].end_ms + 1_100, asks[3]))
    agent.append(Laid(user[3].end_ms - 350, tells[4]))  # into the user's words
    user.append(Laid(agent[3].end_ms + 900, asks[0]))
    agent.append(Laid(user[4].end_ms + 520, tells[3]))  # a filler, 4 s of nothing, the answer
    agent.append(Laid(agent[4].end_ms + 4_000, tells[0]))
    user.append(Laid(agent[5].end_ms + 900, asks[4]))
    return Made(tuple(user), tuple(agent), (*agent[:5], None), user[-1].end_ms + 5_000)


def side(laid: Sequence[Laid], total_ms: float) -> Samples:
    out = np.zeros(round(total_ms * PER_MS))
    for words in laid:
        at = round(words.at_ms * PER_MS)
        out[at : at + len(words.samples)] += words.samples
    return out


def noise(n_samples: int, dbfs: float) -> Samples:
    return np.random.default_rng(5).standard_normal(n_samples) * 10 ** (dbfs / 20)


def clean(user: Samples, agent: Samples) -> tuple[Samples, Samples]:
    return user + noise(len(user), -80), agent


def noisy(user: Samples, agent: Samples) -> tuple[Samples, Samples]:
    return user + noise(len(user), -55), agent


def leaking(user: Samples, agent: Samples) -> tuple[Samples, Samples]:
    gain, lag = 10 ** (-28 / 20), 60 * PER_MS
    return user + gain * np.roll(agent, lag) + noise(len(user), -80), agent + gain * user


KINDS: dict[str, tuple[Callable[[Samples, Samples], tuple[Samples, Samples]], str, str]] = {
    "clean": (clean, "wav", "PCM_16"),
    "noise −55 dBFS": (noisy, "wav", "PCM_16"),
    "crosstalk −28 dB": (leaking, "wav", "PCM_16"),
    "Opus, stereo": (clean, "ogg", "OPUS"),
}


def against(name: str, truth: Made, heard: CallHeard) -> Found:
    found = Found(name)
    if len(heard.turns) != len(truth.user):
        found.false.append(f"{len(heard.turns)} turns of {len(truth.user)}")
        return found
    for turn, said, answer in zip(heard.turns, truth.user, truth.answers, strict=True):
        found.off("turn begins", turn.start_ms, said.at_ms)
        found.off("turn ends", turn.end_ms, said.end_ms)
        if answer is not None:
            found.off("wait", turn.first_speech_ms, answer.at_ms - said.end_ms)
        elif turn.ended != "unanswered":
            found.missed.append("no answer")
    found.off("dead air", heard.turns[4].dead_air_ms, 4_000)
    found.off("dead air", heard.turns[5].dead_air_ms, 5_000)
    true = [
        (said.at_ms, told.at_ms, told.end_ms)
        for said in truth.user
        for told in truth.agent
        if min(said.end_ms, told.end_ms) - max(said.at_ms, told.at_ms) >= LEAST_MS
    ]
    told_of = list(heard.overlaps)
    for said_ms, told_ms, ends_ms in true:
        began = "user" if said_ms > told_ms else "agent"
        near = [o for o in told_of if o.began == began and abs(o.start_ms - max(said_ms, told_ms)) < 400]
        if not near:
            found.missed.append(f"talk-over by the {began}")
            continue
        told_of.remove(near[0])
        found.off("talk-over begins", near[0].start_ms, max(said_ms, told_ms))
        if began == "user":
            found.off("talked on", near[0].talked_on_ms, ends_ms - said_ms)
    found.false += [f"talk-over by the {both.began}" for both in told_of]
    found.false += [f"{defect.kind}" for defect in heard.defects]
    return found


def spoken(voices: Voices, texts: Sequence[str], voice: str) -> list[Samples]:
    return [
        levelled(resample_poly(voices.speak(text, voice, 185).samples, RATE_HZ // 150, VOICE_RATE_HZ // 150))
        for text in texts
    ]


def people() -> tuple[list[Samples], list[Samples]] | None:
    folder = cache_dir() / "human-suite"
    found = [path for ending in ("flac", "wav") for path in sorted(folder.rglob(f"*.{ending}"))]
    files = {path.stem.removeprefix("human_en_"): path for path in found}
    if not set(PEOPLE_ASK) | set(PEOPLE_TELL) <= set(files):
        return None
    read = {name: soundfile.read(files[name]) for name in (*PEOPLE_ASK, *PEOPLE_TELL)}
    at_48 = {name: levelled(resample_poly(x, RATE_HZ // 16_000, rate // 16_000)) for name, (x, rate) in read.items()}
    return [at_48[name] for name in PEOPLE_ASK], [at_48[name] for name in PEOPLE_TELL]


def recordings() -> list[tuple[str, Made]]:
    with Voices() as voices:
        found = [(f"{u} asks {a}", made(spoken(voices, ASKS, u), spoken(voices, TELLS, a))) for u, a in PAIRS]
    by_people = people()
    return [*found, *([("people ask people", made(*by_people))] if by_people is not None else [])]


def in_words(size: Samples) -> str:
    """Of absolute errors."""
    middle, tail = np.percentile(size, [50, 95])
    return f"n {len(size)}, median {middle:.1f}, P95 {tail:.1f}, worst {size.max():.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, list[Found]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        for name, truth in recordings():
            for kind, (make, ending, subtype) in KINDS.items():
                channels = make(side(truth.user, truth.total_ms), side(truth.agent, truth.total_ms))
                path = Path(folder) / f"call.{ending}"
                soundfile.write(path, np.stack(channels, axis=1), RATE_HZ, subtype=subtype)
                found = against(name, truth, hear_call(path, "left", find_speech).record)
                results[kind].append(found)
                print(f"{kind}, {name}: missed {found.missed}, false {found.false}", flush=True)
    for kind, all_found in results.items():
        print(f"\n{kind}: {len(all_found)} recordings")
        for what in ("turn begins", "turn ends", "wait", "dead air", "talk-over begins", "talked on"):
            errors = np.array([error for found in all_found for error in found.errors.get(what, [])])
            if len(errors):
                print(f"  {what}: {in_words(np.abs(errors))}")
        print(
            f"  missed {sum(len(f.missed) for f in all_found)}, told without being there {sum(len(f.false) for f in all_found)}"
        )
    if options.json is not None:
        options.json.write_text(json.dumps({k: [asdict(f) for f in found] for k, found in results.items()}, indent=1))


if __name__ == "__main__":
    main()
