"""A judged call as a trace: the call, its turns, each wait with the steps of its waterfall, speech, tools; gates as events.

Names and attributes are those of OpenTelemetry's semantic conventions where it has some (`gen_ai.*`, `test.*`, `session.id`),
else `earwitness.*`. Ids follow from the capture's trace_id: sent again, a call is the same trace. Words that were said, and what
tools were given and returned, are in it only where they are asked for (`content`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.judge.table import TABLE
from harness.model.call_trace import Attributes, AttributeValue, CallTrace, TraceEvent, TraceSpan
from harness.model.capture import Manifest
from harness.model.machine import machine_class
from harness.model.measurement import Defect, Measurement, Metric, Turn, WaterfallStep
from harness.model.status import CaptureStatus, Status
from harness.model.verdict import AttemptVerdict, CaseVerdict, GateResult, Summary
from reports.view.axis import RATE_HZ, main_ring
from reports.view.call_clock import CallClock, started_unix_ns

TURN, WAIT, USER, AGENT, TOOL = "turn", "response_latency", "user_speaking", "agent_speaking", "execute_tool"
GATE = "gen_ai.evaluation.result"  # semantic conventions for generative AI, events
DEFECT, STEP = "earwitness.defect", "earwitness.waterfall.step"
USER_OF = {"ear": "mic", "post_rtc": "post_user"}
RESULT = {Status.PASS: "pass", Status.WARN: "pass", Status.FAIL: "fail"}  # test.case.result.status knows no other
ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}  # as host.arch has them
WHOLE_MS = 1.0  # steps that add up to the wait this closely leave no gap in it
NS_PER_MS = 1e6
QUOTING = frozenset(gate.id for gate in TABLE if gate.quotes)
QUOTING_STATUS = CaptureStatus.DIALOGUE_GAVE_UP  # its detail has what the agent said last


@dataclass(frozen=True)
class JudgedCall:
    """A call with all that is known of it."""

    summary: Summary
    case: CaseVerdict
    attempt: AttemptVerdict
    manifest: Manifest
    clock: CallClock


def call_trace(call: JudgedCall, *, content: bool = False) -> CallTrace:
    """Raises ValueError where the manifest's start is no time."""
    measurement = call.attempt.measurement
    began = started_unix_ns(call.manifest)
    root = TraceSpan(
        name=f"call {call.case.case_id}",
        span_id=_span_id(call),
        parent_id="",
        start_unix_ns=began,
        end_unix_ns=began + round(sum(call.manifest.wall_s.values()) * 1e9),
        attributes=_of_call(call, content),
        outcome=_outcome(call.attempt.status),
        message=_why(call.attempt, content) if call.attempt.status is Status.FAIL else "",
    )
    below: list[TraceSpan] = []
    for turn in measurement.turns if measurement is not None else ():
        assert measurement is not None
        below += _turn(call, measurement, turn, content)
    placed = {span.attributes.get("earwitness.reply_seq") for span in below if span.name == TURN}
    root = replace(
        root,
        start_unix_ns=min([root.start_unix_ns, *(span.start_unix_ns for span in below)]),
        end_unix_ns=max([root.end_unix_ns, *(span.end_unix_ns for span in below)]),
    )
    gates = [gate for gate in call.attempt.gates if _turn_of(gate) is None or _turn_of(gate) not in placed]
    root = replace(root, events=tuple(_gate(gate, root.end_unix_ns, content) for gate in _judging(gates)))
    return CallTrace(
        trace_id=_hex(call.manifest.trace_id, n_bytes=16),
        resource=_resource(call.manifest),
        version=call.manifest.versions.get("earwitness", ""),
        spans=(root, *below),
    )


def _hex(*parts: object, n_bytes: int) -> str:
    return hashlib.sha256("\n".join(["earwitness", *map(str, parts)]).encode()).hexdigest()[: 2 * n_bytes]


def _span_id(call: JudgedCall, *path: object) -> str:
    return _hex(call.manifest.trace_id, "span", *path, n_bytes=8)


