"""The strangers' voices: sentences spoken once by the product's own speech building, 48 kHz mono int16, in the cache."""

from __future__ import annotations

import json
from pathlib import Path

from harness.model.capture import write_atomic
from harness.model.case import Case, Recipe, Say, StartAt, Tier, Utterance
from harness.provide.cache import cache_dir
from harness.speech.build import build_speech, wav_bytes
from harness.speech.voices import Voices

TEXTS = {
    "greeting": "Hello, how can I help you?",
    "filler": "Let me check that for you.",
    "answer": "It is a quarter past three in the afternoon.",
    "yes": "Yes.",
    "still_there": "Are you still there?",
    "story": "Once upon a time there was a small town by the sea, where all the clocks had stopped one day. Nobody knew why, "
    "and so the people ate when they were hungry, slept when they were tired, and were never late for anything at all.",
    "neural": "It is a quarter past three in the afternoon.",
}  # fmt: skip
NEURAL = "neural"  # spoken by the neural voice, all others by espeak-ng
VERSION = 3  # of what is done to the texts here


def voice_folder() -> Path:
    """A folder with one WAV a sentence, made if it is not there. Raises HarnessError."""
    folder = cache_dir() / "zoo" / f"voices-{VERSION}"
    made = folder / "texts.json"
    if not made.is_file() or json.loads(made.read_text()) != TEXTS:
        folder.mkdir(parents=True, exist_ok=True)
        with Voices() as voices:
            for name, text in TEXTS.items():
                write_atomic(folder / f"{name}.wav", _spoken(name, text, voices))
        write_atomic(made, json.dumps(TEXTS).encode())
    return folder


def _spoken(name: str, text: str, voices: Voices) -> bytes:
    own = {"voice": "joe", "level_dbfs": -23.0} if name == NEURAL else {"voice": "en-gb", "level_dbfs": -20.0}
    utterance = Utterance(parts=[Say(say=text)], start=StartAt(at_ms=0), rate_wpm=170, **own)
    recipe = Recipe(utterances=[utterance], tail_ms=300)
    case = Case(id=name, title=name, tier=Tier.P1, speech=recipe)
    samples, truth = build_speech(case, Path(__file__), voices)
    (spoken,) = truth.utterances
    return wav_bytes(samples[spoken.start_sample : spoken.end_sample])
