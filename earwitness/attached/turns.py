"""agent_trace.jsonl of an agent: one line a reply, with the times that its framework tells.

The schema is `AgentTurnTrace` in `harness/model/events.py`; a test holds the two together. Times are ms of the host's
monotonic clock, positions samples at 48 kHz.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earwitness.attached.wire import VERSION, as_json, clock

Transition = tuple[float, str, str]


@dataclass
class Reply:
    """A reply while it happens. `pre_start`, `pre_end`: positions of the tap."""

    seq: int
    t: dict[str, float] = field(default_factory=dict)
    pre_start: int | None = None
    pre_end: int | None = None
    cause: str | None = None
    hangover_ms: float = 0.0
    user_text: str = ""
    text: str = ""
    claim: str = ""  # what the framework calls the latency that it reports
    claimed_ms: float | None = None
    underruns: int = 0
    starved_ms: float = 0.0
    held_ms: float = 0.0
    held: bool = False  # what was queued is dropped, and the reply has not ended: it is paused
    first_transition: int = 0

    def stamp(self, name: str, t_ms: float | None) -> None:
        """Only the first time counts."""
        if t_ms is not None:
            self.t.setdefault(name, t_ms)

    def starve(self, dry_s: float) -> None:
        """WebRTC had nothing to send amid this reply."""
        if self.held:
            self.held_ms += 1e3 * dry_s
        elif dry_s > 0:
            self.underruns += 1
            self.starved_ms += 1e3 * dry_s
        self.held = False

    def line(
        self, trace_id: str, transitions: Sequence[Transition], in_file: Callable[[int], int | None]
    ) -> dict[str, Any]:
        places = [None if at is None else in_file(at) for at in (self.pre_start, self.pre_end)]
        start, end = places if None not in places else (None, None)
        decided, token = self.t.get("vad_end"), self.t.get("llm_first_token")
        return {
            "v": VERSION,
            "trace_id": trace_id,
            "reply_seq": self.seq,
            "clock": clock(),
            "t": {name: round(t_ms, 3) for name, t_ms in self.t.items()},
            "pre_start_sample": start,
            "pre_end_sample": end,
            "cause": self.cause,
            "vad_hangover_ms": self.hangover_ms,
            "prepared": decided is not None and token is not None and token < decided,
            "held_ms": round(self.held_ms, 1),
            "user_text": self.user_text,
            "reply_text": self.text,
            "claim": self.claim,
            "claimed_latency_ms": None if self.claimed_ms is None else round(self.claimed_ms, 3),
            "underruns": self.underruns,
            "starved_ms": round(self.starved_ms, 1),
            "transitions": list(transitions),
        }


def write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Complete or not at all. Raises OSError, and ValueError or TypeError for what JSON cannot hold."""
    text = "".join(as_json(line) + "\n" for line in lines)
    part = path.with_name(path.name + ".tmp")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