def _resource(manifest: Manifest) -> Attributes:
    machine, system = str(manifest.host.get("machine", "")), str(manifest.host.get("system", ""))
    return _without_nothing(
        {
            "service.name": "earwitness",
            "service.version": manifest.versions.get("earwitness", ""),
            "host.arch": ARCHITECTURES.get(machine, machine),
            "os.type": system.partition(" ")[0].lower(),
            "earwitness.host.class": machine_class(manifest.host),
        }
    )


def _of_call(call: JudgedCall, content: bool) -> Attributes:
    manifest, attempt, measurement = call.manifest, call.attempt, call.attempt.measurement
    dispatched = manifest.agent.kind == "dispatch"
    return _without_nothing(
        {
            "gen_ai.conversation.id": manifest.room,  # agents name the room in their own traces
            "session.id": manifest.room,
            "gen_ai.agent.id": manifest.agent_identity or "",
            "gen_ai.agent.name": manifest.agent.spec if dispatched else "",
            "test.suite.name": call.summary.suite,
            "test.case.name": manifest.case_id,
            "test.case.result.status": RESULT.get(attempt.status, ""),
            "error.type": _error_type(attempt),
            "earwitness.run_id": manifest.run_id,
            "earwitness.trace_id": manifest.trace_id,
            "earwitness.attempt": manifest.attempt,
            "earwitness.lane": manifest.lane,
            "earwitness.mic": manifest.mic,
            "earwitness.network": manifest.link,
            "earwitness.agent.kind": manifest.agent.kind,
            "earwitness.agent.instrumented": manifest.agent.instrumented,
            "earwitness.status": attempt.status.value,
            "earwitness.capture_status": attempt.capture_status.value,
            "earwitness.detail": _detail(attempt, content),
            "earwitness.invalid": "; ".join(measurement.validity.reasons) if measurement is not None else "",
            "earwitness.clock.error_ms": call.clock.error_ms if call.clock.zero_unix_ns is not None else "",
            **_metrics(measurement.metrics if measurement is not None else {}),
        }
    )


def _without_nothing(attributes: Mapping[str, AttributeValue]) -> Attributes:
    return {name: value for name, value in attributes.items() if value != ""}


def _metrics(metrics: Mapping[str, Metric]) -> dict[str, AttributeValue]:
    """Those that have a value which is to be believed; a unit stands in the name of each."""
    return {
        f"earwitness.{name}": metric.value
        for name, metric in metrics.items()
        if metric.value is not None and not metric.invalid
    }


def _outcome(status: Status) -> Literal["", "ok", "error"]:
    """What could not be measured is neither right nor wrong."""
    return "error" if status is Status.FAIL else "ok" if status in RESULT else ""


def _failed(gates: Iterable[GateResult]) -> list[GateResult]:
    return [gate for gate in gates if gate.status is Status.FAIL]


def _error_type(attempt: AttemptVerdict) -> str:
    if attempt.status is not Status.FAIL:
        return ""
    failed = _failed(attempt.gates)
    return failed[0].gate_id if failed else attempt.capture_status.value


def _why(attempt: AttemptVerdict, content: bool) -> str:
    failed = "; ".join(f"{gate.gate_id}: {gate.shown}" for gate in _failed(attempt.gates))
    return failed or f"{attempt.capture_status.value} {_detail(attempt, content)}".strip()


def _detail(attempt: AttemptVerdict, content: bool) -> str:
    return "" if attempt.capture_status is QUOTING_STATUS and not content else attempt.detail


# gates


def _judging(gates: Iterable[GateResult]) -> list[GateResult]:
    return [gate for gate in gates if gate.status is not Status.NOT_APPLICABLE]


def _turn_of(gate: GateResult) -> int | None:
    """The turn to look at, for a gate that does not pass."""
    return None if gate.status is Status.PASS else gate.worst_reply_seq


