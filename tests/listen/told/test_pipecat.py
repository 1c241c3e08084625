"""Pipecat's spans: those that a bot of release 1.14 sent in a call over LiveKit, and made ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.listen.told.pipecat import pipecat_replies
from tests.listen.told_spans import Spans, read_spans, relative

RECORDED = Path(__file__).with_name("pipecat_call.jsonl")
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


def test_the_spans_of_a_bot_give_its_steps_and_its_claim() -> None:
    spans = read_spans(RECORDED)
    (reply,) = pipecat_replies(spans)
    transcript, model, voice = (next(span for span in spans if span.name == name) for name in ("stt", "llm", "tts"))
    assert reply.claimed_ms == pytest.approx(638.3, abs=0.01)
    assert transcript.end_ms - reply.marks["user_eot"] == pytest.approx(323.4, abs=0.01)
    assert reply.marks["vad_end"] == model.start_ms
    assert reply.marks["llm_first_token"] - model.start_ms == pytest.approx(150.2, abs=0.1)
    assert reply.marks["tts_first_pcm"] - voice.start_ms == pytest.approx(143.1, abs=0.1)
    assert reply.marks["first_publish"] - reply.marks["tts_first_pcm"] == pytest.approx(11.0, abs=0.1)
    assert list(reply.marks.values()) != sorted(reply.marks.values()), "the transcript came ahead of the decision"


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
