"""Two lines that let Earwitness measure a LiveKit Agents worker inside:

    from earwitness.livekit import attach
    attach(session, ctx)   # an AgentSession and its JobContext, ahead of `session.start`

The worker's environment needs nothing for it but this package (`pip install --no-deps earwitness`). Without
`EARWITNESS_CAPTURES`, which the harness sets, `attach` does nothing at all. With it, nothing of what may fail in it reaches
the session: the first failure is logged. Written for livekit-agents 1.8; the audio source of its output is no public name.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

from earwitness.attached.call import Call
from earwitness.attached.taps import Guard, before
from earwitness.attached.turns import Reply
from earwitness.attached.wire import TOPIC, now_ms, since_epoch_to_ms

CAPTURES = "EARWITNESS_CAPTURES"
CLAIM = "e2e_latency"  # LiveKit's own figure of a reply's latency
log = logging.getLogger("earwitness")


def attach(session: Any, ctx: Any) -> None:
    """Measure this session inside, if the harness has started the worker. Call it before `session.start`."""
    captures = os.environ.get(CAPTURES)
    if not captures:
        return
    try:
        _Attached(session, ctx, Path(captures)).start()
    except Exception:
        log.exception("earwitness: the session is not measured inside")


class _Attached:
    """Listens to the room and to the session, and tells `call`."""

    def __init__(self, session: Any, ctx: Any, captures: Path) -> None:
        self.session, self.ctx, self.room = session, ctx, ctx.room
        self.call = Call(self._send, captures, log, tells_of_tools=True)
        self.turn = _Turn()
        self._unnamed: list[Reply] = []  # replies whose message, with its metrics, is still to come
        self._leaf: Any = None
        self._source: Any = None
        self._linked: str | None = None
        self._guarded = Guard(log)
        self._sending: asyncio.Task[None] | None = None

    def start(self) -> None:
        """The barrier is answered from the last line on: a session that cannot be looked at says nothing at all."""
        self._look_at_output()
        self.session.on("agent_state_changed", self._guarded(self._agent_state))
        self.session.on("user_state_changed", self._guarded(self._user_state))
        self.session.on("conversation_item_added", self._guarded(self._item))
        self.session.on("speech_created", self._guarded(self._speech))
        self.session.on("tool_execution_updated", self._guarded(self._tool_updated))
        self.session.on("function_tools_executed", self._guarded(self._tools_executed))
        self.session.on("close", self._guarded(self._closed))
        self.ctx.add_shutdown_callback(self.shut_down)
        self._sending = asyncio.get_running_loop().create_task(self.call.deliver())
        self.room.on("data_received", self._guarded(self._packet))

    async def _send(self, payload: bytes) -> None:
        await self.room.local_participant.publish_data(payload, reliable=True, topic=TOPIC)

    async def shut_down(self) -> None:
        self._guarded(self.call.finish)()
        if self._sending is not None:
            self._sending.cancel()

    # the room

    def _packet(self, packet: Any) -> None:
        if packet.topic == TOPIC:
            self.call.received(bytes(packet.data))
            self._link_to_user()

    def _link_to_user(self) -> None:
        """A session listens to the first participant that it sees, which may be the probe."""
        user = self.call.user
        if user is None or user == self._linked or getattr(self.session, "_room_io", None) is None:
            return
        self._linked = user
        self.session.room_io.set_participant(user)

    # the session

    def _agent_state(self, event: Any) -> None:
        if self.call.speaking is None and event.new_state != "speaking":
            self.turn.sound_ms = None  # of a reply that was given up ahead of its first frame
        self.call.state(str(event.new_state).upper(), "AgentSession")
        self._look_at_output()
        self._link_to_user()

    def _user_state(self, event: Any) -> None:
        self.turn.user_state(str(event.new_state), since_epoch_to_ms(event.created_at))

    def _speech(self, event: Any) -> None:
        self._look_at_output()
        if not event.user_initiated:
            self.turn.answered_ms = since_epoch_to_ms(event.created_at)

    def _item(self, event: Any) -> None:
        role, metrics = getattr(event.item, "role", None), getattr(event.item, "metrics", None) or {}
        if role == "user":
            self.turn.user_said(event.item.text_content or "", metrics)
        elif role == "assistant" and self._unnamed:
            reply, *_ = self._unnamed
            self._unnamed.clear()
            reply.text = event.item.text_content or ""
            _steps_of_reply(reply, metrics)
            claimed_s = metrics.get(CLAIM)
            reply.claimed_ms = None if claimed_s is None else 1e3 * claimed_s

    def _tool_updated(self, event: Any) -> None:
        update, t_ms = event.update, since_epoch_to_ms(event.created_at)
        if update.type == "tool_call_started":
            self._tool_began(update.function_call, t_ms)
        elif update.type == "tool_call_ended":
            self._tool_ended(update.call_id, t_ms, update.message or "", failed=update.status != "done")

    def _tools_executed(self, event: Any) -> None:
        """All of a step have returned. Releases before 1.8 tell of their tools in this way alone."""
        for called, output in zip(event.function_calls, event.function_call_outputs, strict=False):
            self._tool_began(called, since_epoch_to_ms(called.created_at))
            if output is not None:
                ended_ms = since_epoch_to_ms(output.created_at)
                self._tool_ended(called.call_id, ended_ms, str(output.output), failed=bool(output.is_error))

    def _tool_began(self, called: Any, t_ms: float) -> None:
        self.call.tool(called.call_id, called.name, called.arguments, t_ms)

    def _tool_ended(self, call_id: str, t_ms: float, text: str, *, failed: bool) -> None:
        said = {"error": text or "it failed"} if failed else {"result": text}
        self.call.tool_returned(call_id, t_ms, **said)

    def _closed(self, _: Any) -> None:
        self.call.finish()

    # the audio output

    def _look_at_output(self) -> None:
        """Tap the output when it is there, and again where another has taken its place."""
        top = leaf = self.session.output.audio
        while leaf is not None and leaf.next_in_chain is not None:
            leaf = leaf.next_in_chain
        if leaf is None or leaf is self._leaf:
            return
        self._leaf = leaf
        leaf.on("playback_started", self._guarded(self._playback_started))
        leaf.on("playback_finished", self._guarded(self._playback_finished))
        before(top, "capture_frame", self._guarded(self._first_sound))
        source = getattr(leaf, "_audio_source", None)
        if source is None:
            log.warning("earwitness: %r has no audio source; pre_rtc.wav is not written", leaf)
            return
        self._source = source
        self.call.record(source.sample_rate, source.num_channels)
        before(source, "capture_frame", self._guarded(lambda frame: self.call.frame(bytes(frame.data))))
        before(source, "clear_queue", self._guarded(lambda: self.call.dropped(source.queued_duration)))

    def _first_sound(self, _: Any) -> None:
        if self.turn.sound_ms is None and self.call.speaking is None:
            self.turn.sound_ms = now_ms()

    def _playback_started(self, _: Any) -> None:
        reply = self.call.begin_reply()
        reply.claim = CLAIM
        self.turn.give(reply, 1e3 * float(self.session.options.endpointing["min_delay"]))
        self._unnamed.append(reply)

    def _playback_finished(self, event: Any) -> None:
        self.call.end_reply("interrupted" if event.interrupted else "completed")


class _Turn:
    """What is known of the user's turn, until a reply takes it. Times are ms of the monotonic clock."""

    def __init__(self) -> None:
        self.started_ms: float | None = None
        self.stopped_ms: float | None = None
        self.answered_ms: float | None = None  # a reply was begun, by a session that gives no metrics of the turn
        self.sound_ms: float | None = None  # the reply's first sound reached the output
        self.text = ""
        self._metrics: dict[str, Any] = {}

    def user_state(self, state: str, t_ms: float) -> None:
        """LiveKit dates both states back to the speech itself."""
        if state == "speaking":
            self.started_ms, self.stopped_ms = t_ms, None
        elif state == "listening":
            self.stopped_ms = t_ms

    def user_said(self, text: str, metrics: dict[str, Any]) -> None:
        self.text, self._metrics = text, metrics

    def give(self, reply: Reply, least_wait_ms: float) -> None:
        """The times up to the first sound go to this reply alone, which may be the first of several.

        `least_wait_ms` is the session's own; a realtime model that finds the end of turn itself does not say how it waits.
        """
        stopped_s, found = self._metrics.get("stopped_speaking_at"), self._metrics
        end_ms = since_epoch_to_ms(stopped_s) if stopped_s else self.stopped_ms
        reply.stamp("tts_first_pcm", self.sound_ms)
        reply.user_text = self.text
        if end_ms is not None:
            decided, heard = found.get("end_of_turn_delay"), found.get("transcription_delay")
            reply.hangover_ms = 0.0 if decided is None else least_wait_ms
            started_s = found.get("started_speaking_at")
            reply.stamp("user_speech_start", since_epoch_to_ms(started_s) if started_s else self.started_ms)
            reply.stamp("user_eot", end_ms)
            reply.stamp("vad_end", self.answered_ms if decided is None else end_ms + 1e3 * decided)
            reply.stamp("stt_done", reply.t.get("vad_end") if heard is None else end_ms + 1e3 * heard)
        self.started_ms = self.stopped_ms = self.answered_ms = self.sound_ms = None
        self.text, self._metrics = "", {}


def _steps_of_reply(reply: Reply, metrics: dict[str, Any]) -> None:
    """LiveKit's metrics of a reply are durations that end with its first sound, which is known.

    A realtime model gives none: its first token is its first sound.
    """
    sound_ms = reply.t.get("tts_first_pcm")
    if sound_ms is None or "user_eot" not in reply.t:
        return
    synthesis_s, token_s, segment_s = (
        metrics.get(name) for name in ("tts_node_ttfb", "llm_node_ttft", "llm_node_ttfs")
    )
    asked_ms = sound_ms - 1e3 * (synthesis_s or 0.0)
    token_ms = asked_ms  # of a voice that does not tell when it was asked
    if token_s is not None and segment_s is not None:
        token_ms = asked_ms + 1e3 * (token_s - segment_s)
    reply.stamp("llm_first_token", token_ms)
    reply.stamp("llm_first_segment", asked_ms)
    reply.stamp("tts_request", asked_ms)
