"""A LiveKit Agents worker whose model hears and speaks by itself (a stand-in for a realtime API), with `attach`.

The model takes the user to be done after HANGOVER_S of quiet, and answers with the babble of examples/livekit_worker/worker.py.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import NOT_GIVEN, Agent, AgentServer, AgentSession, JobContext, cli, llm
from worker import FRAME_SAMPLES, RATE_HZ, babble

from earwitness.livekit import attach

LOUD = 300.0  # RMS of a frame with speech, int16
HANGOVER_S = 0.4
THINKS_S = 0.1


class Listener(llm.RealtimeSession[Any]):
    """The server's side of a realtime API."""

    def __init__(self, model: llm.RealtimeModel) -> None:
        super().__init__(model)
        self._context, self._tools = llm.ChatContext.empty(), llm.ToolContext.empty()
        self._quiet_s: float | None = None  # None: nobody has spoken
        self._answers: set[asyncio.Task[None]] = set()

    @property
    def chat_ctx(self) -> llm.ChatContext:
        return self._context

    @property
    def tools(self) -> llm.ToolContext:
        return self._tools

    def push_audio(self, frame: rtc.AudioFrame) -> None:
        samples = np.frombuffer(frame.data, np.int16).astype(np.float64)
        if np.sqrt(np.mean(samples**2)) > LOUD:
            if self._quiet_s is None:
                self.emit("input_speech_started", llm.InputSpeechStartedEvent())
            self._quiet_s = 0.0
        elif self._quiet_s is not None:
            self._quiet_s += frame.duration
            if self._quiet_s >= HANGOVER_S:
                self._quiet_s = None
                self.emit("input_speech_stopped", llm.InputSpeechStoppedEvent(user_transcription_enabled=False))
                task = asyncio.create_task(self._answer())
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)

    async def _answer(self) -> None:
        await asyncio.sleep(THINKS_S)
        self.emit("generation_created", llm.GenerationCreatedEvent(_messages(), _nothing(), user_initiated=False))

    async def update_instructions(self, instructions: str) -> None: ...

    async def update_chat_ctx(self, chat_ctx: llm.ChatContext) -> None:
        self._context = chat_ctx

    async def update_tools(self, tools: list[Any]) -> None: ...

    def update_options(self, *, tool_choice: Any = NOT_GIVEN) -> None: ...

    def push_video(self, frame: rtc.VideoFrame) -> None: ...

    def generate_reply(self, **_: Any) -> asyncio.Future[llm.GenerationCreatedEvent]:
        raise NotImplementedError("it answers when the user is done")

    def commit_audio(self) -> None: ...

    def clear_audio(self) -> None: ...

    def interrupt(self) -> None: ...

    def truncate(self, **_: Any) -> None: ...

    async def aclose(self) -> None: ...


async def _messages() -> AsyncIterator[llm.MessageGeneration]:
    modalities: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
    modalities.set_result(["audio", "text"])
    yield llm.MessageGeneration("message", _words(), _sound(), modalities)


async def _words() -> AsyncIterator[str]:
    yield "This is the local worker."


async def _sound() -> AsyncIterator[rtc.AudioFrame]:
    samples = babble(1.6)
    for start in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        yield rtc.AudioFrame(samples[start : start + FRAME_SAMPLES].tobytes(), RATE_HZ, 1, FRAME_SAMPLES)


async def _nothing() -> AsyncIterator[llm.FunctionCall]:
    for call in ():
        yield call


class Model(llm.RealtimeModel):
    def __init__(self) -> None:
        can = llm.RealtimeCapabilities(
            message_truncation=False, turn_detection=True, user_transcription=False,
            auto_tool_reply_generation=False, audio_output=True, manual_function_calls=False,
        )  # fmt: skip
        super().__init__(capabilities=can)

    def session(self, **_: Any) -> Listener:
        return Listener(self)

    async def aclose(self) -> None: ...


server = AgentServer(load_fnc=lambda: 0.0, load_threshold=float("inf"), host="127.0.0.1", port=0, num_idle_processes=1)


@server.rtc_session(agent_name="realtime-worker")
async def entrypoint(context: JobContext) -> None:
    session: AgentSession = AgentSession(llm=Model(), vad=None)
    attach(session, context)
    await session.start(agent=Agent(instructions=""), room=context.room)


if __name__ == "__main__":
    assert os.environ["EARWITNESS_CAPTURES"], "the harness starts it"
    cli.run_app(server)
