"""Golden baselines: an engine's speech at one time, kept as WAVs with a pin of the engine (R-82, R-88).

A folder with `golden.json` and one 16-bit WAV a sentence. A baseline of another engine, version, voice, rate, of other
parameters or words is refused with each difference by name: SNR against another voice says nothing.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import UsageError
from harness.model.inside import OneName
from harness.model.tts import Pin
from harness.tts_regression.sentences import Sentence
from harness.tts_regression.spoken import Int16Array, Spoken

GOLDEN = "golden.json"


class GoldenSentence(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    text: str
    sha256: str
    n_samples: int


class GoldenFile(BaseModel):
    """`golden.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    schema_version: int = 1
    made_at: str
    pin: Pin
    sentences: dict[OneName, GoldenSentence]


@dataclass(frozen=True)
class Golden:
    """`samples` by sentence id, at the pin's rate."""

    folder: Path
    file: GoldenFile
    samples: dict[str, Int16Array]


def read_golden(folder: Path) -> Golden | None:
    """None where no baseline is. Raises UsageError for a damaged one."""
    path = folder / GOLDEN
    if not path.exists():
        return None
    try:
        file = GoldenFile.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(f"{path}: is no golden baseline: {' '.join(str(error).split())[:200]}") from error
    samples = {name: _read(folder / f"{name}.wav", kept, file.pin.rate_hz) for name, kept in file.sentences.items()}
    return Golden(folder, file, samples)


def _read(path: Path, kept: GoldenSentence, rate_hz: int) -> Int16Array:
    try:
        samples, found_hz = soundfile.read(path, dtype="int16")
    except (OSError, soundfile.LibsndfileError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    spoken = Spoken(np.asarray(samples, np.int16), found_hz, (), 0.0)
    if samples.ndim != 1 or found_hz != rate_hz or spoken.sha256 != kept.sha256:
        raise UsageError(f"{path}: is not the sound that {GOLDEN} names; restore it, or make a new baseline")
    return spoken.samples


def differences(golden: Golden, pin: Pin, sentences: tuple[Sentence, ...]) -> list[str]:
    """Why a run of `pin` over `sentences` cannot be held against `golden`, each by name; empty if it can."""
    was, now = golden.file.pin.model_dump(), pin.model_dump()
    parameters = sorted({*was.pop("parameters"), *now.pop("parameters")})
    found = [f"{name} {was[name]!r} → {now[name]!r}" for name in was if was[name] != now[name]]
    for name in parameters:
        old, new = golden.file.pin.parameters.get(name), pin.parameters.get(name)
        if old != new:
            found.append(f"{name} {old!r} → {new!r}")
    for sentence in sentences:
        kept = golden.file.sentences.get(sentence.id)
        if kept is None:
            found.append(f"it has no sentence {sentence.id}")
        elif kept.text != sentence.text:
            found.append(f"the words of {sentence.id}")
    return found


def check_fits(golden: Golden, pin: Pin, sentences: tuple[Sentence, ...]) -> None:
    """Raises UsageError."""
    found = differences(golden, pin, sentences)
    if found:
        raise UsageError(
            f"{golden.folder}: this golden baseline cannot judge this engine; it differs in: {'; '.join(found)}. "
            "Name another with --golden, or make a new one with --set-golden --replace"
        )


def write_golden(folder: Path, made_at: str, pin: Pin, said: dict[Sentence, Spoken], *, replace: bool = False) -> None:
    """All of it or nothing. Raises UsageError."""
    if (folder / GOLDEN).exists() and not replace:
        raise UsageError(f"{folder}: holds a golden baseline already; --replace makes a new one in its place")
    kept = {
        sentence.id: GoldenSentence(text=sentence.text, sha256=spoken.sha256, n_samples=len(spoken.samples))
        for sentence, spoken in said.items()
    }
    file = GoldenFile(made_at=made_at, pin=pin, sentences=kept)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            for sentence, spoken in said.items():
                soundfile.write(place / f"{sentence.id}.wav", spoken.samples, spoken.rate_hz, subtype="PCM_16")
            (place / GOLDEN).write_text(file.model_dump_json(indent=2) + "\n", encoding="utf-8")
            place.chmod(0o755)
            if (folder / GOLDEN).exists():
                shutil.rmtree(folder)
            place.rename(folder)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror or error})") from error