def _gate(gate: GateResult, at_unix_ns: int, content: bool) -> TraceEvent:
    quoted = gate.gate_id in QUOTING and not content
    return TraceEvent(
        GATE,
        at_unix_ns,
        _without_nothing(
            {
                "gen_ai.evaluation.name": gate.gate_id,
                "gen_ai.evaluation.score.value": gate.value if gate.value is not None else "",
                "gen_ai.evaluation.score.label": gate.status.value,
                "gen_ai.evaluation.explanation": "" if quoted else gate.reason,
                "earwitness.gate.title": gate.title,
                "earwitness.gate.shown": gate.shown,
                "earwitness.gate.limit": f"{gate.op} {gate.threshold:g} {gate.unit}".strip(),
                "earwitness.gate.ring": gate.ring,
                "earwitness.gate.blocking": gate.blocking,
            }
        ),
    )


# turns


def _turn(call: JudgedCall, measurement: Measurement, turn: Turn, content: bool) -> list[TraceSpan]:
    """The turn and what is below it; empty where none of it has a place in time."""
    ring = main_ring(measurement)
    own = _span_id(call, TURN, turn.reply_seq)
    children = [*_speech(call, turn, USER_OF[ring], USER, own), *_wait(call, turn, ring, own)]
    children += [_with_defects(call, turn, span) for span in _speech(call, turn, ring, AGENT, own)]
    children += _tools(call, turn, own, content)
    if not children:
        return []
    begun = min(span.start_unix_ns for span in children)
    ended = max(span.end_unix_ns for span in children)
    gates = _judging(gate for gate in call.attempt.gates if _turn_of(gate) == turn.reply_seq)
    failed = [gate for gate in _failed(gates) if gate.blocking]
    said = _words(turn) if content else {}
    answered = {} if turn.utterance is None else {"earwitness.utterance": turn.utterance}
    span = TraceSpan(
        name=TURN,
        span_id=own,
        parent_id=_span_id(call),
        start_unix_ns=begun,
        end_unix_ns=ended,
        attributes={
            "gen_ai.conversation.id": call.manifest.room,
            "earwitness.reply_seq": turn.reply_seq,
            **answered,
            "earwitness.greeting": turn.greeting,
            **said,
            **({"error.type": failed[0].gate_id} if failed else {}),
            **_metrics(turn.metrics),
        },
        events=tuple(_gate(gate, ended, content) for gate in gates),
        outcome="error" if failed else "",
        message="; ".join(f"{gate.gate_id}: {gate.shown}" for gate in failed),
    )
    return [span, *sorted(children, key=lambda child: child.start_unix_ns)]


def _words(turn: Turn) -> dict[str, AttributeValue]:
    """In the form that the conventions give to messages."""
    said = (("gen_ai.input.messages", "user", turn.understood), ("gen_ai.output.messages", "assistant", turn.said))
    return {
        name: json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}], ensure_ascii=False)
        for name, role, text in said
        if text
    }


def _between(
    name: str, span_id: str, parent_id: str, start: int, end: int, attributes: Attributes | None = None
) -> TraceSpan:
    """A span from the earlier to the later; its duration may be negative (the agent spoke first), and is told so."""
    told = {"earwitness.duration_ms": round((end - start) / NS_PER_MS, 3), **(attributes or {})}
    return TraceSpan(name, span_id, parent_id, min(start, end), max(start, end), told)


def _speech(call: JudgedCall, turn: Turn, recording: str, name: str, parent_id: str) -> list[TraceSpan]:
    found = turn.spans.get(recording)
    if found is None:
        return []
    start, end = call.clock.of(recording, found.start), call.clock.of(recording, found.end)
    if start is None or end is None:
        return []
    span_id = _span_id(call, name, turn.reply_seq)
    return [_between(name, span_id, parent_id, start, end, {"earwitness.recording": recording})]


