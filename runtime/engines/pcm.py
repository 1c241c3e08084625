"""Bytes of audio as they arrive over a network → int16 mono: raw s16le or f32le, or a WAV that is still being written.

Invalid sound is refused: NaN and infinity, half a sample at the end, a WAV of another rate. Stereo is mixed down.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from runtime.engines.protocols import EngineError, Int16Array
from runtime.engines.riff_stream import RiffStream

PcmFormat = Literal["pcm", "pcm_f32", "wav"]
WAVE_PCM, WAVE_FLOAT, WAVE_EXTENSIBLE = 1, 3, 0xFFFE


def as_int16(chunk: object) -> Int16Array:
    """An engine's chunk as int16; float is full scale ±1. Raises EngineError unless it is a row of samples."""
    if not isinstance(chunk, np.ndarray) or chunk.ndim != 1:
        raise EngineError(f"the engine gave {type(chunk).__name__}, expected a row of samples")
    if chunk.dtype == np.int16:
        return chunk
    if not np.issubdtype(chunk.dtype, np.floating):
        raise EngineError(f"the engine gave samples of type {chunk.dtype}, expected int16 or float")
    if not np.isfinite(chunk).all():
        raise EngineError("the engine gave audio that holds NaN or infinity")
    return np.asarray(np.clip(np.round(chunk * 32_768.0), -32_768, 32_767), np.int16)


@dataclass
class PcmDecoder:
    """`push` bytes as they come, `finish` at the end of the stream."""

    encoding: PcmFormat
    rate_hz: int
    _rest: bytes = b""
    _sample: np.dtype = field(init=False)
    _channels: int = 1
    _riff: RiffStream | None = field(init=False)
    _format: bytes | None = None

    def __post_init__(self) -> None:
        self._sample = np.dtype("<f4") if self.encoding == "pcm_f32" else np.dtype("<i2")
        self._riff = RiffStream() if self.encoding == "wav" else None

    def push(self, data: bytes) -> Int16Array:
        """Raises EngineError."""
        return self._decoded(data if self._riff is None else self._riff.push(data))

    def finish(self) -> Int16Array:
        """The held-back samples. Raises EngineError if the stream ended inside a sample, before any, or cut."""
        last = self._decoded(self._riff.finish()) if self._riff is not None else np.empty(0, np.int16)
        if self._rest:
            raise EngineError("the audio ended inside a sample: it was cut, or is not what was asked for")
        return last

    def _decoded(self, sound: bytes) -> Int16Array:
        if self._riff is not None and self._format is None and self._riff.fmt is not None:
            self._format = self._riff.fmt
            self._read_format(self._format)
        data = self._rest + sound
        frame_bytes = self._sample.itemsize * self._channels
        whole = len(data) // frame_bytes * frame_bytes
        self._rest = data[whole:]
        samples = as_int16(np.frombuffer(data[:whole], self._sample))
        if self._channels == 1:
            return samples
        return samples.reshape(-1, self._channels).mean(axis=1).astype(np.int16)

    def _read_format(self, block: bytes) -> None:
        kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", block)
        if kind == WAVE_EXTENSIBLE and len(block) >= 26:
            kind = struct.unpack_from("<H", block, 24)[0]
        if (kind, bits) not in ((WAVE_PCM, 16), (WAVE_FLOAT, 32)) or channels not in (1, 2):
            raise EngineError(
                f"the WAV has format {kind} with {bits} bits and {channels} channels; 16 bit or float is needed"
            )
        if rate_hz != self.rate_hz:
            raise EngineError(f"the WAV is at {rate_hz} Hz, configured is rate_hz = {self.rate_hz}")
        self._sample, self._channels = np.dtype("<f4" if kind == WAVE_FLOAT else "<i2"), channels
