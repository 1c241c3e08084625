"""A judged call as a trace: where each span lies on the wall clock, what hangs below what, and what is kept to ourselves."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.judge.table import TABLE
from harness.listen.read.clocks import Clocks
from harness.model.call_trace import CallTrace, TraceSpan
from harness.model.capture import HOST_LOAD, Manifest, Timeline
from harness.model.measurement import Defect, Measurement, Metric, Span, ToolCall, Turn, WaterfallStep
from harness.model.status import CaptureStatus, Status
from reports.view.call_clock import CallClock, call_clock
from reports.view.call_trace import JudgedCall, call_trace
from tests.judge import canned

STARTED_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z, as in canned.manifest
STARTED_MONO_MS, T0_MONO_MS = 4_000.0, 5_000.0
HEARD_MS = 450.0
STEPS = (("hangover → VAD decided", 240.0), ("STT", 60.0), ("first token", 150.0))
BOOKED = ToolCall(
    name="book_table", arguments='{"people": 2}', result="ok", started_ms=7_310.0, ended_ms=7_350.0, ended=True
)


def at(ms: float) -> int:
    """ns since 1970 of a time after sample 0."""
    return STARTED_NS + round((T0_MONO_MS - STARTED_MONO_MS + ms) * 1e6)


def samples(ms: float) -> int:
    return round(48 * ms)


def manifest(**changes: Any) -> Manifest:
    timeline = Timeline(rate_hz=48_000, t0_mono_ms=T0_MONO_MS, error_ms=0.5, clock_id="mono:test")
    told = {
        "timelines": {"browser": timeline},
        "started_mono_ms": STARTED_MONO_MS,
        "wall_s": {"join": 1.0, "speak": 4.0},
    }
    return canned.manifest().model_copy(update={**told, "room": "ew-r-c-a1", **changes})


def turn(**changes: Any) -> Turn:
    """The user speaks from 1,000 to 2,000 ms, the agent from 2,450 to 3,500 ms."""
    onset = samples(2_000.0 + HEARD_MS)
    told: dict[str, Any] = {
        "reply_seq": 0,
        "utterance": 0,
        "metrics": canned.measurement().turns[0].metrics,
        "mic_end_sample": samples(2_000.0),
        "onset_sample": onset,
        "spans": {
            "mic": Span(start=samples(1_000.0), end=samples(2_000.0)),
            "ear": Span(start=onset, end=samples(3_500.0)),
        },
        "waterfall": [WaterfallStep(name=name, ms=length) for name, length in STEPS],
    }
    return Turn(**{**told, **changes})


def trace(
    *turns: Turn,
    content: bool = False,
    manifest: Manifest | None = None,
    case: dict[str, Any] | None = None,
    **more: Any,
) -> CallTrace:
    measured: Measurement = canned.measurement(**more).model_copy(update={"turns": list(turns)})
    definition = canned.case(**(case or {}))
    judged = canned.verdict(definition, measured)
    told = manifest if manifest is not None else globals()["manifest"]()
    clock = call_clock(Path("nowhere"), told)
    summary = canned.summary([(definition, judged)])
    return call_trace(JudgedCall(summary, judged, judged.attempts[0], told, clock), content=content)


def named(found: CallTrace, name: str) -> TraceSpan:
    (span,) = [span for span in found.spans if span.name == name]
    return span


def test_what_was_heard_lies_on_the_wall_clock_where_it_was() -> None:
    found = trace(turn())
    user, wait, agent = (named(found, name) for name in ("user_speaking", "response_latency", "agent_speaking"))
    assert (user.start_unix_ns, user.end_unix_ns) == (at(1_000), at(2_000))
    assert (wait.start_unix_ns, wait.end_unix_ns) == (at(2_000), at(2_450))
    assert (agent.start_unix_ns, agent.end_unix_ns) == (at(2_450), at(3_500))
    whole = named(found, "turn")
    assert (whole.start_unix_ns, whole.end_unix_ns) == (at(1_000), at(3_500))
    assert whole.attributes["earwitness.user_kpi_raw_ms"] == HEARD_MS
    root = found.spans[0]
    assert (root.start_unix_ns, root.end_unix_ns) == (STARTED_NS, STARTED_NS + 5_000_000_000)


def test_the_steps_of_the_waterfall_fill_the_wait_one_after_the_other() -> None:
    found = trace(turn())
    wait = named(found, "response_latency")
    steps = [span for span in found.spans if span.parent_id == wait.span_id]
    assert [span.name for span in steps] == [name for name, _ in STEPS]
    assert [span.attributes["earwitness.duration_ms"] for span in steps] == [length for _, length in STEPS]
    assert steps[0].start_unix_ns == wait.start_unix_ns
    assert steps[-1].end_unix_ns == wait.end_unix_ns
    assert all(one.end_unix_ns == other.start_unix_ns for one, other in pairwise(steps))


def test_behind_a_step_of_unknown_length_no_place_is_made_up() -> None:
    steps = [
        WaterfallStep(name="STT", ms=60.0),
        WaterfallStep(name="first token", ms=None, reason="the trace has none"),
        WaterfallStep(name="received", ms=20.0),
    ]
    found = trace(turn(waterfall=steps))
    wait = named(found, "response_latency")
    assert [span.name for span in found.spans if span.parent_id == wait.span_id] == ["STT"]
    assert wait.attributes["earwitness.waterfall.unknown"] == "first token: the trace has none"
    (event,) = wait.events
    assert event.attributes == {"earwitness.step": "received", "earwitness.duration_ms": 20.0}


def test_where_the_others_make_up_the_whole_wait_an_unknown_step_leaves_no_gap() -> None:
    steps = [
        WaterfallStep(name="STT", ms=100.0),
        WaterfallStep(name="first segment", ms=None, reason="not told"),
        WaterfallStep(name="TTS first PCM", ms=350.0),
    ]
    last = named(trace(turn(waterfall=steps)), "TTS first PCM")
    assert (last.start_unix_ns, last.end_unix_ns) == (at(2_100), at(2_450))


def test_an_agent_that_spoke_first_has_a_negative_latency_and_no_span_that_ends_before_it_starts() -> None:
    early = turn(onset_sample=samples(1_900.0), waterfall=[WaterfallStep(name="unexplained", ms=-100.0)])
    found = trace(early)
    for name in ("response_latency", "unexplained"):
        span = named(found, name)
        assert (span.start_unix_ns, span.end_unix_ns) == (at(1_900), at(2_000))
        assert span.attributes["earwitness.duration_ms"] == -100.0


def test_ids_follow_from_the_call_alone() -> None:
    one, again = trace(turn()), trace(turn())
    assert one == again
    assert len(one.trace_id) == 32
    ids = [span.span_id for span in one.spans]
    assert len(set(ids)) == len(ids)
    assert {len(span_id) for span_id in ids} == {16}
    assert {span.parent_id for span in one.spans} <= {"", *ids}
    other = trace(turn(), manifest=manifest(trace_id="r-c-a2"))
    assert other.trace_id != one.trace_id
    assert not set(ids) & {span.span_id for span in other.spans}


def test_a_call_is_told_in_the_words_of_the_conventions() -> None:
    found = trace(turn(), manifest=manifest(host={"system": "Linux 6.1", "machine": "x86_64", "cpu_count": 4}))
    assert found.resource == {
        "service.name": "earwitness",
        "host.arch": "amd64",
        "os.type": "linux",
        "earwitness.host.class": "Linux x86_64, 4 cores",
    }
    root = found.spans[0]
    assert root.name == "call c"
    assert root.outcome == "ok"
    told = {
        "gen_ai.conversation.id": "ew-r-c-a1",
        "session.id": "ew-r-c-a1",
        "test.suite.name": "fast",
        "test.case.name": "c",
        "test.case.result.status": "pass",
        "earwitness.run_id": "r",
        "earwitness.trace_id": "r-c-a1",
        "earwitness.status": "PASS",
    }
    assert told.items() <= root.attributes.items()


def test_gates_are_events_and_one_that_fails_stands_with_its_turn() -> None:
    found = trace(turn(metrics=late()))
    root, one = found.spans[0], named(found, "turn")
    assert (root.outcome, root.attributes["test.case.result.status"]) == ("error", "fail")
    assert one.outcome == "error"
    (event,) = [e for e in one.events if e.attributes["gen_ai.evaluation.name"] == "eot_to_first_audio"]
    assert event.name == "gen_ai.evaluation.result"
    assert event.at_unix_ns == one.end_unix_ns
    assert event.attributes["gen_ai.evaluation.score.value"] == 9_000.0
    assert event.attributes["gen_ai.evaluation.score.label"] == "FAIL"
    assert "eot_to_first_audio" in root.message
    passed = {e.attributes["gen_ai.evaluation.name"] for e in root.events}
    assert "replies" in passed
    assert "eot_to_first_audio" not in passed
    assert not any(e.attributes["gen_ai.evaluation.score.label"] == "NOT_APPLICABLE" for e in root.events)


def late() -> dict[str, Metric]:
    (good,) = canned.measurement().turns
    return {**good.metrics, "eot_to_first_audio_ms": canned.metric(9_000.0)}


def test_what_could_not_be_measured_is_neither_right_nor_wrong() -> None:
    definition = canned.case()
    judged = canned.verdict(definition, None, status=CaptureStatus.HARNESS_ERROR, detail="a fault of ours")
    assert judged.status is not Status.FAIL
    call = JudgedCall(
        canned.summary([(definition, judged)]), judged, judged.attempts[0], manifest(), call_clock(Path(), manifest())
    )
    (root,) = call_trace(call).spans
    assert root.outcome == ""
    assert "test.case.result.status" not in root.attributes
    assert root.attributes["earwitness.capture_status"] == "HARNESS_ERROR"


@pytest.mark.parametrize("content", [False, True])
@pytest.mark.parametrize("measured", [False, True])
def test_what_the_agent_said_when_a_dialogue_gave_up_is_told_only_where_words_may_go(
    measured: bool, content: bool
) -> None:
    status, detail = (
        CaptureStatus.DIALOGUE_GAVE_UP,
        "dialogue.asks: too long; since the user's last line it said 'my secret'",
    )
    heard = canned.measurement().model_copy(update={"capture_status": status, "detail": detail, "turns": []})
    definition = canned.case()
    judged = canned.verdict(definition, heard if measured else None, status=status, detail=detail)
    told = manifest().model_copy(update={"status": status, "detail": detail})
    call = JudgedCall(
        canned.summary([(definition, judged)]), judged, judged.attempts[0], told, call_clock(Path("nowhere"), told)
    )
    found = call_trace(call, content=content)
    assert found.spans[0].outcome == "error"
    assert found.spans[0].attributes["earwitness.capture_status"] == "DIALOGUE_GAVE_UP"
    assert ("my secret" in repr(found)) is content


def test_a_tool_is_a_span_of_its_turn_and_its_words_stay_here() -> None:
    failed = BOOKED.model_copy(update={"name": "pay", "error": "card 4711 refused", "result": ""})
    spoken = turn(tools=[BOOKED, failed], understood="two people", said="booked")
    found = trace(spoken)
    tool = named(found, "execute_tool book_table")
    assert tool.parent_id == named(found, "turn").span_id
    assert (tool.start_unix_ns, tool.end_unix_ns) == (at(2_310), at(2_350))
    assert tool.attributes["gen_ai.tool.name"] == "book_table"
    assert (named(found, "execute_tool pay").outcome, tool.outcome) == ("error", "")
    quiet = repr(found)
    assert not any(word in quiet for word in ("people", "booked", "4711"))
    loud = trace(spoken, content=True)
    assert named(loud, "execute_tool book_table").attributes["gen_ai.tool.call.arguments"] == '{"people": 2}'
    assert named(loud, "execute_tool pay").message == "card 4711 refused"
    (message,) = json.loads(str(named(loud, "turn").attributes["gen_ai.output.messages"]))
    assert message == {"role": "assistant", "parts": [{"type": "text", "content": "booked"}]}


def test_a_gate_that_quotes_the_call_explains_itself_only_where_words_may_go() -> None:
    quoted = "'yes' is not in the agent's own text: 'my secret'"
    (good,) = canned.measurement().turns
    missing = Metric(value=1.0, unit="count", reason=quoted)
    told = turn(
        metrics={**good.metrics, "phrases_missing_count": missing, "phrases_forbidden_count": canned.metric(0.0)}
    )
    case = {"expect": {"says": ["yes"]}}
    assert "my secret" not in repr(trace(told, case=case))
    assert "my secret" in repr(trace(told, case=case, content=True))


def test_every_gate_over_words_and_tools_is_one_that_quotes() -> None:
    of_words = {"phrases", "wer", "tools", "do", "words"}
    expected = {gate.id for gate in TABLE if of_words & set(gate.metric.split("_"))}
    assert {gate.id for gate in TABLE if gate.quotes} == expected


def test_a_defect_stands_where_it_was_heard() -> None:
    defect = Defect(kind="dropout", ring="ear", start_ms=2_800.0, duration_ms=120.0, born="in_rtc")
    unplaced = Defect(kind="click", ring="pre_rtc", start_ms=100.0, duration_ms=5.0)
    agent = named(trace(turn(defects=[defect, unplaced])), "agent_speaking")
    assert [event.at_unix_ns for event in agent.events] == [at(2_800), agent.start_unix_ns]
    assert agent.events[0].attributes["earwitness.defect.born"] == "in_rtc"


def test_without_a_clock_only_the_call_itself_is_told_with_all_its_gates() -> None:
    clockless = manifest(timelines={})
    (root,) = trace(turn(metrics=late()), manifest=clockless).spans
    assert root.outcome == "error"
    assert "eot_to_first_audio" in {event.attributes["gen_ai.evaluation.name"] for event in root.events}


def test_an_older_capture_is_placed_by_the_first_line_of_its_load(tmp_path: Path) -> None:
    (tmp_path / HOST_LOAD).write_text('{"t_mono_ms": 4300.0, "cpu_percent": null, "loop_lag_ms": 0.1}\n')
    older = manifest(started_mono_ms=None)
    clock = call_clock(tmp_path, older)
    assert clock.of("ear", samples(1_000)) == at(1_000)
    assert clock.error_ms == 300.0
    assert call_clock(tmp_path / "gone", older).of("ear", 0) is None
    assert call_clock(tmp_path, manifest()).error_ms == 1.0


def test_a_recording_that_no_clock_ties_has_no_time() -> None:
    clock = CallClock(Clocks({}), STARTED_NS)
    assert clock.of("ear", 0.0) is None
    assert clock.of("pre_rtc", 0.0) is None
    assert clock.at(None) is None


def test_a_start_that_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="isoformat"):
        trace(turn(), manifest=manifest(started_at="yesterday"))
