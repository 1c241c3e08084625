"""A Pipecat bot that is measured inside, frame by frame: what a reply is, which times it gets, and what is sent of it."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from earwitness.pipecat import CLAIM, attach
from harness.model.events import AgentTurnTrace, parse_event
from tests.attached import pipecat_stand_ins as made
from tests.attached.pipecat_stand_ins import Source, Transport, Worker
from tests.attached.test_call import TRACE_ID, asked

USER, TRACK = "user-1", "TR_user"
SOUND = made.AudioFrame(b"\x00\x20" * 960)  # 40 ms at 24 kHz, as Pipecat hands it over


class Bot:
    """A bot with `attach`, in a room in which the probe has asked."""

    def __init__(self, captures: Path) -> None:
        self.worker, self.transport, self.folder = Worker(), Transport(), captures / TRACE_ID
        self.output, self.room = self.transport.output(), self.transport._client.room
        track = SimpleNamespace(sid=TRACK, kind=1)
        self.room.remote_participants[USER] = SimpleNamespace(track_publications={TRACK: track})

    @property
    def source(self) -> Source:
        return self.transport._client._audio_source

    @property
    def latency(self) -> made.UserBotLatencyObserver:
        (found,) = [one for one in self.worker.observers if isinstance(one, made.UserBotLatencyObserver)]
        return found

    async def is_asked(self) -> None:
        named = json.loads(asked("trace")) | {"data": {"user": USER}}
        await self.transport.packet(json.dumps(named).encode())

    async def user_says(self, text: str, *, ended_s: float) -> None:
        """`ended_s`: how long ago, of a turn of one second."""
        now_s = time.time()
        await self.worker.pushes(made.VADUserStartedSpeakingFrame(now_s - ended_s - 0.8))
        await self.worker.pushes(made.UserStartedSpeakingFrame())
        await self.worker.pushes(made.VADUserStoppedSpeakingFrame(now_s - ended_s + 0.2))
        await self.worker.pushes(made.TranscriptionFrame(text))
        await self.worker.pushes(made.UserStoppedSpeakingFrame())

    async def answers(self, text: str) -> None:
        await self.worker.pushes(made.LLMFullResponseStartFrame(), source="Model#0")
        await self.worker.pushes(made.MetricsFrame([made.TTFBMetricsData("Model#0", 0.1)]), source="Model#0")
        await self.worker.pushes(made.LLMTextFrame(text), source="Model#0")
        await self.worker.pushes(made.LLMFullResponseEndFrame(), source="Model#0")
        await self.worker.pushes(made.AggregatedTextFrame(text))
        await self.worker.pushes(made.TTSStartedFrame())
        await self.worker.pushes(made.TTSAudioRawFrame())

    async def speaks(self, text: str, frames: int = 5) -> None:
        await self.output.starts()
        for _ in range(frames):
            await self.output.write_audio_frame(SOUND)
        await self.output.push_frame(made.TTSTextFrame(text))

    async def falls_silent(self) -> None:
        """Its last frame has been played."""
        self.source.queued_duration = 0.0
        await self.output.stops()
        await self.transport.packet(b"{}")

    async def hangs_up(self) -> list[AgentTurnTrace]:
        await self.transport.packet(asked("trace_end"))
        self.worker.handlers["on_pipeline_finished"](self.worker, None)
        lines = (self.folder / "agent_trace.jsonl").read_text().splitlines()
        return [AgentTurnTrace.model_validate_json(line) for line in lines]

    def sent(self, *types: str) -> list[Any]:
        events = [parse_event(payload) for payload in self.room.sent]
        return [event for event in events if not types or event.type.value in types]


@pytest.fixture(autouse=True)
def pipecat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its two observers, where `attach` looks for them."""
    for name in ("base_observer", "user_bot_latency_observer"):
        monkeypatch.setitem(sys.modules, f"pipecat.observers.{name}", made)  # type: ignore[arg-type]
    for package in ("pipecat", "pipecat.observers"):
        monkeypatch.setitem(sys.modules, package, ModuleType(package))


