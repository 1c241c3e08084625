"""Open a WAV of any rate, depth and number of channels as float32 mono at 48 kHz, or say why it cannot be opened.

Channels are averaged. A recording up to three minutes is read into memory; a longer one stays on disk: where it is, if
it is float32 mono at 48 kHz already, else unpacked into a temporary file, a minute at a time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from harness.listen.storage import BLOCK, Mapped, StoredAudio, is_long, resampled, spill
from harness.model.audio import Audio, FloatArray

RATE_HZ = 48_000


@dataclass(frozen=True)
class WavFormat:
    """What the file's header says."""

    rate_hz: int
    channels: int
    subtype: str  # libsndfile's: PCM_U8, PCM_16, FLOAT, …
    n_samples: int


class _NotFiniteError(ValueError):
    pass


def wav_format(path: Path) -> WavFormat:
    """Raises OSError, soundfile.LibsndfileError."""
    info = soundfile.info(path)
    return WavFormat(info.samplerate, info.channels, info.subtype, info.frames)


def read_wav(path: Path) -> Audio | str:
    """The recording, or the reason why there is none."""
    if not path.exists():
        return f"{path.name} is missing"
    try:
        if path.stat().st_size == 0:
            return f"{path.name} is empty (0 bytes)"
        data = _data_chunk(path)
        if data is not None and data.missing:
            return f"{path.name} is truncated: {data.missing} bytes of its samples are missing"
        found = wav_format(path)
        if found.n_samples == 0:
            return f"{path.name} holds no samples"
        if is_long(found.n_samples, found.rate_hz):
            return _stored(path, found, data)
        blocks = _at_48_khz(path, found)
        return Audio(np.concatenate(list(blocks)), RATE_HZ)
    except _NotFiniteError:
        return f"{path.name} holds samples that are not finite"
    except (OSError, soundfile.LibsndfileError) as error:
        return f"{path.name} cannot be read: {getattr(error, 'error_string', None) or error}"


def _stored(path: Path, found: WavFormat, data: _DataChunk | None) -> StoredAudio:
    as_it_is = found.rate_hz == RATE_HZ and found.channels == 1 and found.subtype == "FLOAT"
    if not as_it_is or data is None or data.offset % 4:
        return StoredAudio(spill(_at_48_khz(path, found), np.float32), RATE_HZ)
    for _ in _mono(path, found):
        pass  # every sample must be finite
    return StoredAudio(Mapped(path.open("rb"), "<f4", found.n_samples, data.offset), RATE_HZ)


def _mono(path: Path, found: WavFormat) -> Iterator[FloatArray]:
    for start in range(0, found.n_samples, BLOCK):
        yield _part(path, start, min(found.n_samples, start + BLOCK))


def _part(path: Path, start: int, end: int) -> FloatArray:
    samples, _ = soundfile.read(path, start=start, stop=end, dtype="float32", always_2d=True)
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise _NotFiniteError
    return np.ascontiguousarray(mono)


def _at_48_khz(path: Path, found: WavFormat) -> Iterator[FloatArray]:
    if found.rate_hz == RATE_HZ:
        return _mono(path, found)
    return resampled(lambda start, end: _part(path, start, end), found.n_samples, found.rate_hz, RATE_HZ)


@dataclass(frozen=True)
class _DataChunk:
    offset: int  # of the first sample, bytes
    missing: int  # bytes that the chunk announces, but the file does not hold


def _data_chunk(path: Path) -> _DataChunk | None:
    """Where a RIFF file's samples lie (libsndfile reads a cut file without a word); None of any other file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"RIFF":
            return None
        file.seek(12)
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            if name == b"data":
                short = 0 if length == 0xFFFFFFFF else max(0, file.tell() + length - size)
                return _DataChunk(file.tell(), short)
            file.seek(length + (length & 1), 1)
    return None
