"""The calls of a calibration: what the user says, what the beacon answers and when.

A turn is one utterance and two answers: the first D0 after the user's last voiced sample, the second D after it. An answer is a
chirp, silence, and 200 ms of a word, at known samples; D is drawn evenly from D_RANGE_MS by seed. The two chirps of a
turn sweep in opposite directions (which goes first changes by turn, so that neither direction favours one delay) and no
word comes twice in a row: no answer can be mistaken for another. All audio is 48 kHz; delays are ms, positions samples.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.model.capture import write_atomic
from harness.model.case import CASE_RATE_HZ, Case, Recipe, Say, StartAt, Tier, Utterance
from harness.model.plan import BuiltCase
from harness.speech.build import build_case, build_speech, wav_bytes
from harness.speech.voices import Voices

D0_MS = 400.0
D_RANGE_MS = (900.0, 2_000.0)
TURNS_A_CALL = 12
CHIRP_MS = 50.0
CHIRP_HZ = (500.0, 3_500.0)
CHIRP_PEAK = 0.1  # as loud as the speech
CHIRP_EDGE_MS = (
    10.0  # a codec smears a harder edge ahead by up to 3 ms, differently each time (docs/why/calibration.md)
)
CHIRP_TO_SPEECH_MS = 120.0  # start to start: 70 ms of silence keep the two apart
SPEECH_MS = 200.0
SPEECH_FADE_MS = 10.0
ANSWER_MS = CHIRP_TO_SPEECH_MS + SPEECH_MS
FLOOR_ALLOWANCE_MS = 450.0  # both ways through the path, a jitter buffer that grew included
BREATH_MS = 250.0  # after the second answer, before the user speaks again
FIRST_MS = 500.0
SAMPLES_PER_MS = CASE_RATE_HZ // 1000

REQUESTS = (
    "Hello there.", "What is new?", "And then what?", "Tell me more.", "Please go ahead.", "Is that so?",
    "One more, please.", "How about you?", "Anything else?", "That was good.", "Say it again.", "Who is calling?",
)  # fmt: skip
# first sounds of every kind: vowel, plosive, nasal, glide, fricative, affricate
CALLER_VOICE = "en-us"  # of espeak-ng: what the published calibration was made with
WORDS = (
    ("apple", "en-us"), ("pepper", "en-gb"), ("many", "en-us+f3"), ("seven", "en-us"), ("table", "en-us+f3"),
    ("window", "en-gb"), ("garden", "en-us"), ("shadow", "en-us+f3"), ("open", "en-gb"), ("river", "en-us"),
    ("chicken", "en-gb"), ("five", "en-us"), ("never", "en-us"), ("yellow", "en-us+f3"), ("house", "en-gb"),
    ("doctor", "en-us"),
)  # fmt: skip

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class AnswerSound:
    """One answer; the chirp's first sample is sample 0, the word's first voiced sample is `speech_start`."""

    samples: Samples
    speech_start: int
    word: str


@dataclass(frozen=True)
class BeaconCall:
    """A call ready to be played: its case, and D of each turn."""

    built: BuiltCase
    d_ms: tuple[float, ...]


def chirp(rising: bool) -> npt.NDArray[np.float64]:
    """A linear sweep with raised-cosine edges; full scale ±1."""
    n = round(CHIRP_MS * SAMPLES_PER_MS)
    t = np.arange(n) / CASE_RATE_HZ
    low, high = CHIRP_HZ
    sweep = CHIRP_PEAK * np.sin(2 * np.pi * (low * t + (high - low) * t**2 / (2 * n / CASE_RATE_HZ)))
    edge = round(CHIRP_EDGE_MS * SAMPLES_PER_MS)
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(edge) / edge)
    sweep[:edge] *= ramp
    sweep[-edge:] *= ramp[::-1]
    return sweep if rising else sweep[::-1].copy()


def draw_delays(turns: int, rng: np.random.Generator) -> list[float]:
    """D of each turn in whole samples, as ms: one from each of `turns` equal parts of D_RANGE_MS, in random order."""
    low, high = D_RANGE_MS
    parts = (rng.permutation(turns) + rng.random(turns)) / turns
    return [round((low + (high - low) * part) * SAMPLES_PER_MS) / SAMPLES_PER_MS for part in parts]


def answer_sounds(voices: Voices) -> list[AnswerSound]:
    """Each of WORDS rising and falling: index 2·w rises, 2·w + 1 falls. Raises HarnessError."""
    sounds = []
    fade = round(SPEECH_FADE_MS * SAMPLES_PER_MS)
    lead, length = round(CHIRP_TO_SPEECH_MS * SAMPLES_PER_MS), round(SPEECH_MS * SAMPLES_PER_MS)
    for word, voice in WORDS:
        utterance = Utterance(parts=[Say(say=word)], voice=voice, start=StartAt(at_ms=100))
        said, truth = build_speech(_case(f"answer_{word}", [utterance]), Path(f"{word}.yaml"), voices)
        start = truth.utterances[0].start_sample
        speech = said[start : start + length].astype(np.float64) / 32768
        speech[-fade:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(fade) / fade)
        for rising in (True, False):
            mix = np.zeros(lead + length)
            sweep = chirp(rising)
            mix[: len(sweep)] = sweep
            mix[lead : lead + len(speech)] = speech
            sounds.append(AnswerSound(np.round(mix * 32767).astype(np.int16), lead, word))
    return sounds


def _case(name: str, utterances: list[Utterance]) -> Case:
    return Case(
        id=name,
        title=f"{len(utterances)} turns with a beacon",
        tier=Tier.P0,
        speech=Recipe(utterances=utterances),
        min_reply_ms=0,
        tags=["calibration"],
    )


def _spaced_case(name: str, d_ms: list[float], voices: Voices) -> Case:
    """Each utterance starts once the second answer to the one before is over."""

    def utterances(starts_ms: list[float]) -> list[Utterance]:
        return [
            Utterance(parts=[Say(say=REQUESTS[n % len(REQUESTS)])], voice=CALLER_VOICE, start=StartAt(at_ms=at))
            for n, at in enumerate(starts_ms)
        ]

    far_apart = [FIRST_MS + 3_000.0 * n for n in range(len(d_ms))]
    _, truth = build_speech(_case(name, utterances(far_apart)), Path(f"{name}.yaml"), voices)
    starts_ms, at_ms = [], FIRST_MS
    for spoken, d in zip(truth.utterances, d_ms, strict=True):
        starts_ms.append(at_ms)
        said_ms = (spoken.end_sample - spoken.start_sample) / SAMPLES_PER_MS
        at_ms += round(said_ms + d + ANSWER_MS + FLOOR_ALLOWANCE_MS + BREATH_MS)
    return _case(name, utterances(starts_ms))


def build_calls(turns: int, seed: int, folder: Path, name: str = "beacon") -> list[BeaconCall]:
    """Calls of at most TURNS_A_CALL turns, with the beacon's plan `<case id>.json` of each in `folder`.

    The same seed gives the same delays and words, whatever the calls are named.

    Raises HarnessError, OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    calls: list[BeaconCall] = []
    with Voices() as voices:
        sounds = answer_sounds(voices)
        answers_wav = folder / "answers.wav"
        write_atomic(answers_wav, wav_bytes(np.concatenate([sound.samples for sound in sounds])))
        count = -(-turns // TURNS_A_CALL)
        for index in range(count):
            size = turns // count + (index < turns % count)
            d_ms = draw_delays(size, rng)
            case = _spaced_case(f"{name}_{index + 1}", d_ms, voices)
            built = build_case(case, folder / f"{case.id}.yaml", folder, voices)
            _write_plan(built, d_ms, _choose_words(size, rng), sounds, answers_wav, folder)
            calls.append(BeaconCall(built, tuple(d_ms)))
    return calls


def _choose_words(turns: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Two words a turn, from a shuffled round of all of them at a time."""
    order: list[int] = []
    while len(order) < 2 * turns:
        order += rng.permutation(len(WORDS)).tolist()
    for n in range(1, len(order)):  # where two rounds meet
        if order[n] == order[n - 1]:
            order[n], order[n - 2] = order[n - 2], order[n]
    return [(order[2 * n], order[2 * n + 1]) for n in range(turns)]


def _write_plan(
    built: BuiltCase,
    d_ms: list[float],
    words: list[tuple[int, int]],
    sounds: list[AnswerSound],
    answers_wav: Path,
    folder: Path,
) -> None:
    ends = np.cumsum([len(sound.samples) for sound in sounds]).tolist()
    turns = []
    for turn, (utterance, d, (first, second)) in enumerate(zip(built.truth.utterances, d_ms, words, strict=True)):
        answers = []
        falls = turn % 2  # the first of its answers
        for delay_ms, index in ((D0_MS, 2 * first + falls), (d, 2 * second + 1 - falls)):
            start = ends[index] - len(sounds[index].samples)
            sound = sounds[index]
            answers.append(
                {"delay_samples": round(delay_ms * SAMPLES_PER_MS), "start": start, "end": ends[index]}
                | {"speech_start": sound.speech_start, "word": sound.word, "rising": index % 2 == 0}
            )
        turns.append({"start_sample": utterance.start_sample, "end_sample": utterance.end_sample, "answers": answers})
    plan = {"version": 1, "said_wav": str(built.wav.resolve()), "answers_wav": str(answers_wav.resolve())}
    write_atomic(folder / f"{built.case.id}.json", json.dumps(plan | {"turns": turns}, indent=1).encode())