@pytest.fixture
async def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bot]:
    monkeypatch.setenv("EARWITNESS_CAPTURES", str(tmp_path))
    (tmp_path / TRACE_ID).mkdir()
    bot = Bot(tmp_path)
    attach(bot.worker, bot.transport)
    await bot.is_asked()
    yield bot
    bot.worker.handlers["on_pipeline_finished"](bot.worker, None)


async def test_a_turn_gives_its_reply_every_time_of_the_waterfall_and_the_claim(bot: Bot) -> None:
    await bot.user_says("what time is it", ended_s=0.5)
    await bot.answers("It is noon.")
    bot.latency.measured(0.61)
    await bot.speaks("It is noon.")
    await bot.falls_silent()
    (line,) = await bot.hangs_up()
    t = line.t.model_dump(exclude_none=True)
    order = ["user_speech_start", "user_eot", "stt_done", "vad_end", "llm_first_token", "llm_first_segment",
             "tts_first_pcm", "first_publish", "reply_end"]  # fmt: skip
    assert [name for name in t if name != "tts_request"] != []
    assert [t[name] for name in order] == sorted(t[name] for name in order)
    assert t["vad_end"] - t["user_eot"] == pytest.approx(500, abs=100)
    assert (line.vad_hangover_ms, line.user_text, line.reply_text) == (200.0, "what time is it", "It is noon.")
    assert (line.claim, line.claimed_latency_ms) == (CLAIM, 610.0)
    assert line.pre_start_sample is not None
    assert line.pre_end_sample == line.pre_start_sample + 5 * 40 * 48
    assert (bot.folder / "pre_rtc.wav").stat().st_size > 5 * 1_920


async def test_a_reply_ends_when_it_has_been_played_and_not_when_it_is_handed_over(bot: Bot) -> None:
    await bot.speaks("One.")
    bot.source.queued_duration = 60.0
    await bot.output.stops()
    await bot.transport.packet(b"{}")
    assert bot.sent("reply_end") == []
    await bot.output.starts()  # the next sentence, while the first still plays: no gap is heard
    await bot.output.write_audio_frame(SOUND)
    await bot.falls_silent()
    assert [event.type.value for event in bot.sent("reply_start", "reply_end")] == ["reply_start", "reply_end"]
    (line,) = await bot.hangs_up()
    assert line.pre_start_sample is not None
    assert line.pre_end_sample == line.pre_start_sample + 6 * 40 * 48


@pytest.mark.parametrize("speaking", [True, False], ids=["while it is handed over", "while its rest plays"])
async def test_an_interrupted_reply_ends_where_the_queue_was_dropped(bot: Bot, speaking: bool) -> None:
    await bot.speaks("A long story.", frames=20)  # 800 ms, of which 600 are dropped
    if not speaking:
        await bot.output.stops()
    bot.source.queued_duration = 0.6
    await bot.output.is_interrupted(speaking=speaking)
    await bot.transport.packet(b"{}")
    (end,) = bot.sent("reply_end")
    assert end.data["cause"] == "interrupted"
    (line,) = await bot.hangs_up()
    assert line.pre_start_sample is not None
    assert line.pre_end_sample is not None
    assert line.pre_end_sample - line.pre_start_sample == pytest.approx(200 * 48, abs=20 * 48)
    assert line.t.cancel is not None


async def test_what_may_not_be_interrupted_goes_on(bot: Bot) -> None:
    await bot.speaks("Your rights are these.")
    await bot.output.is_interrupted(speaking=False)  # Pipecat tells no end: frames that may not be dropped are left
    await bot.output.write_audio_frame(SOUND)
    await bot.falls_silent()
    (end,) = bot.sent("reply_end")
    assert end.data["cause"] == "completed"


