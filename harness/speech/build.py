"""Build a case's speech: 48 kHz mono 16 bit with its truth to the sample; the same recipe gives the same bytes.

Parts are synthesised at 22.05 kHz (`voices`), resampled once (polyphase, float64), set to their level (RMS over the voiced
part) and laid where the recipe says; noise comes last, fades out over 50 ms, and the WAV ends in digital silence:
Chromium's fake microphone repeats the last 10 ms of its file for ever. Truth is taken from the clean speech, before
noise.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import soundfile

from harness.errors import CaseError
from harness.model.capture import write_atomic
from harness.model.case import (
    CASE_RATE_HZ,
    Case,
    Impulse,
    Noise,
    Part,
    Pause,
    Recipe,
    RecordedWords,
    Recording,
    Say,
    SpokenUtterance,
    SpokenWord,
    StartAfter,
    StartAt,
    Truth,
    Utterance,
)
from harness.model.dialogue import Dialogue
from harness.model.plan import BuiltCase
from harness.speech.espeak_worker import UnknownVoiceError
from harness.speech.recording import check_headroom, read_recording, read_words, to_int16
from harness.speech.voiced import voiced_span
from harness.speech.voices import Voices, describe, versions_of
from harness.speech.word_times import Word

READER_VERSION = "3"  # must change whenever a user's own recording is read differently
BUILDER_VERSION = 5  # must change whenever a recipe gives other samples
NOISE_FADE_MS = 50.0
SILENT_END_MS = 300.0
SAMPLES_PER_MS = CASE_RATE_HZ // 1000
BETWEEN_LINES_MS = 500.0  # of a dialogue, where they stand in a WAV

Samples = npt.NDArray[np.float64]


@dataclass
class Spoken:
    """One utterance, clean, at its level; positions relative to its first sample."""

    samples: Samples
    voiced: tuple[int, int]
    pauses: list[tuple[int, int]] = field(default_factory=list)
    impulses: list[int] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    text: str = ""
    error_ms: float | None = None


def build_case(case: Case, case_path: Path, cache: Path, voices: Voices) -> BuiltCase:
    """Taken from the cache if this very recipe is there. Raises CaseError, HarnessError."""
    key = _cache_key(case, case_path)
    wav, truth_path = cache / f"{case.id}-{key}.wav", cache / f"{case.id}-{key}.json"
    cached = _from_cache(wav, truth_path)
    if cached is not None:
        return BuiltCase(case, wav, cached, case_path)
    cache.mkdir(parents=True, exist_ok=True)
    samples, truth = build_speech(case, case_path, voices)
    _publish(wav, wav_bytes(samples))
    _publish(truth_path, truth.model_dump_json(indent=2).encode())
    return BuiltCase(case, wav, truth, case_path)


def wav_bytes(samples: npt.NDArray[np.int16]) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, CASE_RATE_HZ, subtype="PCM_16", format="WAV")
    return buffer.getvalue()


def _publish(path: Path, data: bytes) -> None:
    """Two runs may build the same case at once: each writes a file of its own, the last one to finish stays."""
    own = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        write_atomic(own, data)
        own.replace(path)
    finally:
        own.unlink(missing_ok=True)


def _cache_key(case: Case, case_path: Path) -> str:
    spoken = case.dialogue or case.speech
    parts = [spoken.model_dump_json(), case.id, str(BUILDER_VERSION), *versions_of(_voices_of(case))]
    wavs = _wavs_of(case)
    parts += [READER_VERSION] if wavs else []
    for source in (case_path.parent / wav for wav in wavs):
        parts.append(hashlib.sha256(source.read_bytes()).hexdigest() if source.is_file() else "missing")
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _wavs_of(case: Case) -> list[str]:
    """The files that its speech is read from."""
    if isinstance(case.speech, Recording):
        return [case.speech.wav]
    return [part.wav for u in case.speech.utterances for part in u.parts if isinstance(part, RecordedWords)]


def _from_cache(wav: Path, truth_path: Path) -> Truth | None:
    """None if the WAV is missing, or differs from its truth (truncated, touched)."""
    try:
        truth = Truth.model_validate_json(truth_path.read_bytes())
        samples, rate_hz = soundfile.read(wav, dtype="int16")
    except (OSError, ValueError, soundfile.LibsndfileError):
        return None
    intact = rate_hz == CASE_RATE_HZ and samples_sha256(samples) == truth.sha256
    return truth if intact else None


def samples_sha256(samples: npt.NDArray[np.int16]) -> str:
    return hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()


def build_speech(case: Case, case_path: Path, voices: Voices) -> tuple[npt.NDArray[np.int16], Truth]:
    """int16 samples at 48 kHz, shape (n,), and their truth."""
    if case.dialogue is not None:
        return _build_lines(case, case.dialogue, case_path, voices)
    source: Literal["recipe", "annotation", "detected"]
    if isinstance(case.speech, Recording):
        read = read_recording(case.speech, case_path)
        samples, utterances, source, notes = read.samples, read.utterances, read.source, read.notes
        impulses: list[int] = []
    else:
        mix, utterances, impulses = _lay_out(case.speech, case_path, voices)
        samples = to_int16(mix)
        source, notes = "recipe", []
    truth = Truth(
        case_id=case.id,
        n_samples=len(samples),
        sha256=samples_sha256(samples),
        source=source,
        utterances=utterances,
        impulses=impulses,
        voices=[describe(voice) for voice in _voices_of(case)],
        notes=notes,
    )
    return samples, truth


def _build_lines(case: Case, dialogue: Dialogue, path: Path, voices: Voices) -> tuple[npt.NDArray[np.int16], Truth]:
    """Every line that may be said, one after the other: to be heard ahead of the call, and checked. A call says some of them."""
    utterances = []
    pieces = [_silence(BETWEEN_LINES_MS)]
    for text in dialogue.lines:
        spoken = _speak_line(dialogue, text, path, voices)
        utterances.append(_truth_of(sum(map(len, pieces)), spoken, Utterance(parts=[Say(say=text)])))
        pieces += [to_int16(spoken.samples), _silence(BETWEEN_LINES_MS)]
    samples = np.concatenate(pieces)
    digest = samples_sha256(samples)
    truth = Truth(
        case_id=case.id,
        n_samples=len(samples),
        sha256=digest,
        source="dialogue",
        utterances=utterances,
        voices=[describe(voice) for voice in _voices_of(case)],
        lines_sha256=digest,
    )
    return samples, truth


def _speak_line(dialogue: Dialogue, text: str, path: Path, voices: Voices) -> Spoken:
    """One line of a dialogue, from its first voiced sample to its last. Raises CaseError, HarnessError."""
    line = Utterance(
        parts=[Say(say=text)], voice=dialogue.voice, rate_wpm=dialogue.rate_wpm, level_dbfs=dialogue.level_dbfs
    )
    return _speak(line, "dialogue", path, voices)


def _silence(ms: float) -> npt.NDArray[np.int16]:
    return np.zeros(round(ms * SAMPLES_PER_MS), np.int16)


def _lay_out(recipe: Recipe, path: Path, voices: Voices) -> tuple[Samples, list[SpokenUtterance], list[int]]:
    laid: list[tuple[int, Spoken, Utterance]] = []
    for index, utterance in enumerate(recipe.utterances):
        key = f"speech.utterances.{index}"
        spoken = _speak(utterance, key, path, voices)
        start = utterance.start
        at = start.at_ms if isinstance(start, StartAt) else start.nominal_ms
        position = round(at * SAMPLES_PER_MS)
        if laid and position < laid[-1][0] + len(laid[-1][1].samples):
            end_ms = (laid[-1][0] + len(laid[-1][1].samples)) / SAMPLES_PER_MS
            raise CaseError(
                path, None, f"{key}.start: starts at {at:.0f} ms, but the utterance before ends at {end_ms:.0f} ms"
            )
        laid.append((position, spoken, utterance))
    last = max((position + len(spoken.samples) for position, spoken, _ in laid), default=0)
    shortest_tail_ms = 0.0 if recipe.noise is None else SILENT_END_MS + NOISE_FADE_MS  # noise goes on to the last word
    tail_ms = max(recipe.tail_ms, shortest_tail_ms)
    total = max(last + round(tail_ms * SAMPLES_PER_MS), round((recipe.total_ms or 0) * SAMPLES_PER_MS))
    mix = np.zeros(total)
    utterances, impulses = [], []
    for position, spoken, utterance in laid:
        mix[position : position + len(spoken.samples)] += spoken.samples
        utterances.append(_truth_of(position, spoken, utterance))
        impulses += [position + at for at in spoken.impulses]
    if recipe.noise is not None:
        mix += _noise(recipe.noise, mix, utterances)
    return mix, utterances, impulses


def _truth_of(position: int, spoken: Spoken, utterance: Utterance) -> SpokenUtterance:
    after = utterance.start if isinstance(utterance.start, StartAfter) else None
    return SpokenUtterance(
        start_sample=position + spoken.voiced[0],
        end_sample=position + spoken.voiced[1],
        is_turn=utterance.is_turn,
        text=spoken.text,
        after=after.after if after is not None else None,
        after_reply=after.reply if after is not None else 0,
        delay_ms=after.delay_ms if after is not None else None,
        window_ms=after.window_ms if after is not None else None,
        pauses=[(position + start, position + end) for start, end in spoken.pauses],
        error_ms=spoken.error_ms,
        words=[
            SpokenWord(text=word.text, start_sample=position + word.start, end_sample=position + word.end)
            for word in spoken.words
        ],
    )


def _speak(utterance: Utterance, key: str, path: Path, voices: Voices) -> Spoken:
    """The parts one after the other, words trimmed to what is voiced so that a pause is as long as it says.

    So the voiced span needs no detector: it goes from the first part that sounds to the end of the last one.
    """
    pieces: list[tuple[Part, int, Samples]] = []
    spoken: list[Word] = []
    length = 0
    for number, part in enumerate(utterance.parts):
        if isinstance(part, Say):
            piece, said = _words(part, utterance, key, path, voices)
            spoken += [Word(word.text, length + word.start, length + word.end) for word in said]
        elif isinstance(part, RecordedWords):
            piece = read_words(part, f"{key}.parts.{number}", path)
        else:
            piece = np.zeros(round((part.pause_ms if isinstance(part, Pause) else part.width_ms) * SAMPLES_PER_MS))
        pieces.append((part, length, piece))
        length += len(piece)
    sounding = [(at, at + len(piece)) for part, at, piece in pieces if not isinstance(part, Pause)]
    if not sounding:
        raise CaseError(path, None, f"{key}.parts: nothing is said; it needs words or an impulse")
    voiced = (sounding[0][0], sounding[-1][1])
    samples = np.concatenate([piece for _, _, piece in pieces])
    words = [piece for part, _, piece in pieces if isinstance(part, Say | RecordedWords)]
    if words:
        samples = samples * (10 ** (utterance.level_dbfs / 20) / np.sqrt(np.mean(np.concatenate(words) ** 2)))
        check_headroom(samples, utterance.level_dbfs, key, path)
    impulses = [(at, at + len(piece), part) for part, at, piece in pieces if isinstance(part, Impulse)]
    for start, end, impulse in impulses:  # at the recipe's peak, whatever the level of the words
        samples[start:end] = _spike(end - start, impulse.impulse_peak)
    pauses = [(at, at + len(piece)) for part, at, piece in pieces if isinstance(part, Pause)]
    texts = [
        part.say if isinstance(part, Say) else part.text
        for part in utterance.parts
        if isinstance(part, Say | RecordedWords)
    ]
    errors = [
        part.error_ms for part in utterance.parts if isinstance(part, RecordedWords) and part.error_ms is not None
    ]
    inside = [pause for pause in pauses if voiced[0] < pause[0] and pause[1] < voiced[1]]
    return Spoken(
        samples=samples,
        voiced=voiced,
        pauses=inside,
        impulses=[start for start, _, _ in impulses],
        words=spoken,
        text=" ".join(filter(None, texts)),
        error_ms=max(errors, default=None),
    )


def _spike(width_samples: int, peak: float) -> Samples:
    """A plosive: its first sample is the peak, then one swing that dies away."""
    t = np.arange(width_samples) / width_samples
    return peak * np.cos(np.pi * t / 2) * np.cos(2 * np.pi * t)


def _words(part: Say, utterance: Utterance, key: str, path: Path, voices: Voices) -> tuple[Samples, list[Word]]:
    """From the first voiced sample to the last one, at 48 kHz; the words lie inside."""
    voice = _voice_of(part, utterance)
    try:
        speech = voices.speak(part.say, voice, part.rate_wpm or utterance.rate_wpm)
    except UnknownVoiceError as error:
        raise CaseError(path, None, f"{key}: {error}") from error
    from scipy.signal import resample_poly  # slow to load, and most cases are in the cache

    up, down = 320, 147  # 22,050 → 48,000
    samples = resample_poly(speech.samples, up, down)
    span = voiced_span(samples, CASE_RATE_HZ) if len(samples) else None
    if span is None:
        raise CaseError(path, None, f"{key}: the voice {voice!r} says nothing for {part.say!r}")
    start, end = span
    words = [Word(word.text, *(_inside(at * up / down - start, end - start) for at in (word.start, word.end)))
             for word in speech.words]  # fmt: skip
    return samples[start:end], words


def _inside(at: float, length: int) -> int:
    return min(max(round(at), 0), length)


def _voice_of(part: Say, utterance: Utterance) -> str:
    return part.voice or utterance.voice


def _voices_of(case: Case) -> list[str]:
    """The voices that speak, each once; none for a recording."""
    if case.dialogue is not None:
        return [case.dialogue.voice]
    if isinstance(case.speech, Recording):
        return []
    spoken = [(part, u) for u in case.speech.utterances for part in u.parts if isinstance(part, Say)]
    return list(dict.fromkeys(_voice_of(part, utterance) for part, utterance in spoken))


def _noise(noise: Noise, mix: Samples, utterances: list[SpokenUtterance]) -> Samples:
    """Stationary noise under everything but the end, which fades out and then is digital silence."""
    rng = np.random.Generator(np.random.PCG64(noise.seed))
    white = rng.standard_normal(len(mix))
    sound = white if noise.kind == "white" else _pink(white)
    if noise.snr_db is not None:
        spoken = np.zeros(len(mix), bool)
        for utterance in utterances:
            spoken[utterance.start_sample : utterance.end_sample] = True
            for start, end in utterance.pauses:
                spoken[start:end] = False
        level = np.sqrt(np.mean(mix[spoken] ** 2)) * 10 ** (-noise.snr_db / 20)
    else:
        assert noise.level_dbfs is not None
        level = 10 ** (noise.level_dbfs / 20)
    sound = sound * (level / np.sqrt(np.mean(sound**2)))
    fade, silent = round(NOISE_FADE_MS * SAMPLES_PER_MS), round(SILENT_END_MS * SAMPLES_PER_MS)
    envelope = np.ones(len(mix))
    envelope[len(mix) - silent :] = 0.0
    envelope[len(mix) - silent - fade : len(mix) - silent] = np.cos(np.linspace(0, np.pi / 2, fade)) ** 2
    return sound * envelope


def _pink(white: Samples) -> Samples:
    """1/f power above 20 Hz, by shaping the spectrum."""
    spectrum = np.fft.rfft(white)
    frequency = np.maximum(np.fft.rfftfreq(len(white), 1 / CASE_RATE_HZ), 20.0)
    return np.fft.irfft(spectrum / np.sqrt(frequency), len(white))


def device_wav(built: BuiltCase, out: Path, lead_s: float, tail_s: float = 10.0) -> None:
    """The case's WAV between long silences, for Chromium's fake microphone alone (H-40)."""
    samples, _ = soundfile.read(built.wav, dtype="int16")
    lead, tail = np.zeros(round(lead_s * CASE_RATE_HZ), np.int16), np.zeros(round(tail_s * CASE_RATE_HZ), np.int16)
    write_atomic(out, wav_bytes(np.concatenate([lead, samples, tail])))
