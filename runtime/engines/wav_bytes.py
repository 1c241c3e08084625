"""int16 mono → the bytes of a WAV file, and back at another rate."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import soundfile

from runtime.audio.resampler import StreamingResampler
from runtime.engines.pcm import as_int16
from runtime.engines.protocols import EngineError, Int16Array
from runtime.engines.riff_stream import MAGIC, RiffStream


def wav_bytes(samples: Int16Array, rate_hz: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def streamed_wav_header(rate_hz: int) -> bytes:
    """The header of a 16 bit mono WAV of unknown length: its sizes are the largest possible, as in streams."""
    largest = b"\xff\xff\xff\xff"
    header = bytearray(wav_bytes(np.empty(0, np.int16), rate_hz))
    header[4:8], header[40:44] = largest, largest
    return bytes(header)


def _under_a_true_header(data: bytes) -> bytes:
    """A WAV with its real sizes in the header; other files as they are. Raises EngineError."""
    if data[:4] not in MAGIC or data[8:12] != b"WAVE":
        return data
    riff = RiffStream()
    sound = riff.push(data) + riff.finish()
    assert riff.fmt is not None
    fmt = riff.fmt + bytes(len(riff.fmt) % 2)
    body = b"WAVEfmt " + struct.pack("<I", len(riff.fmt)) + fmt + b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", len(body)) + body


def samples_of(data: bytes, rate_hz: int) -> Int16Array:
    """A sound file's first channel at `rate_hz`. Raises EngineError if the file is invalid, cut, or holds NaN."""
    try:
        read, from_hz = soundfile.read(io.BytesIO(_under_a_true_header(data)), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
        raise EngineError(f"not a sound file: {error}") from error
    samples = as_int16(read[:, 0])
    if from_hz == rate_hz:
        return samples
    if not 1_000 <= from_hz <= 192_000:
        raise EngineError(f"a sound file of {from_hz} Hz is not taken")
    resampler = StreamingResampler(int(from_hz), rate_hz)
    first, last = resampler.push(samples), resampler.flush()
    return np.concatenate([first, last])