async def test_the_times_of_the_answer_are_those_after_the_tool(bot: Bot) -> None:
    await bot.user_says("book a table", ended_s=0.5)
    await bot.worker.pushes(made.LLMFullResponseStartFrame(), source="Model#0")
    await bot.worker.pushes(made.MetricsFrame([made.TTFBMetricsData("Model#0", 0.1)]), source="Model#0")
    call = made.FunctionCallInProgressFrame("id-1", "book_table", {"people": 2})
    await bot.worker.pushes(call)
    await bot.worker.pushes(call, made.FrameDirection.UPSTREAM)  # it is broadcast
    await bot.worker.pushes(made.LLMFullResponseEndFrame(), source="Model#0")
    await bot.transport.packet(b"{}")
    assert bot.sent("agent_state")[-1].data["state"] == "THINKING"
    partly = made.FunctionCallResultFrame("id-1", "asking", SimpleNamespace(is_final=False))
    await bot.worker.pushes(partly)
    await bot.worker.pushes(made.FunctionCallResultFrame("id-1", {"table": 7}))
    returned_ms = time.monotonic() * 1e3
    await bot.answers("It is booked.")
    await bot.speaks("It is booked.")
    await bot.falls_silent()
    started, ended = bot.sent("tool_start", "tool_end")
    assert (started.data["name"], json.loads(started.data["arguments"])) == ("book_table", {"people": 2})
    assert json.loads(ended.data["result"]) == {"table": 7}
    assert bot.sent("agent_state")[-1].data["state"] == "LISTENING"
    (line,) = await bot.hangs_up()
    assert line.t.llm_first_token is not None
    assert line.t.llm_first_token >= returned_ms


async def test_what_an_interrupted_voice_still_gives_is_not_the_first_sound_of_the_answer(bot: Bot) -> None:
    await bot.speaks("A long story.")
    await bot.output.is_interrupted(speaking=True)
    await bot.worker.pushes(made.VADUserStartedSpeakingFrame(time.time()))
    await bot.worker.pushes(made.UserStartedSpeakingFrame())
    await bot.worker.pushes(made.TTSAudioRawFrame())
    await bot.worker.pushes(made.UserStoppedSpeakingFrame())
    await bot.answers("I stop.")
    await bot.speaks("I stop.")
    _, line = await bot.hangs_up()
    assert line.t.vad_end is not None
    assert line.t.tts_first_pcm is not None
    assert line.t.tts_first_pcm > line.t.vad_end
    assert not line.prepared


async def test_a_tool_that_raised_has_failed(bot: Bot) -> None:
    await bot.worker.pushes(made.FunctionCallInProgressFrame("id-1", "book_table", {}))
    await bot.worker.pushes(made.FunctionCallResultFrame("id-1", "sorry", error="no table is free"))
    await bot.transport.packet(b"{}")
    (ended,) = bot.sent("tool_end")
    assert (ended.data["error"], ended.data["result"]) == ("no table is free", "")


async def test_a_model_that_hears_and_speaks_by_itself_has_all_its_time_ahead_of_the_first_token(bot: Bot) -> None:
    await bot.worker.pushes(made.UserStartedSpeakingFrame())  # it finds the end by itself: no detector's frames
    await bot.worker.pushes(made.UserStoppedSpeakingFrame())
    await bot.worker.pushes(made.TTSAudioRawFrame())
    await bot.speaks("Hello.")
    await bot.falls_silent()
    (line,) = await bot.hangs_up()
    t = line.t
    assert t.user_eot == t.vad_end == t.stt_done
    assert t.llm_first_token == t.llm_first_segment == t.tts_first_pcm
    assert line.vad_hangover_ms == 0


async def test_a_greeting_and_a_second_reply_have_no_turn_of_the_user(bot: Bot) -> None:
    await bot.worker.pushes(made.TTSAudioRawFrame())
    await bot.speaks("Welcome.")
    await bot.falls_silent()
    await bot.user_says("hello", ended_s=0.3)
    for text in ("Let me see.", "It is noon."):
        await bot.answers(text)
        await bot.speaks(text)
        await bot.falls_silent()
    greeting, first, second = await bot.hangs_up()
    assert greeting.t.tts_first_pcm is not None
    assert first.t.user_eot is not None
    assert [line.t.user_eot for line in (greeting, second)] == [None, None]
    assert second.t.tts_first_pcm is not None
    assert first.t.reply_end is not None
    assert second.t.tts_first_pcm > first.t.reply_end


