"""Whether the agent's turn is over: it has said all it has to say, and listens again. Durations are ms of the user's audio.

An instrumented agent reports the end of turn by events. Any other agent reports it by `lk.agent.state`; one that sets no state,
or words of its own there, is judged by quiet alone: a tool call takes seconds in which nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bots.probe_bot import Probe
from harness.errors import AttemptError
from harness.live.hearing import Hearing
from harness.model.events import EventType
from harness.model.status import CaptureStatus

LISTENING = ("listening", "idle")
BUSY = ("initializing", "thinking", "speaking")  # any other word is the agent's own, and tells nothing
STATE_QUIET_MS = (
    1_000.0  # a state is ahead of the audio by the network and the jitter buffer, and flickers between two tools
)
EVENTS_GRACE_MS = 5_000.0  # silent for this long without a reply_end: it will not come
STATE_GRACE_MS = 20_000.0  # silent for this long, and the state still says otherwise: it is not believed
GREETING_QUIET_MS = 2_500.0  # no tool is called before anybody has spoken


class TurnOver(Protocol):
    """The rule, asked at every block of audio."""

    def over(self, quiet_ms: float, *, greeting: bool = False) -> bool:
        """`quiet_ms`: the quiet that is required in any case; for a greeting it is enough."""
        ...

    def busy(self) -> bool:
        """Whether the agent reports that it speaks or thinks."""
        ...

    def check(self) -> None:
        """Called after `over`. Raises AttemptError if an announced end did not come."""
        ...


@dataclass
class ByEvents:
    """An instrumented agent: every reply_start has its reply_end, and it is not thinking."""

    probe: Probe
    hearing: Hearing

    def busy(self) -> bool:
        starts, ends = self.probe.received(EventType.REPLY_START), self.probe.received(EventType.REPLY_END)
        states = self.probe.received(EventType.AGENT_STATE)
        thinking = bool(states) and states[-1].event.data.get("state") == "THINKING"
        return len(ends) < len(starts) or thinking

    def over(self, quiet_ms: float, *, greeting: bool = False) -> bool:
        if self.hearing.quiet_ms() < quiet_ms:
            return False
        return not self.busy() or self.hearing.quiet_ms() >= EVENTS_GRACE_MS

    def check(self) -> None:
        if self.busy():
            detail = f"the agent fell silent, but no reply_end came within {EVENTS_GRACE_MS:.0f} ms"
            raise AttemptError(CaptureStatus.REPLY_EVENTS_MISSING, detail)


@dataclass
class ByEar:
    """A foreign agent. `turn_quiet_ms`: for one without a state; `on_stuck` gets, once, why its state is not believed.

    `probe`: who sees its state; None where there is no room, and so no state.
    """

    probe: Probe | None
    hearing: Hearing
    turn_quiet_ms: float
    on_stuck: Callable[[str], None] = lambda why: None
    _stuck: bool = False

    @property
    def _state(self) -> str | None:
        state = self.probe.agent_state if self.probe is not None else None
        return state if state in (*LISTENING, *BUSY) else None

    def busy(self) -> bool:
        return self._state in BUSY

    def over(self, quiet_ms: float, *, greeting: bool = False) -> bool:
        quiet = self.hearing.quiet_ms()
        state = self._state
        if state is None:
            return (
                quiet >= min(quiet_ms, self.turn_quiet_ms) if greeting else quiet >= max(quiet_ms, self.turn_quiet_ms)
            )
        if state in LISTENING:
            return quiet >= max(quiet_ms, STATE_QUIET_MS)
        if quiet < STATE_GRACE_MS:
            return False
        if not self._stuck:
            self.on_stuck(f"its lk.agent.state was still {state!r} after {quiet / 1e3:.0f} s of silence")
            self._stuck = True
        return True

    def check(self) -> None:
        """A foreign agent announces nothing."""
