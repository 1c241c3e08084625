"""A WAV of the user's own: any rate, depth, mono or stereo → 48 kHz mono int16, with its utterances.

Utterances come from the annotation, or are found by level: sound 40 dB below the loudest 5 ms, parts closer than 700 ms
are one utterance. Noise that comes near that level is seen by `find`, which then says where somebody speaks. A silent second
is added, since the WAV must end in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import soundfile

from harness.errors import CaseError
from harness.model import wav_file
from harness.model.case import CASE_RATE_HZ, RecordedWords, Recording, SpokenUtterance
from harness.model.channels import Channel, as_one, compare
from harness.model.riff import CutError, RiffError
from harness.speech.find import JOIN_MS, find_speech
from harness.speech.voiced import FRAME_MS, HOP_MS, frame_rms, threshold, voiced_span

LONGEST_S = 600.0
SHORTEST_MS = 60.0
TAIL_MS = 1_000.0


@dataclass(frozen=True)
class ReadRecording:
    """48 kHz mono int16, and its utterances. `notes`: what had to be assumed to read the file."""

    samples: npt.NDArray[np.int16]
    utterances: list[SpokenUtterance]
    source: Literal["annotation", "detected"]
    notes: list[str]


def read_recording(recording: Recording, case_path: Path) -> ReadRecording:
    """Raises CaseError that names the WAV and what is wrong with it."""
    samples, notes = _load(recording.wav, recording.channel, "speech", case_path)
    span = voiced_span(samples, CASE_RATE_HZ)
    if span is None:
        raise CaseError(case_path, None, f"speech.wav: {recording.wav}: is silent (below −65 dBFS throughout)")
    if recording.level_dbfs is not None:
        samples = samples * (10 ** (recording.level_dbfs / 20) / np.sqrt(np.mean(samples[span[0] : span[1]] ** 2)))
        check_headroom(samples, recording.level_dbfs, "speech", case_path)
    as_recorded = samples
    samples = np.concatenate([samples, np.zeros(round(TAIL_MS * CASE_RATE_HZ / 1e3))])
    integers = to_int16(samples)
    if recording.truth is None:
        found = find_speech(as_recorded, _detect(samples))
        if found.cannot_tell:
            raise CaseError(
                case_path,
                None,
                f"speech.wav: {recording.wav}: {found.cannot_tell}; say where the words are in speech.truth "
                "(start_ms, end_ms), or give a recording with less noise",
            )
        notes += [f"{recording.wav}: {note}" for note in found.notes]
        return ReadRecording(integers, found.utterances, "detected", notes)
    return ReadRecording(integers, _annotated(recording, len(samples), case_path), "annotation", notes)


def to_int16(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    """Full scale ±1 → int16; samples beyond are clipped to full scale, as by a converter."""
    return np.round(samples * 32768).clip(-32768, 32767).astype(np.int16)


def check_headroom(samples: npt.NDArray[np.float64], level_dbfs: float, key: str, case_path: Path) -> None:
    """A level that makes the words clip would be heard as a fault of the agent. Raises CaseError."""
    over_db = 20 * np.log10(max(np.max(np.abs(samples), initial=0.0), 1e-9))
    if over_db > 0:
        highest = np.floor((level_dbfs - over_db) * 10) / 10
        raise CaseError(
            case_path, None, f"{key}.level_dbfs: clips at {level_dbfs:g}; at most {highest:g} for this sound"
        )


def read_words(part: RecordedWords, key: str, case_path: Path) -> npt.NDArray[np.float64]:
    """From the first voiced sample to the last, 48 kHz mono. `key`: of the part. Raises CaseError."""
    samples, _ = _load(part.wav, part.channel, key, case_path)
    if part.start_ms is None or part.end_ms is None:
        span = voiced_span(samples, CASE_RATE_HZ)
        if span is None:
            raise CaseError(case_path, None, f"{key}.wav: {part.wav}: is silent (below −65 dBFS throughout)")
        return samples[span[0] : span[1]]
    start, end = (round(at_ms * CASE_RATE_HZ / 1e3) for at_ms in (part.start_ms, part.end_ms))
    if end > len(samples):
        length_ms = len(samples) / CASE_RATE_HZ * 1e3
        raise CaseError(
            case_path, None, f"{key}.end_ms: {part.end_ms:g} ms lies behind the end of {part.wav} ({length_ms:.0f} ms)"
        )
    if not np.any(samples[start:end]):
        raise CaseError(case_path, None, f"{key}.wav: {part.wav}: is silent from start_ms to end_ms")
    return samples[start:end]


def _load(name: str, channel: Channel | None, key: str, case_path: Path) -> tuple[npt.NDArray[np.float64], list[str]]:
    """48 kHz mono, and what had to be assumed to read it. `key`: that of the case in which `wav` stands."""
    path, where = case_path.parent / name, f"{key}.wav: {name}"
    if not path.is_file():
        raise CaseError(case_path, None, f"{where}: no such file (paths are relative to the case file)")
    if path.stat().st_size == 0:
        raise CaseError(case_path, None, f"{where}: is empty (0 bytes)")
    try:
        wav = wav_file.open_wav(path)
        with wav.source() as source:
            info = soundfile.info(source)
        if info.frames == 0:
            raise CaseError(case_path, None, f"{where}: has a header but no samples")
        if info.frames > wav_file.LONGEST_S * info.samplerate:
            raise CaseError(case_path, None, f"{where}: {wav_file.NO_LENGTH}")
        if info.frames / info.samplerate > LONGEST_S:
            raise CaseError(case_path, None, f"{where}: is longer than {LONGEST_S:.0f} s")
        with wav.source() as source:
            samples, rate_hz = soundfile.read(source, dtype="float64", always_2d=True)
        wav_file.check_whole(info.frames, len(samples), rate_hz)
    except CutError as error:
        raise CaseError(case_path, None, f"{where}: is truncated: {error}") from error
    except RiffError as error:
        raise CaseError(case_path, None, f"{where}: not a readable WAV ({error})") from error
    except soundfile.LibsndfileError as error:
        raise CaseError(case_path, None, f"{where}: not a readable WAV ({error.error_string})") from error
    if not np.all(np.isfinite(samples)):
        raise CaseError(case_path, None, f"{where}: holds values that are no numbers (NaN or infinity)")
    mono, channels = _one_channel(samples, rate_hz, channel, key, name, case_path)
    divisor = gcd(rate_hz, CASE_RATE_HZ)
    if rate_hz != CASE_RATE_HZ:
        from scipy.signal import resample_poly  # slow to load, and most cases are in the cache

        mono = resample_poly(mono, CASE_RATE_HZ // divisor, rate_hz // divisor)
    return mono, [f"{name}: {note}" for note in (*wav.notes, *channels)]


def _one_channel(
    samples: npt.NDArray[np.float64], rate_hz: int, channel: Channel | None, key: str, name: str, case_path: Path
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Shape (n,), and what is to be said of the channels."""
    if samples.shape[1] == 1:
        return samples[:, 0], []
    if channel is not None and samples.shape[1] == 2:
        return np.asarray(as_one(samples, channel), np.float64), []
    if samples.shape[1] > 2:
        return samples.mean(axis=1), [f"{samples.shape[1]} channels averaged"]
    seen = compare([samples], rate_hz)
    if seen.use is None:
        message = f"{key}.wav: {name}: {seen.note}; say which one the user is: {key}.channel: left or right"
        raise CaseError(case_path, None, message)
    return np.asarray(as_one(samples, seen.use), np.float64), [seen.note]