async def test_a_noise_that_was_no_turn_gives_no_time_to_the_turn_after_it(bot: Bot) -> None:
    now_s = time.time()
    await bot.worker.pushes(made.VADUserStartedSpeakingFrame(now_s - 30))
    await bot.worker.pushes(made.VADUserStoppedSpeakingFrame(now_s - 29))
    await bot.user_says("hello", ended_s=0.3)
    await bot.answers("Hello.")
    await bot.speaks("Hello.")
    (line,) = await bot.hangs_up()
    assert line.t.user_speech_start is not None
    assert line.t.user_eot is not None
    assert line.t.user_eot - line.t.user_speech_start == pytest.approx(1_000, abs=1)


async def test_the_words_of_both_are_published_as_livekit_agents_do(bot: Bot) -> None:
    await bot.user_says("what time is it", ended_s=0.3)
    await bot.speaks("It is noon.")
    await bot.output.push_frame(made.TTSTextFrame("And warm."))
    await bot.falls_silent()
    await bot.transport.packet(b"{}")
    final = {"lk.transcription_final": "true"}
    assert bot.room.streamed == [
        [final | {"lk.segment_id": "user-0", "lk.transcribed_track_id": TRACK}, "what time is it", None],
        [final | {"lk.segment_id": "agent-0"}, "It is noon.", " And warm.", None],
    ]
    told = [(event.data["role"], event.data["text"]) for event in bot.sent("transcript")]
    assert told == [("user", "what time is it"), ("agent", "It is noon. And warm.")]


async def test_interim_words_are_not_taken_for_final_ones(bot: Bot) -> None:
    await bot.worker.pushes(made.InterimTranscriptionFrame("what ti"))
    await bot.transport.packet(b"{}")
    assert bot.room.streamed == []


async def test_without_the_harness_nothing_is_hooked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EARWITNESS_CAPTURES", raising=False)
    worker, transport = Worker(), Transport()
    attach(worker, transport)
    assert (worker.observers, worker.handlers, transport.handlers) == ([], {}, {})
    assert "push_frame" not in vars(transport.output())


async def test_a_transport_without_a_room_is_named_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class SmallWebRTCTransport(Transport):
        def __init__(self) -> None:
            super().__init__()
            self._client = SimpleNamespace()  # type: ignore[assignment]

    monkeypatch.setenv("EARWITNESS_CAPTURES", str(tmp_path))
    worker = Worker()
    with caplog.at_level(logging.WARNING):
        attach(worker, SmallWebRTCTransport())
    assert caplog.messages == ["earwitness: SmallWebRTCTransport has no LiveKit room; the bot is not measured inside"]
    assert worker.observers == []


async def test_a_bot_of_a_release_with_another_output_answers_no_barrier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Output(made.Output):
        @property
        def write_audio_frame(self) -> Any:
            raise AttributeError("it has another name")

    monkeypatch.setenv("EARWITNESS_CAPTURES", str(tmp_path))
    worker, transport = Worker(), Transport()
    transport._output = Output(transport._client)
    attach(worker, transport)
    assert "the bot is not measured inside" in caplog.text
    assert (worker.observers, worker.handlers, transport.handlers) == ([], {}, {})


async def test_what_fails_inside_is_logged_once_and_the_bot_goes_on(bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    bot.transport._client._audio_source = SimpleNamespace(queued_duration=None)  # type: ignore[assignment]
    for _ in range(3):
        await bot.worker.pushes(made.VADUserStoppedSpeakingFrame("yesterday"))  # type: ignore[arg-type]
    await bot.worker.pushes(made.TranscriptionFrame("hello"))
    assert caplog.text.count("is not measured inside") == 1
