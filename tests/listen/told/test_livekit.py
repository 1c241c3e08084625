"""LiveKit Agents' spans: those that a stock worker of release 1.8.9 sent in a call, and made ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.listen.told.livekit import livekit_replies, livekit_tools
from tests.listen.told_spans import Spans, read_spans, relative

RECORDED = Path(__file__).with_name("livekit_call.jsonl")


def test_the_spans_of_a_stock_worker_give_its_steps_and_its_claim() -> None:
    spans = read_spans(RECORDED)
    (reply,) = livekit_replies(spans)
    waited = next(span for span in spans if span.name == "eou_wait")
    spoke = next(span for span in spans if span.name == "agent_speaking")
    thought = next(span for span in spans if span.name == "llm_node")
    assert reply.claimed_ms == pytest.approx(2_614.97, abs=0.01)
    assert reply.marks["user_eot"] == waited.start_ms
    assert reply.marks["vad_end"] == pytest.approx(waited.end_ms, abs=1.0), "the attribute and the span agree"
    assert reply.marks["stt_done"] - waited.start_ms == pytest.approx(245.69, abs=0.01)
    assert reply.marks["llm_first_token"] - thought.start_ms == pytest.approx(4.03, abs=0.01)
    assert reply.marks["tts_first_pcm"] == spoke.start_ms
    assert (reply.counts_from_ms, reply.counts_to_ms) == (pytest.approx(waited.start_ms, abs=1.0), spoke.start_ms)


def test_a_reply_after_a_tool_is_timed_by_the_model_that_answered() -> None:
    spans = Spans()
    spans.livekit_turn(500, 1_700, 3_200, claimed_s=1.5, tool_ms=800)
    (reply,) = livekit_replies(spans.lines)
    marks = relative(reply.marks.items(), 1_700)
    assert marks == {
        "user_eot": 0, "vad_end": 250, "stt_done": 100, "tools_done": 1_073, "llm_first_token": 1_125,
        "llm_first_segment": 1_460, "tts_first_pcm": 1_500,
    }  # fmt: skip
    (tool,) = livekit_tools(spans.lines)
    assert (tool.name, tool.arguments, tool.result, tool.failed) == ("book_table", '{"people": 2}', "booked", False)
    assert tool.ended_ms - tool.began_ms == pytest.approx(800)


def test_a_release_without_eou_wait_dates_the_end_of_speech_by_user_speaking() -> None:
    spans = Spans()
    spans.livekit_turn(500, 1_700, 2_500, claimed_s=0.8)
    older = [line for line in spans.lines if line.name != "eou_wait"]
    (reply,) = livekit_replies(older)
    assert relative([("eot", reply.marks["user_eot"])], 1_700) == {"eot": 0}
    (reply,) = livekit_replies([line for line in older if line.name != "user_speaking"])
    assert relative([("eot", reply.marks["user_eot"])], 1_700) == {"eot": 0}, "else by the claim itself"


@pytest.mark.parametrize("claimed_s", [None, 0.0, -0.3, 200.0])
def test_an_absurd_claim_moves_no_mark_and_tells_no_moments(claimed_s: float | None) -> None:
    right, wrong = Spans(), Spans()
    right.livekit_turn(500, 1_700, 2_500, claimed_s=0.8)
    wrong.livekit_turn(500, 1_700, 2_500, claimed_s=claimed_s)
    (good,), (bad,) = livekit_replies(right.lines), livekit_replies(wrong.lines)
    assert bad.marks == good.marks
    assert bad.anchor_ms == good.anchor_ms
    assert (bad.counts_from_ms, bad.counts_to_ms) == (None, None)
    assert good.counts_from_ms is not None


def test_an_unknown_delay_written_as_0_is_no_delay() -> None:
    spans = Spans()
    user = spans.add("user_turn", 500, 2_000, lk__end_of_turn_delay=0, lk__transcription_delay=0)
    spans.add("user_speaking", 500, 1_700, user)
    turn = spans.add("agent_turn", 2_000, 4_000)
    spans.add("agent_speaking", 2_400, 4_000, turn)
    (reply,) = livekit_replies(spans.lines)
    assert reply.marks.keys() == {"user_eot", "tts_first_pcm"}


@pytest.mark.parametrize(
    "not_told", [(), ("agent_speaking",), ("agent_speaking", "eou_wait")],
    ids=["heard", "given up ahead of its first sound", "of an earlier release"],
)  # fmt: skip
def test_a_turn_of_the_user_that_interrupts_a_reply_is_not_the_one_that_it_answers(not_told: tuple[str, ...]) -> None:
    spans = Spans()
    spans.livekit_turn(500, 1_700, 4_000, claimed_s=2.3)
    interrupts = spans.add("user_turn", 3_000, 4_800, lk__end_of_turn_delay=0.3)
    spans.add("user_speaking", 3_000, 4_500, interrupts)
    spans.add("eou_wait", 4_500, 4_800, interrupts, lk__eou__outcome="committed")
    lines = [line for line in spans.lines if line.name not in not_told]
    (reply,) = livekit_replies(lines)
    assert relative([("eot", reply.marks["user_eot"])], 1_700) == {"eot": 0}


def test_spans_in_any_order_tell_the_same() -> None:
    spans = Spans()
    spans.livekit_turn(500, 1_700, 3_200, claimed_s=1.5, tool_ms=800)
    spans.livekit_turn(5_500, 6_700, 7_500, claimed_s=0.8)
    older = [line for line in spans.lines if line.name != "eou_wait"]
    for lines in (spans.lines, older):
        assert livekit_replies(lines[::-1]) == livekit_replies(lines)
        assert livekit_tools(lines[::-1]) == livekit_tools(lines)


def test_spans_whose_parents_go_in_a_circle_end() -> None:
    spans = Spans()
    turn = spans.add("agent_turn", 0, 100, "0000000000000002")
    spans.add("agent_speaking", 10, 90, turn)
    assert len(livekit_replies(spans.lines)) == 1


def test_a_span_of_another_library_is_none_of_its() -> None:
    spans = Spans(scope="my.own.tracer")
    spans.livekit_turn(500, 1_700, 2_500, claimed_s=0.8)
    assert livekit_replies(spans.lines) == []
