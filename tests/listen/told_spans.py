"""Spans made in a few lines, as LiveKit Agents and Pipecat tell them. Times are ms of the host's monotonic clock.

The agent's wall clock lies OFFSET_MS above it, and further by `clock_ms` for an agent on another host.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from harness.model import capture
from harness.model.spans import LIVEKIT_SCOPE, AttributeValue, SpanLine

OFFSET_MS = 1_700_000_000_000.0
EXPORT_MS = 700.0  # after its end a span arrives


@dataclass
class Spans:
    """`add` gives a span's id."""

    scope: str = LIVEKIT_SCOPE
    clock_ms: float = 0.0
    lines: list[SpanLine] = field(default_factory=list)

    def add(
        self, name: str, start_ms: float, end_ms: float, parent: str = "", **attributes: AttributeValue | None
    ) -> str:
        number = f"{len(self.lines) + 1:016x}"
        start_ns, end_ns = (round((t + OFFSET_MS + self.clock_ms) * 1e6) for t in (start_ms, end_ms))
        arrived_ms = end_ms + EXPORT_MS
        told = {name.replace("__", "."): value for name, value in attributes.items() if value is not None}
        self.lines.append(
            SpanLine(
                scope=self.scope, name=name, trace_id="1" * 32, span_id=number, parent_span_id=parent,
                start_unix_ns=start_ns, end_unix_ns=end_ns, attributes=told,
                arrived_unix_ns=round((arrived_ms + OFFSET_MS) * 1e6), arrived_mono_ms=arrived_ms,
            )
        )  # fmt: skip
        return number

    def write(self, folder: Path) -> Path:
        rows = (line.model_dump_json() + "\n" for line in self.lines)
        (folder / capture.SPANS).write_text("".join(rows))
        return folder

    def livekit_turn(
        self,
        began_ms: float,
        eot_ms: float,
        sound_ms: float,
        *,
        claimed_s: float | None,
        decided_s: float = 0.25,
        heard_s: float = 0.1,
        spoke_ms: float = 1_600.0,
        tool_ms: float = 0.0,
    ) -> None:
        """A turn of the user from `began_ms` to `eot_ms`, as the agent dates it, and the reply heard first at `sound_ms`."""
        decision = eot_ms + 1e3 * decided_s
        user = self.add(
            "user_turn", began_ms, decision + 5, lk__transcription_delay=heard_s, lk__end_of_turn_delay=decided_s
        )
        self.add("user_speaking", began_ms, eot_ms, user)
        self.add("eou_wait", eot_ms, decision, user, lk__eou__outcome="committed")
        turn = self.add(
            "agent_turn", decision + 2, sound_ms + spoke_ms, lk__e2e_latency=claimed_s,
            lk__end_of_turn_delay=decided_s, lk__transcription_delay=heard_s,
        )  # fmt: skip
        thought = decision + 3
        if tool_ms:
            self.add("llm_node", thought, thought + 20, turn, lk__response__ttft=0.01)
            self.add(
                "function_tool", thought + 20, thought + 20 + tool_ms, turn,
                lk__function_tool__name="book_table", lk__pii__function_tool__arguments='{"people": 2}',
                lk__pii__function_tool__output="booked", lk__function_tool__is_error=False,
            )  # fmt: skip
            thought += 22 + tool_ms
        self.add("llm_node", thought, thought + 60, turn, lk__response__ttft=0.05)
        self.add("tts_node", thought + 55, sound_ms + 400, turn, lk__response__ttfb=0.04)
        self.add("agent_speaking", sound_ms, sound_ms + spoke_ms, turn)


def read_spans(path: Path) -> list[SpanLine]:
    return [SpanLine.model_validate(row) for row in map(json.loads, path.read_text().splitlines())]


def relative(marks: Iterable[tuple[str, float]], zero_ms: float) -> dict[str, float]:
    """Marks of the agent's clock in ms after `zero_ms` of the host's."""
    return {name: round(value - OFFSET_MS - zero_ms, 1) for name, value in marks}