def _detect(samples: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """[start, end) of each utterance by level."""
    rms = frame_rms(samples, CASE_RATE_HZ)
    loud = np.flatnonzero(rms > threshold(rms))
    hop, frame = int(HOP_MS * CASE_RATE_HZ / 1e3), int(FRAME_MS * CASE_RATE_HZ / 1e3)
    breaks = np.flatnonzero(np.diff(loud) * HOP_MS > JOIN_MS)
    starts = np.concatenate([[loud[0]], loud[breaks + 1]]) * hop
    ends = np.concatenate([loud[breaks], [loud[-1]]]) * hop + frame
    return [
        (int(start), int(min(end, len(samples))))
        for start, end in zip(starts, ends, strict=True)
        if end - start >= SHORTEST_MS * CASE_RATE_HZ / 1e3
    ]


def _annotated(recording: Recording, n_samples: int, case_path: Path) -> list[SpokenUtterance]:
    utterances, previous = [], 0
    for index, span in enumerate(recording.truth or []):
        start, end = round(span.start_ms * CASE_RATE_HZ / 1e3), round(span.end_ms * CASE_RATE_HZ / 1e3)
        if not previous <= start < end <= n_samples:
            message = (
                f"speech.truth.{index}: {span.start_ms:.0f} to {span.end_ms:.0f} ms does not fit the WAV or the order"
            )
            raise CaseError(case_path, None, message)
        utterances.append(SpokenUtterance(start_sample=start, end_sample=end, is_turn=span.is_turn, text=span.text))
        previous = end
    return utterances
