"""What the browser gives to the live half: blocks of audio, clock maps, jitter-buffer counters, problems of the page.

Frames count the page's 48 kHz AudioContext; `_perf_ms` is its performance.now(), `_mono_ms` the host's monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.model.audio import FloatArray

RATE_HZ = 48_000


@dataclass(frozen=True, eq=False)
class AudioBlock:
    """Microphone and ear as heard in the page, contiguous from context frame `frame`; both of one length."""

    frame: int
    mic: FloatArray
    ear: FloatArray
    arrived: float = 0.0  # RMS of what came on remote tracks, played or not

    @property
    def end_frame(self) -> int:
        return self.frame + len(self.ear)


@dataclass(frozen=True)
class ClockMap:
    """Ties context frames to the host: frame f was processed at t0_mono_ms + f / 48, give or take error_ms."""

    t0_mono_ms: float
    error_ms: float
    slip_ms: (
        float | None
    )  # how far the audio clock fell behind the host since the previous map; None: this is the first
    mono_minus_perf_ms: float = field(default=0.0, compare=False)  # performance.now() on the host's clock

    def mono_ms(self, frame: int) -> float:
        return self.t0_mono_ms + 1e3 * frame / RATE_HZ


@dataclass(frozen=True)
class JitterBufferSample:
    """Counters of all inbound audio since the call began, summed; a difference of two tells about the time between."""

    t_perf_ms: float
    delay_s: float  # jitterBufferDelay: summed over emitted samples
    emitted_samples: int
    concealed_samples: int
    total_samples: int

    def mean_delay_ms_since(self, earlier: JitterBufferSample) -> float | None:
        """Mean delay of what was emitted between the two; None if nothing was."""
        emitted = self.emitted_samples - earlier.emitted_samples
        return 1e3 * (self.delay_s - earlier.delay_s) / emitted if emitted > 0 else None


@dataclass(frozen=True)
class Unplayed:
    """Remote tracks that carried sound: what keeps each from being heard, and whether one was not even decoded."""

    reasons: tuple[str, ...]
    undecoded: bool
    encrypts: bool = False  # the page changes its microphone's packets before they are sent
    graphs: tuple[str, ...] = ()  # what keeps the page's own AudioContexts from being heard


@dataclass(frozen=True)
class PageProblem:
    """Something that went wrong in the page. `exception` and `crash` end the attempt; `console` is evidence."""

    kind: Literal["console", "exception", "crash", "tap"]
    text: str
    t_mono_ms: float