def _with_defects(call: JudgedCall, turn: Turn, span: TraceSpan) -> TraceSpan:
    """Each defect at its place, or at the reply's start where the clock of its recording is not known here."""
    events = []
    for defect in turn.defects:
        at = call.clock.of(defect.ring, defect.start_ms * RATE_HZ / 1e3)
        events.append(TraceEvent(DEFECT, span.start_unix_ns if at is None else at, _of_defect(defect)))
    return replace(span, events=tuple(events))


def _of_defect(defect: Defect) -> Attributes:
    return _without_nothing(
        {
            "earwitness.defect.kind": defect.kind,
            "earwitness.defect.born": defect.born,
            "earwitness.defect.recording": defect.ring,
            "earwitness.defect.start_ms": defect.start_ms,
            "earwitness.defect.duration_ms": defect.duration_ms,
            "earwitness.defect.detail": defect.detail,
        }
    )


def _tools(call: JudgedCall, turn: Turn, parent_id: str, content: bool) -> list[TraceSpan]:
    found = []
    for number, tool in enumerate(turn.tools):
        start, end = call.clock.at(tool.started_ms), call.clock.at(tool.ended_ms)
        if start is None:
            continue
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": TOOL,
            "gen_ai.tool.name": tool.name,
            "earwitness.tool.ended": tool.ended,
        }
        if content:
            attributes |= {"gen_ai.tool.call.arguments": tool.arguments, "gen_ai.tool.call.result": tool.result}
        if tool.error:
            attributes["error.type"] = "_OTHER"  # the conventions' word for an error without a known class
        span = _between(
            f"{TOOL} {tool.name}".strip(), _span_id(call, TOOL, turn.reply_seq, number), parent_id, start,
            start if end is None else max(start, end), _without_nothing(attributes),
        )  # fmt: skip
        message = tool.error if content else ""
        found.append(replace(span, outcome="error", message=message) if tool.error else span)
    return found


# the wait and its waterfall


def _wait(call: JudgedCall, turn: Turn, ring: str, parent_id: str) -> list[TraceSpan]:
    """The user's last word → the first audible sample, with a span for each step that has a place in it."""
    ended = call.clock.of(USER_OF[ring], turn.mic_end_sample)
    heard = call.clock.of(ring, turn.onset_sample)
    if ended is None or heard is None:
        return []
    own = _span_id(call, WAIT, turn.reply_seq)
    placed, loose = _placed(turn.waterfall, (heard - ended) / NS_PER_MS)
    unknown = "; ".join(f"{step.name}: {step.reason}" for step in turn.waterfall if step.ms is None)
    events = [
        TraceEvent(STEP, min(ended, heard), {"earwitness.step": step.name, "earwitness.duration_ms": step.ms or 0.0})
        for step in loose
    ]
    span = _between(WAIT, own, parent_id, ended, heard, {"earwitness.waterfall.unknown": unknown} if unknown else {})
    steps = []
    for number, (step, start_ms, end_ms) in enumerate(placed):
        start, end = (ended + round(at_ms * NS_PER_MS) for at_ms in (start_ms, end_ms))
        steps.append(_between(step.name, _span_id(call, WAIT, turn.reply_seq, number), own, start, end))
    return [replace(span, events=tuple(events)), *steps]


def _placed(
    steps: Sequence[WaterfallStep], wait_ms: float
) -> tuple[list[tuple[WaterfallStep, float, float]], list[WaterfallStep]]:
    """(steps with their [start, end] in ms after the user's last word, those that have a length and no place).

    Steps follow each other. One whose length is not known leaves those behind it without a place, unless the others add
    up to the whole wait: then it is part of the one after it.
    """
    known = [step.ms for step in steps if step.ms is not None]
    whole = abs(sum(known) - wait_ms) <= WHOLE_MS
    placed: list[tuple[WaterfallStep, float, float]] = []
    loose: list[WaterfallStep] = []
    at_ms, lost = 0.0, False
    for step in steps:
        if step.ms is None:
            lost = lost or not whole
        elif lost:
            loose.append(step)
        else:
            placed.append((step, at_ms, at_ms + step.ms))
            at_ms += step.ms
    return placed, loose
