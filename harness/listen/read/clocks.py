"""Convert between a recording's samples and the host's monotonic clock: by the manifest's timelines, or the browser's map.

Times are ms on the clock the timeline names; a time of another clock is not converted, it is None with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.listen.read.ear_clock import EarClock, Step
from harness.model.capture import Timeline
from harness.model.events import AgentTurnTrace, ClockKind, Event

CLOCK_ERROR_LIMIT_MS = 10.0  # one tick of a native audio device

TIMELINE_OF = {
    "mic": "browser",
    "ear": "browser",
    "post_user": "probe",
    "post_rtc": "probe",
}


@dataclass(frozen=True)
class Clocks:
    """The manifest's timelines: {"browser": …, "probe": …}, whichever are known; `ear`: the map read all along the call."""

    timelines: dict[str, Timeline]
    ear: EarClock | None = None

    def of(self, recording: str) -> Timeline | None:
        return self.timelines.get(TIMELINE_OF.get(recording, ""))

    def map_of(self, recording: str) -> EarClock | None:
        """The map that was read all along the call; None for older captures and the probe."""
        return self.ear if TIMELINE_OF.get(recording) == "browser" and self.of(recording) is not None else None

    def steps(self, recording: str, start: float, end: float) -> list[Step]:
        """Steps of the recording's clock between two samples; none are known where there is no map."""
        local = self.map_of(recording)
        return [] if local is None else local.between(start, end)

    def mono_ms(self, recording: str, sample: float) -> float | None:
        timeline, local = self.of(recording), self.map_of(recording)
        if local is not None:
            return local.mono_ms(sample)
        return None if timeline is None else timeline.t0_mono_ms + 1e3 * sample / timeline.rate_hz

    def sample_at(self, recording: str, mono_ms: float) -> float | None:
        timeline, local = self.of(recording), self.map_of(recording)
        if local is not None:
            return local.sample_at(mono_ms)
        return None if timeline is None else (mono_ms - timeline.t0_mono_ms) * timeline.rate_hz / 1e3

    def shared_with(self, recording: str, trace: AgentTurnTrace | Event) -> bool:
        """Whether the agent's times and this recording's share one clock."""
        timeline = self.of(recording)
        return timeline is not None and trace.clock.kind == ClockKind.MONOTONIC and trace.clock.id == timeline.clock_id

    def why_not_shared(self, recording: str, trace: AgentTurnTrace) -> str:
        timeline = self.of(recording)
        if timeline is None:
            return f"the manifest has no timeline for {recording}.wav"
        return f"the agent's clock ({trace.clock.kind.value} {trace.clock.id}) is not this host's ({timeline.clock_id})"
