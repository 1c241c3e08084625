"""Between a recording's samples and the host's monotonic clock, by the manifest's timelines.

Times are ms on the clock the timeline names; a time of another clock is not converted, it is None with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.capture import Timeline
from harness.model.events import AgentTurnTrace, ClockKind

TIMELINE_OF = {
    "mic": "browser",
    "ear": "browser",
    "post_user": "probe",
    "post_rtc": "probe",
}


@dataclass(frozen=True)
class Clocks:
    """The manifest's timelines: {"browser": …, "probe": …}, whichever are known."""

    timelines: dict[str, Timeline]

    def of(self, recording: str) -> Timeline | None:
        return self.timelines.get(TIMELINE_OF.get(recording, ""))

    def mono_ms(self, recording: str, sample: float) -> float | None:
        timeline = self.of(recording)
        return None if timeline is None else timeline.t0_mono_ms + 1e3 * sample / timeline.rate_hz

    def sample_at(self, recording: str, mono_ms: float) -> float | None:
        timeline = self.of(recording)
        return None if timeline is None else (mono_ms - timeline.t0_mono_ms) * timeline.rate_hz / 1e3

    def shared_with(self, recording: str, trace: AgentTurnTrace) -> bool:
        """The agent's times and this recording's are of one clock."""
        timeline = self.of(recording)
        return timeline is not None and trace.clock.kind == ClockKind.MONOTONIC and trace.clock.id == timeline.clock_id

    def why_not_shared(self, recording: str, trace: AgentTurnTrace) -> str:
        timeline = self.of(recording)
        if timeline is None:
            return f"the manifest has no timeline for {recording}.wav"
        return f"the agent's clock ({trace.clock.kind.value} {trace.clock.id}) is not this host's ({timeline.clock_id})"
