"""The agent's side of a trace: its identity, its events, one line a turn, the files it leaves for the harness.

Times are ms of the host's monotonic clock, whose id all processes of a machine share.
"""

from __future__ import annotations

import os
import platform
import secrets
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from harness.model.events import (
    AgentTurnTrace,
    Clock,
    ClockKind,
    Event,
    EventType,
    ReplyCause,
    TurnTimes,
    is_trace_id,
)
from runtime.engines.turn_scope import TurnScope

AGENT_TRACE = "agent_trace.jsonl"
PRE_RTC = "pre_rtc.wav"


def now_ms() -> float:
    return time.monotonic() * 1e3


@cache
def host_clock() -> Clock:
    boot = Path("/proc/sys/kernel/random/boot_id")
    name = boot.read_text().strip() if boot.exists() else platform.node()
    return Clock(id=f"mono:{name}", kind=ClockKind.MONOTONIC)


def well_formed(text: str) -> str:
    """Replace half characters (lone surrogates), which an engine may return and JSON may not hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass
class TurnRecord:
    """One turn while it happens; becomes an AgentTurnTrace."""

    t: dict[str, float] = field(default_factory=dict)
    reply_seq: int | None = None
    pre_start_sample: int | None = None
    pre_end_sample: int | None = None
    cause: ReplyCause | None = None
    user_text: str = ""
    reply_text: str = ""
    underruns: int = 0
    starved_ms: float = 0.0
    scope: TurnScope = field(default_factory=TurnScope)
    first_transition: int = 0
    hangover_ms: float | None = None  # this turn's; None: as configured
    hangover_because: str = ""
    prepared: bool = False
    held_ms: float = 0.0

    def stamp(self, name: str) -> None:
        """Only the first stamp counts."""
        self.t.setdefault(name, now_ms())


@dataclass
class Trace:
    """The trace is new for a person's call; in a test it comes from the probe's `trace` event."""

    captures: Path | None
    hangover_ms: float
    trace_id: str = field(default_factory=lambda: f"live-{secrets.token_hex(6)}")
    run_id: str = "live"
    case_id: str = "live"
    attempt: int = 1
    adopted: bool = False
    turns: list[TurnRecord] = field(default_factory=list)
    _sent: int = 0

    def adopt(self, event: Event) -> bool:
        """True for the call's first trace event; a second event with another id is not ours."""
        if self.adopted:
            return event.trace_id == self.trace_id
        self.trace_id, self.run_id, self.case_id = event.trace_id, event.run_id, event.case_id
        self.attempt, self.adopted, self._sent = event.attempt, True, 0
        return True

    def folder(self) -> Path | None:
        """The folder for the trace's files, if the harness has made it, else None."""
        if self.captures is None or not self.adopted or not is_trace_id(self.trace_id):
            return None
        folder = self.captures / self.trace_id
        return folder if folder.is_dir() else None

    def event(self, event_type: EventType, *, reply_seq: int | None = None, **data: Any) -> Event:
        event = Event(
            type=event_type,
            trace_id=self.trace_id,
            run_id=self.run_id,
            case_id=self.case_id,
            attempt=self.attempt,
            seq=self._sent,
            t_ms=now_ms(),
            clock=host_clock(),
            sender="agent",
            reply_seq=reply_seq,
            data=data,
        )
        self._sent += 1
        return event

    def lines(self, transitions: list[tuple[float, str, str]]) -> list[AgentTurnTrace]:
        """One record a turn."""
        records = []
        for index, turn in enumerate(self.turns):
            stop = self.turns[index + 1].first_transition if index + 1 < len(self.turns) else len(transitions)
            record = AgentTurnTrace(
                trace_id=self.trace_id,
                reply_seq=turn.reply_seq,
                clock=host_clock(),
                t=TurnTimes(**turn.t),
                pre_start_sample=turn.pre_start_sample,
                pre_end_sample=turn.pre_end_sample,
                cause=turn.cause,
                vad_hangover_ms=self.hangover_ms if turn.hangover_ms is None else turn.hangover_ms,
                hangover_because=turn.hangover_because,
                prepared=turn.prepared,
                held_ms=round(turn.held_ms, 1),
                user_text=well_formed(turn.user_text),
                reply_text=well_formed(turn.reply_text),
                underruns=turn.underruns,
                starved_ms=round(turn.starved_ms, 1),
                degraded=turn.scope.degraded,
                slow_lane=turn.scope.slow,
                transitions=transitions[turn.first_transition : stop],
            )
            records.append(record)
        return records

    def write(self, transitions: list[tuple[float, str, str]]) -> list[str]:
        """agent_trace.jsonl, atomically. The names of the files written. Raises OSError."""
        folder = self.folder()
        if folder is None:
            return []
        lines = [record.model_dump_json() + "\n" for record in self.lines(transitions)]
        part = folder / (AGENT_TRACE + ".tmp")
        with part.open("w", encoding="utf-8") as file:
            file.write("".join(lines))
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / AGENT_TRACE)
        return [AGENT_TRACE]
