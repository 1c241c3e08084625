"""Open a WAV of any rate, depth and number of channels as float32 mono at 48 kHz, or say why it cannot be opened.

Two channels become one as asked for (`harness.model.channels`). A recording up to three minutes is read into memory; a
longer one stays on disk: in place, if it is float32 mono at 48 kHz already, else unpacked into a temporary file, a minute at
a time. Impossible header values are not believed (`harness.model.riff`), but noted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from harness.listen.read.storage import BLOCK, Mapped, StoredAudio, is_long, resampled, spill
from harness.model.audio import Audio, FloatArray
from harness.model.channels import Channel, TwoChannels, as_one, compare
from harness.model.riff import CutError, RiffError
from harness.model.wav_file import WavFile, check_whole, open_wav

RATE_HZ = 48_000


@dataclass(frozen=True)
class WavFormat:
    """What the file's header says."""

    rate_hz: int
    channels: int
    subtype: str  # libsndfile's: PCM_U8, PCM_16, FLOAT, …
    n_samples: int
    notes: tuple[str, ...] = ()  # what had to be assumed to read it


class NotFiniteError(RiffError):
    """Samples that are no numbers (NaN, infinity)."""


def wav_format(path: Path) -> WavFormat:
    """Raises OSError, soundfile.LibsndfileError, RiffError (CutError: it is truncated)."""
    return _format(open_wav(path))


def _format(wav: WavFile) -> WavFormat:
    with wav.source() as source:
        info = soundfile.info(source)
    return WavFormat(info.samplerate, info.channels, info.subtype, info.frames, wav.notes)


def wav_notes(path: Path) -> tuple[str, ...]:
    """What had to be assumed to read it; empty for a file that cannot be read."""
    try:
        return open_wav(path).notes
    except (OSError, RiffError):
        return ()


def two_channels(path: Path) -> TwoChannels:
    """What the two channels of a file are to one another. Raises OSError, soundfile.LibsndfileError, RiffError
    (NotFiniteError).
    """
    wav = open_wav(path)
    found = _format(wav)
    starts = range(0, found.n_samples, BLOCK)
    return compare((_channels(wav, at, min(found.n_samples, at + BLOCK)) for at in starts), found.rate_hz)


def read_wav(path: Path, channel: Channel = Channel.AVERAGE) -> Audio | str:
    """The recording, or the reason why there is none. `channel`: of two."""
    if not path.exists():
        return f"{path.name} is missing"
    try:
        if path.stat().st_size == 0:
            return f"{path.name} is empty (0 bytes)"
        wav = open_wav(path)
        found = _format(wav)
        if found.n_samples == 0:
            return f"{path.name} holds no samples"
        if is_long(found.n_samples, found.rate_hz):
            return _stored(wav, found, channel)
        blocks = _at_48_khz(wav, found, channel)
        return Audio(np.concatenate(list(blocks)), RATE_HZ)
    except NotFiniteError as error:
        return f"{path.name} {error}"
    except CutError as error:
        return f"{path.name} is truncated: {error}"
    except (OSError, RiffError, soundfile.LibsndfileError) as error:
        return f"{path.name} cannot be read: {getattr(error, 'error_string', None) or error}"


def _stored(wav: WavFile, found: WavFormat, channel: Channel) -> StoredAudio:
    as_it_is = found.rate_hz == RATE_HZ and found.channels == 1 and found.subtype == "FLOAT"
    offset = wav.sound_offset
    if not as_it_is or offset is None or offset % 4:
        return StoredAudio(spill(_at_48_khz(wav, found, channel), np.float32), RATE_HZ)
    for _ in _mono(wav, found, channel):
        pass  # every sample must be finite
    return StoredAudio(Mapped(wav.path.open("rb"), "<f4", found.n_samples, offset), RATE_HZ)


def _mono(wav: WavFile, found: WavFormat, channel: Channel) -> Iterator[FloatArray]:
    for start in range(0, found.n_samples, BLOCK):
        yield _part(wav, start, min(found.n_samples, start + BLOCK), channel)


def _channels(wav: WavFile, start: int, end: int) -> FloatArray:
    """Shape (n, channels). Raises RiffError (NotFiniteError) where samples are missing, or no numbers."""
    with wav.source() as source:
        samples, rate_hz = soundfile.read(source, start=start, stop=end, dtype="float32", always_2d=True)
    check_whole(end - start, len(samples), rate_hz)
    if not np.isfinite(samples).all():
        raise NotFiniteError("holds samples that are not finite")
    return np.asarray(samples, np.float32)


def _part(wav: WavFile, start: int, end: int, channel: Channel) -> FloatArray:
    return np.ascontiguousarray(as_one(_channels(wav, start, end), channel), dtype=np.float32)


def _at_48_khz(wav: WavFile, found: WavFormat, channel: Channel) -> Iterator[FloatArray]:
    if found.rate_hz == RATE_HZ:
        return _mono(wav, found, channel)
    return resampled(lambda start, end: _part(wav, start, end, channel), found.n_samples, found.rate_hz, RATE_HZ)
