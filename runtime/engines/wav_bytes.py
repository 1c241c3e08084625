"""int16 mono → the bytes of a WAV file, and back at another rate."""

from __future__ import annotations

import io
import wave

import numpy as np
import soundfile

from runtime.engines.pcm import as_int16
from runtime.engines.protocols import EngineError, Int16Array
from runtime.resampler import StreamingResampler


def wav_bytes(samples: Int16Array, rate_hz: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def streamed_wav_header(rate_hz: int) -> bytes:
    """Of a 16 bit mono WAV whose length is not known yet: its sizes are the largest there are, as streams do."""
    largest = b"\xff\xff\xff\xff"
    header = bytearray(wav_bytes(np.empty(0, np.int16), rate_hz))
    header[4:8], header[40:44] = largest, largest
    return bytes(header)


def samples_of(data: bytes, rate_hz: int) -> Int16Array:
    """A sound file's first channel at `rate_hz`. Raises EngineError for what is none, or holds NaN."""
    try:
        read, from_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
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
