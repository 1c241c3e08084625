"""Put the takes of one probe on one sample clock.

LiveKit's native audio device pulls every remote track on one common 10 ms tick, so two tracks of one process advance in
lockstep; what differs is the tick at which each started. The start is found from arrival times: arrival minus
position has a sharp lower envelope (a late event loop only ever delays), and the difference between two takes is a
whole number of ticks. Measured here: residual to the tick 0.06 to 0.08 ms, drift below 10 ppm. Rates are 48 kHz,
times ms on the host's monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

RATE_HZ = 48_000
TICK_MS = 10.0  # webrtc::AudioDeviceModule's playout interval
FRAME_MS = 20.0
FRAME_SAMPLES = 960

Int16Array = npt.NDArray[np.int16]


@dataclass
class Take:
    """One uninterrupted run of frames of one track, in order of arrival."""

    who: str
    arrivals_ms: list[float] = field(default_factory=list)
    frames: list[Int16Array] = field(default_factory=list)

    def add(self, t_ms: float, samples: Int16Array) -> None:
        self.arrivals_ms.append(t_ms)
        self.frames.append(samples)

    def envelope_ms(self) -> float:
        """When this take's sample 0 was pulled for playout: lower envelope of arrival − position, less the frame's
        first tick.
        """
        positions_ms = np.concatenate([[0.0], np.cumsum([len(f) for f in self.frames[:-1]])]) * 1e3 / RATE_HZ
        return float(np.min(np.asarray(self.arrivals_ms) - positions_ms)) - (FRAME_MS - TICK_MS)


@dataclass(frozen=True)
class ProbeRecording:
    """All takes on one clock: sample 0 of each array in `audio` is the instant `t0_mono_ms`."""

    audio: dict[str, Int16Array]
    arrivals: npt.NDArray[np.float64]  # (n, 2): arrival ms, sample index of each frame of the agent
    t0_mono_ms: float | None
    error_ms: float  # largest residual of a take to the common tick


def place_on_one_clock(takes: list[Take], arrivals_of: str) -> ProbeRecording:
    """Takes of one probe → arrays that start together and end together, silence where a track was absent."""
    takes = [take for take in takes if take.frames]
    if not takes:
        return ProbeRecording({}, np.empty((0, 2)), None, 0.0)
    starts = [take.envelope_ms() for take in takes]
    t0 = min(starts)
    ticks = [round((start - t0) / TICK_MS) for start in starts]
    error_ms = max(abs((start - t0) - tick * TICK_MS) for start, tick in zip(starts, ticks, strict=True))
    offsets = [int(tick * TICK_MS * RATE_HZ / 1e3) for tick in ticks]
    length = max(offset + sum(map(len, take.frames)) for offset, take in zip(offsets, takes, strict=True))
    audio: dict[str, Int16Array] = {}
    arrivals: list[tuple[float, float]] = []
    for take, offset in zip(takes, offsets, strict=True):
        track = audio.setdefault(take.who, np.zeros(length, np.int16))
        position = offset
        for t_ms, frame in zip(take.arrivals_ms, take.frames, strict=True):
            track[position : position + len(frame)] = frame
            if take.who == arrivals_of:
                arrivals.append((t_ms, float(position)))
            position += len(frame)
    return ProbeRecording(audio, np.asarray(arrivals, np.float64).reshape(-1, 2), t0, error_ms)
