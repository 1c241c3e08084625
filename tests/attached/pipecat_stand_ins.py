"""Pipecat's frames and objects as `earwitness.pipecat` sees them, with the names and fields of pipecat-ai 1.14.

Pipecat itself pins another version of the LiveKit SDK; `tests/live/test_attached_bot.py` runs a real bot.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class FrameDirection(Enum):
    DOWNSTREAM = 1
    UPSTREAM = 2


class Frame:
    """Every frame's base."""


@dataclass
class VADUserStartedSpeakingFrame(Frame):
    timestamp: float
    start_secs: float = 0.2


@dataclass
class VADUserStoppedSpeakingFrame(Frame):
    timestamp: float
    stop_secs: float = 0.2


class UserStartedSpeakingFrame(Frame): ...


class UserStoppedSpeakingFrame(Frame): ...


class InterruptionFrame(Frame): ...


class BotStartedSpeakingFrame(Frame): ...


class BotStoppedSpeakingFrame(Frame): ...


class LLMFullResponseStartFrame(Frame): ...


class LLMFullResponseEndFrame(Frame): ...


class TTSStartedFrame(Frame): ...


class TTSAudioRawFrame(Frame): ...


@dataclass
class TextFrame(Frame):
    text: str
    includes_inter_frame_spaces: bool = False


class LLMTextFrame(TextFrame): ...


class TranscriptionFrame(TextFrame): ...


class InterimTranscriptionFrame(TextFrame): ...


class AggregatedTextFrame(TextFrame): ...


class TTSTextFrame(AggregatedTextFrame): ...


@dataclass
class TTFBMetricsData:
    processor: str
    value: float


@dataclass
class MetricsFrame(Frame):
    data: list[Any]


@dataclass
class FunctionCallInProgressFrame(Frame):
    tool_call_id: str
    function_name: str
    arguments: Any


@dataclass
class FunctionCallResultFrame(Frame):
    tool_call_id: str
    result: Any
    properties: Any = None
    error: str | None = None


@dataclass
class AudioFrame:
    """livekit.rtc.AudioFrame"""

    data: bytes


@dataclass
class Source:
    """livekit.rtc.AudioSource: what is captured is queued, and plays as `queued_duration` tells."""

    sample_rate: int = 24_000
    num_channels: int = 1
    queued_duration: float = 0.0

    async def capture_frame(self, frame: AudioFrame) -> None:
        self.queued_duration += len(frame.data) / 2 / self.sample_rate

    def clear_queue(self) -> None:
        self.queued_duration = 0.0


@dataclass
class Room:
    sent: list[bytes] = field(default_factory=list)
    streamed: list[list[Any]] = field(
        default_factory=list
    )  # attributes, then the pieces, then None where it was closed
    remote_participants: dict[str, Any] = field(default_factory=dict)

    @property
    def local_participant(self) -> Room:
        return self

    async def publish_data(self, payload: bytes, *, reliable: bool, topic: str) -> None:
        assert (reliable, topic) == (True, "earwitness.v1")
        self.sent.append(payload)

    async def stream_text(self, *, topic: str, attributes: dict[str, str]) -> Writer:
        assert topic == "lk.transcription"
        self.streamed.append([attributes])
        return Writer(self.streamed[-1])


@dataclass
class Writer:
    pieces: list[Any]

    async def write(self, text: str) -> None:
        self.pieces.append(text)

    async def aclose(self) -> None:
        self.pieces.append(None)


class Client:
    """LiveKitTransportClient"""

    def __init__(self) -> None:
        self._room, self._audio_source = Room(), Source()

    @property
    def room(self) -> Room:
        return self._room


@dataclass
class Params:
    audio_out_queue_size_ms: int = 1_000


class Clock:
    def get_time(self) -> int:
        return time.monotonic_ns()


class Output:
    """LiveKitOutputTransport, with the order in which it does things."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None: ...

    async def write_audio_frame(self, frame: AudioFrame) -> bool:
        await self._client._audio_source.capture_frame(frame)
        return True

    async def starts(self) -> None:
        await self.push_frame(BotStartedSpeakingFrame())
        await self.push_frame(BotStartedSpeakingFrame(), FrameDirection.UPSTREAM)

    async def stops(self) -> None:
        await self.push_frame(BotStoppedSpeakingFrame())
        await self.push_frame(BotStoppedSpeakingFrame(), FrameDirection.UPSTREAM)

    async def is_interrupted(self, *, speaking: bool) -> None:
        await self.push_frame(InterruptionFrame())
        if speaking:
            await self.stops()
        self._client._audio_source.clear_queue()


class Transport:
    """LiveKitTransport"""

    def __init__(self) -> None:
        self._client, self._params, self.handlers = Client(), Params(), {}
        self._output = Output(self._client)

    handlers: dict[str, Callable[..., None]]

    def output(self) -> Output:
        return self._output

    def add_event_handler(self, name: str, handler: Callable[..., None]) -> None:
        self.handlers[name] = handler

    async def packet(self, payload: bytes) -> None:
        self.handlers["on_data_received"](self, payload, "probe")
        await asyncio.sleep(0.01)


class Worker:
    """PipelineWorker"""

    def __init__(self) -> None:
        self.observers: list[Any] = []
        self.handlers: dict[str, Callable[..., None]] = {}

    def add_observer(self, observer: Any) -> None:
        self.observers.append(observer)

    def add_event_handler(self, name: str, handler: Callable[..., None]) -> None:
        self.handlers[name] = handler

    async def pushes(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM, source: str = "Service#0"
    ) -> None:
        for observer in self.observers:
            await observer.on_push_frame(Pushed(frame, direction, Processor(source)))


@dataclass
class Processor:
    name: str

    def get_clock(self) -> Clock:
        return Clock()


@dataclass
class Pushed:
    frame: Frame
    direction: FrameDirection
    source: Processor
    timestamp: int = field(default_factory=time.monotonic_ns)


class BaseObserver:
    """pipecat.observers.base_observer"""

    def __init__(self, *, observe_every_push: bool = True) -> None:
        assert not observe_every_push, "every hop of every frame of sound would cost the bot time"

    async def on_push_frame(self, data: Pushed) -> None: ...


class UserBotLatencyObserver(BaseObserver):
    """pipecat.observers.user_bot_latency_observer"""

    def __init__(self) -> None:
        super().__init__(observe_every_push=False)
        self.handlers: dict[str, Callable[..., None]] = {}

    def add_event_handler(self, name: str, handler: Callable[..., None]) -> None:
        self.handlers[name] = handler

    def measured(self, latency_s: float) -> None:
        self.handlers["on_latency_measured"](self, latency_s)
