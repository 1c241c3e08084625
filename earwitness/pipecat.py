"""Two lines that let Earwitness measure a Pipecat bot inside:

    from earwitness.pipecat import attach
    attach(worker, transport)   # a PipelineWorker and its LiveKitTransport, ahead of running it

The bot's environment needs nothing for it but this package (`pip install --no-deps earwitness`). Without
`EARWITNESS_CAPTURES`, which the harness sets, `attach` does nothing at all. With it, nothing of what may fail in it reaches
the pipeline: the first failure is logged. Written for pipecat-ai 1.14; the room and the audio source of its transport are no
public names. A transport without a LiveKit room (SmallWebRTC, Daily) has nobody who asks: one line is logged.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import Any

from earwitness.attached.call import Call
from earwitness.attached.pipecat_turn import Turn, kinds_of
from earwitness.attached.taps import Guard, before
from earwitness.attached.wire import TOPIC, cut, now_ms
from earwitness.attached.words import TOPIC as WORDS_TOPIC
from earwitness.attached.words import Words

CAPTURES = "EARWITNESS_CAPTURES"
CLAIM = "UserBotLatencyObserver"  # Pipecat's own figure of a reply's latency
AUDIO = 1  # livekit.rtc.TrackKind.KIND_AUDIO
TEXT_BYTES = 2_000  # of a transcript in an event, which holds 14,000
log = logging.getLogger("earwitness")


def attach(worker: Any, transport: Any) -> None:
    """Measure this bot inside, if the harness has started it. Call it before the worker runs."""
    captures = os.environ.get(CAPTURES)
    if not captures:
        return
    try:
        if not hasattr(type(getattr(transport, "_client", None)), "room"):
            log.warning("earwitness: %s has no LiveKit room; the bot is not measured inside", type(transport).__name__)
            return
        _Attached(worker, transport, Path(captures)).start()
    except Exception:
        log.exception("earwitness: the bot is not measured inside")


class _Attached:
    """Listens to the room, to the pipeline and to its output, and tells `call`."""

    def __init__(self, worker: Any, transport: Any, captures: Path) -> None:
        self.worker, self.transport = worker, transport
        self.call = Call(self._send, captures, log, tells_of_tools=True)
        self.words = Words(self._open_stream, log)
        self.turn = Turn()
        self._guarded = Guard(log)
        self._source: Any = None
        self._says: list[str] = []  # the pieces of the reply that is spoken
        self._bot_speaks = False  # the output takes the bot to be speaking
        self._interrupted = False
        self._ending: asyncio.TimerHandle | None = None  # the reply is handed over, and still plays
        self._answering = False  # the model's response is open
        self._promised = False  # it has given text, or called a tool: something is still to be heard
        self._state = ""
        self._claimed_ms: float | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """The barrier is answered from the last line on: a bot that cannot be looked at says nothing at all."""
        from pipecat.observers.base_observer import BaseObserver  # there when a bot attaches
        from pipecat.observers.user_bot_latency_observer import UserBotLatencyObserver

        look = self._guarded(self._pushed)

        class Observer(BaseObserver):
            def __init__(self) -> None:
                super().__init__(observe_every_push=False)

            async def on_push_frame(self, data: Any) -> None:
                look(data)

        latency = UserBotLatencyObserver()
        latency.add_event_handler("on_latency_measured", self._guarded(self._latency))
        output = self.transport.output()
        before(output, "push_frame", self._guarded(self._output_pushes))
        before(output, "write_audio_frame", self._guarded(self._written))
        self.worker.add_observer(Observer())
        self.worker.add_observer(latency)
        self.worker.add_event_handler("on_pipeline_finished", self._guarded(self._finished))
        self.transport.add_event_handler("on_data_received", self._guarded(self._packet))

    # the room

    @property
    def _room(self) -> Any:
        return self.transport._client.room

    async def _send(self, payload: bytes) -> None:
        await self._room.local_participant.publish_data(payload, reliable=True, topic=TOPIC)

    async def _open_stream(self, attributes: dict[str, str]) -> Any:
        return await self._room.local_participant.stream_text(topic=WORDS_TOPIC, attributes=attributes)

    def _packet(self, _: Any, data: Any, *__: Any) -> None:
        """Pipecat does not tell the topic; what is no event of ours is not for us."""
        self.call.received(bytes(data))
        self._look_at_source()
        if self.call.measured and not self._tasks:
            running = asyncio.get_running_loop()
            self._tasks = [running.create_task(self.call.deliver()), running.create_task(self.words.publish())]

    def _user_track(self) -> str:
        user = self._room.remote_participants.get(self.call.user or "")
        tracks = user.track_publications.values() if user is not None else ()
        return next((str(track.sid) for track in tracks if track.kind == AUDIO), "")

    def _finished(self, *_: Any) -> None:
        self.call.finish()
        for task in self._tasks:
            task.cancel()

    # the pipeline, as an observer sees it

    def _pushed(self, data: Any) -> None:
        if data.direction.name != "DOWNSTREAM":  # what is broadcast is told once
            return
        frame, t_ms = data.frame, _pushed_ms(data)
        kinds = kinds_of(frame)
        self.turn.frame(kinds, frame, t_ms, data.source.name)
        if "TranscriptionFrame" in kinds:
            self.words.user(frame.text, self._user_track() if self.call.measured else "")
            self.call.say("transcript", t_ms=t_ms, role="user", text=cut(frame.text, TEXT_BYTES), final=True)
        elif "TTSAudioRawFrame" in kinds:
            self._first_sound(t_ms)
        elif "LLMFullResponseStartFrame" in kinds:
            self._answering, self._promised = True, False
            self._settle()
        elif "LLMTextFrame" in kinds or "FunctionCallsStartedFrame" in kinds:
            self._promised = True
        elif "LLMFullResponseEndFrame" in kinds:
            self._answering = False
            self._settle()
        elif "InterruptionFrame" in kinds:
            self._answering = self._promised = False
            self._settle()
        else:
            self._tools(kinds, frame, t_ms)

    def _tools(self, kinds: frozenset[str], frame: Any, t_ms: float) -> None:
        if "FunctionCallInProgressFrame" in kinds:
            arguments = json.dumps(frame.arguments, default=str)
            self.call.tool(frame.tool_call_id, frame.function_name, arguments, t_ms)
        elif "FunctionCallResultFrame" in kinds and getattr(frame.properties, "is_final", True):
            error = getattr(frame, "error", None)
            told = {"error": str(error)} if error else {"result": _as_text(frame.result)}
            self.call.tool_returned(frame.tool_call_id, t_ms, **told)
        elif "FunctionCallCancelFrame" in kinds:
            self.call.tool_returned(frame.tool_call_id, t_ms, error="cancelled")

    def _settle(self) -> None:
        """The agent's state, which Pipecat does not have: it speaks, it has still to answer, or it listens."""
        if self.call.speaking is not None:
            state = "SPEAKING"
        else:
            state = "THINKING" if self._answering or self._promised or self.call.at_work else "LISTENING"
        if state != self._state:
            self._state = state
            self.call.state(state, "pipeline")

    def _first_sound(self, t_ms: float) -> None:
        reply = self.call.speaking
        if reply is None:
            self.turn.stamp("tts_first_pcm", t_ms)
        elif t_ms <= reply.t["first_publish"]:  # the observer is told a moment later than the output
            reply.stamp("tts_first_pcm", t_ms)

    def _latency(self, _: Any, latency_s: float) -> None:
        reply = self.call.speaking
        if reply is not None and reply.claimed_ms is None and "user_eot" in reply.t:
            reply.claimed_ms = 1e3 * latency_s
        else:
            self._claimed_ms = 1e3 * latency_s

    # its output

    def _output_pushes(self, frame: Any, direction: Any = None) -> None:
        """Told ahead of the frame's way on: a reply lies between two frames of the output's own."""
        if direction is not None and direction.name != "DOWNSTREAM":
            return
        kinds = kinds_of(frame)
        if "BotStartedSpeakingFrame" in kinds:
            self._bot_speaks, self._interrupted = True, False
            if self._ending is not None:  # what is handed over while the last still plays continues it
                self._ending.cancel()
                self._ending = None
                self.call.handed_over(whole=False)
        elif "InterruptionFrame" in kinds:
            self._interrupted = True
        elif "BotStoppedSpeakingFrame" in kinds:
            self._stopped()
        elif "TTSTextFrame" in kinds:
            self._spoken(frame)

    def _spoken(self, frame: Any) -> None:
        """Pipecat sends the text that counts as spoken past the output in step with its sound."""
        spaced = bool(getattr(frame, "includes_inter_frame_spaces", False)) or not self._says
        piece = frame.text if spaced else " " + frame.text
        self._says.append(piece)
        self.words.agent(piece)

    def _written(self, *_: Any) -> None:
        self._look_at_source()
        if self._bot_speaks and self.call.speaking is None:
            reply = self.call.begin_reply()
            reply.claim, reply.claimed_ms, self._claimed_ms = CLAIM, self._claimed_ms, None
            self.turn.give(reply)
            self._promised = False
            self._settle()

    def _look_at_source(self) -> None:
        """Tap the audio source when it is there, and again where another has taken its place."""
        source = self.transport._client._audio_source
        if source is None or source is self._source:
            return
        self._source = source
        queue_s = 1e-3 * self.transport._params.audio_out_queue_size_ms
        self.call.record(source.sample_rate, source.num_channels, queue_s)
        before(source, "capture_frame", self._guarded(lambda frame: self.call.frame(bytes(frame.data))))
        before(source, "clear_queue", self._guarded(self._cleared))

    def _stopped(self) -> None:
        """The reply's last frame is in the queue, which holds up to a second."""
        self._bot_speaks = False
        if self.call.speaking is None:
            return
        self.call.handed_over()
        left_s = self._source.queued_duration if self._source is not None else 0.0
        self._ending = asyncio.get_running_loop().call_later(left_s, self._guarded(self._end))

    def _cleared(self) -> None:
        """An interruption: Pipecat's output drops its own, then the source's queue."""
        self.call.dropped(self._source.queued_duration)
        self._interrupted = not self._bot_speaks  # else what may not be interrupted is still to come
        if self._interrupted:
            self._end()

    def _end(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        reply = self.call.speaking
        if reply is None:
            return
        reply.text, self._says, self._promised = "".join(self._says).strip(), [], False
        self.words.agent_is_done()
        if reply.text:
            self.call.say("transcript", reply_seq=reply.seq, role="agent", text=cut(reply.text, TEXT_BYTES), final=True)
        self.call.end_reply("interrupted" if self._interrupted else "completed")
        self._settle()


def _pushed_ms(data: Any) -> float:
    """The pipeline's clock counts ns from its start; an observer is told later than a frame is pushed."""
    clock_ns = data.source.get_clock().get_time()
    return now_ms() - max(0.0, 1e-6 * (clock_ns - data.timestamp))


def _as_text(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result, default=str)
