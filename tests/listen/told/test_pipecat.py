"""Pipecat's spans, made as its tracing makes them (no bot of it was recorded)."""

from __future__ import annotations

import pytest

from harness.listen.told.pipecat import pipecat_replies
from tests.listen.told_spans import Spans, relative

EOT_MS = 1_700.0


def turn(claimed_s: float | None, *, stt_ttfb_s: float | None = 0.35) -> Spans:
    """The user ends at 1,700; transcript 2,050; model 2,060 to 2,180 (first text) ; voice 2,200, its first sound 2,300."""
    spans = Spans(scope="pipecat")
    conversation = spans.add("conversation", 0, 6_000, conversation__id="a room")
    root = spans.add("turn", 400, 5_000, conversation, turn__number=1, turn__user_bot_latency_seconds=claimed_s)
    spans.add("stt", 500, 2_050, root, metrics__ttfb=stt_ttfb_s, is_final=True)
    spans.add("llm", 2_060, 2_400, root, metrics__ttfb=0.12)
    spans.add("tts", 2_200, 4_000, root, metrics__ttfb=0.1)
    return spans


def test_a_turn_gives_its_steps_and_its_claim() -> None:
    (reply,) = pipecat_replies(turn(0.64).lines)
    assert reply.claimed_ms == pytest.approx(640)
    assert relative(reply.marks.items(), EOT_MS) == {
        "user_eot": 0, "vad_end": 360, "stt_done": 350, "llm_first_token": 480, "llm_first_segment": 500,
        "tts_first_pcm": 600, "first_publish": 640,
    }  # fmt: skip
    assert reply.counts_from_ms is not None
    assert reply.counts_to_ms is not None
    assert reply.counts_to_ms - reply.counts_from_ms == pytest.approx(640)


@pytest.mark.parametrize("claimed_s", [-0.3, 0.0, 200.0])
def test_an_absurd_claim_moves_no_mark(claimed_s: float) -> None:
    (reply,) = pipecat_replies(turn(claimed_s).lines)
    assert "first_publish" not in reply.marks
    assert reply.anchor_ms == reply.marks["tts_first_pcm"]
    assert reply.counts_from_ms is None


def test_without_the_times_of_the_transcript_the_end_of_speech_is_not_known() -> None:
    (reply,) = pipecat_replies(turn(0.64, stt_ttfb_s=None).lines)
    assert "user_eot" not in reply.marks
    assert reply.counts_from_ms is None


def test_a_turn_in_which_nothing_happened_is_no_reply() -> None:
    spans = Spans(scope="pipecat.turn")
    spans.add("turn", 0, 100, turn__number=1)
    assert pipecat_replies(spans.lines) == []
