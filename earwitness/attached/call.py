"""One call of an attached agent: the barrier is answered, replies are announced, the capture's files are written.

It knows no framework: whoever attaches tells it of frames, replies and states. Nothing is sent and nothing is written before
the probe's `trace`; what happened until then is held.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from typing import Any

from earwitness.attached.claim import Claim
from earwitness.attached.pre_rtc import POSITIONS_HZ, PreRtc
from earwitness.attached.turns import Reply, Transition, write_lines
from earwitness.attached.wire import Question, cut, event_bytes, now_ms, read_question

PRE_RTC = "pre_rtc.wav"
AGENT_TRACE = "agent_trace.jsonl"
HELD_EVENTS = 1_000
ARGUMENTS_BYTES, RESULT_BYTES = 5_000, 2_000  # an event holds 14,000, and a character in JSON up to twice its bytes


@dataclass
class Call:
    """`send` puts bytes on the data channel; `captures` is where the harness has made a folder for each trace."""

    send: Callable[[bytes], Awaitable[None]]
    captures: Path
    log: Logger
    tells_of_tools: bool = False
    replies: list[Reply] = field(default_factory=list)
    speaking: Reply | None = None
    written: list[str] | None = None  # the files, once they are
    _pre: PreRtc | None = None
    _trace: Question | None = None
    _claim: Claim | None = None
    _left_to: str | None = None  # the trace that another session of the room answers
    _sent: int = 0
    _held: list[tuple[str, float, int | None, dict[str, Any]]] = field(default_factory=list)
    _outbox: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    _transitions: list[Transition] = field(default_factory=list)
    _told: int = 0  # of these, how many belong to a reply that has ended
    _cannot_record: bool = False
    _tools: dict[str, bool] = field(default_factory=dict)  # call id → whether it has still to return

    # the barrier

    @property
    def user(self) -> str | None:
        """Who speaks to the agent, once the trace has named them: the probe is in the room as well."""
        return self._trace.user if self._trace is not None else None

    @property
    def measured(self) -> bool:
        """Whether the probe has said that this is a measured call."""
        return self._trace is not None

    def received(self, payload: bytes) -> None:
        """A packet on the events' topic."""
        question = read_question(payload)
        if question is None or question.trace_id == self._left_to:
            return
        if self._trace is not None and question.trace_id != self._trace.trace_id:
            return
        if question.type == "trace":
            self._adopt(question)
        elif self._trace is not None and question.type == "probe_ready":
            self.say("agent_ready")
        elif self._trace is not None and question.type == "trace_end":
            self.say("trace_written", files=self.finish())

    def _adopt(self, trace: Question) -> None:
        if self._trace is not None:
            self.say("trace_ack", tools=self.tells_of_tools)
            return
        folder = self.captures / trace.trace_id
        if folder.is_dir():
            self._claim = Claim(folder)
            if not self._claim.held:
                self._leave_to_another(trace)
                return
        else:
            self.log.warning("earwitness: there is no folder %s; nothing is written", folder)
        self._trace = trace
        self._open()
        self.say("trace_ack", tools=self.tells_of_tools)
        held, self._held = self._held, []
        for event_type, t_ms, reply_seq, data in held:
            self._put(trace, event_type, t_ms, reply_seq, data)

    def _leave_to_another(self, trace: Question) -> None:
        """Two that answer and write as one would be taken for one: which sound is whose could not be told."""
        self._left_to, self._claim = trace.trace_id, None
        self._pre, self._cannot_record = None, True
        self._held.clear()
        self.log.warning(
            "earwitness: another session in this room is measured inside already, and there is one %s for a call: "
            "this session is not measured inside. Attach the one that speaks to the user",
            PRE_RTC,
        )

    def _folder(self) -> Path | None:
        if self._trace is None:
            return None
        folder = self.captures / self._trace.trace_id
        return folder if folder.is_dir() else None

    def _open(self) -> None:
        folder = self._folder()
        if self._pre is None or folder is None or self.written is not None:
            return
        try:
            self._pre.open(folder / PRE_RTC)
        except OSError as error:
            self._give_up_recording(error)

    def _give_up_recording(self, error: OSError) -> None:
        if self._pre is not None:
            self._pre.give_up()
        self._pre, self._cannot_record = None, True
        self.log.warning("earwitness: %s is not written: %s", PRE_RTC, error)

    # what the agent says

    def say(self, event_type: str, *, reply_seq: int | None = None, t_ms: float | None = None, **data: Any) -> None:
        """Held until there is a trace. `t_ms`: when it happened, where that is not now."""
        at_ms = now_ms() if t_ms is None else t_ms
        if self._trace is not None:
            self._put(self._trace, event_type, at_ms, reply_seq, data)
        elif self._left_to is None and len(self._held) < HELD_EVENTS:
            self._held.append((event_type, at_ms, reply_seq, data))

    def _put(self, trace: Question, event_type: str, t_ms: float, reply_seq: int | None, data: dict[str, Any]) -> None:
        self._outbox.put_nowait(event_bytes(trace, event_type, self._sent, t_ms, reply_seq, data))
        self._sent += 1

    async def deliver(self) -> None:
        """Send what is said, in its order, until cancelled. A failure is logged once."""
        failed = False
        while True:
            payload = await self._outbox.get()
            try:
                await self.send(payload)
            except Exception as error:  # whatever it is, it must not end the agent's call
                if not failed:
                    self.log.warning("earwitness: an event was not sent: %s", error)
                failed = True

    # what the agent does

    def state(self, name: str, cause: str) -> None:
        if self.written is None:
            self._transitions.append((round(now_ms(), 3), name, cause))
            self.say("agent_state", state=name, cause=cause)

    def begin_reply(self) -> Reply:
        """Its first frame is about to be handed over."""
        if self.speaking is not None:
            self.end_reply("interrupted")
        reply = Reply(len(self.replies))
        reply.first_transition = self._told
        reply.stamp("first_publish", now_ms())
        self.replies.append(reply)
        self.speaking = reply
        self.say("reply_start", reply_seq=reply.seq)
        return reply

    def handed_over(self, *, whole: bool = True) -> None:
        """The reply's last frame is handed over, and still plays: what is handed over from here on is not its own.

        Not `whole`: it goes on after all.
        """
        if self.speaking is not None and self._pre is not None and self.speaking.pre_start is not None:
            self.speaking.pre_end = self._pre.position if whole else None

    def end_reply(self, cause: str) -> None:
        """Its last frame is sent, or what was left of it is dropped."""
        reply, self.speaking = self.speaking, None
        if reply is None:
            return
        reply.cause, self._told = cause, len(self._transitions)
        t_ms = now_ms()
        reply.stamp("reply_end", t_ms)
        if cause == "interrupted":
            reply.stamp("cancel", t_ms)
        if self._pre is not None and reply.pre_start is not None:
            at = self._pre.position
            reply.pre_end = at if reply.pre_end is None else min(at, reply.pre_end)
        self.say("reply_end", reply_seq=reply.seq, cause=cause)

    def tool(self, call_id: str, name: str, arguments: str, started_ms: float) -> None:
        """It is called; told again under the same id, it is no second call. `arguments`: JSON; what is too long is cut."""
        if call_id in self._tools:
            return
        self._tools[call_id] = True
        given = cut(arguments, ARGUMENTS_BYTES)
        self.say("tool_start", t_ms=started_ms, id=cut(call_id), name=cut(name), arguments=given)

    def tool_returned(self, call_id: str, ended_ms: float, *, result: str = "", error: str = "") -> None:
        """The call has returned `result`, or failed with `error`. Only the first time counts."""
        if not self._tools.get(call_id):
            return
        self._tools[call_id] = False
        self.say(
            "tool_end", t_ms=ended_ms, id=cut(call_id), result=cut(result, RESULT_BYTES), error=cut(error, RESULT_BYTES)
        )

    @property
    def at_work(self) -> bool:
        """Whether a tool has still to return."""
        return any(self._tools.values())

    # what WebRTC is given

    def record(self, rate_hz: int, channels: int, queue_s: float = 0.2) -> None:
        """The source is known from here on, with how much it may queue; one of another format later is not recorded."""
        if self._pre is None and self.written is None and not self._cannot_record:
            self._pre = PreRtc(rate_hz, channels, time.monotonic(), queue_s)
            self._open()

    def frame(self, sound: bytes) -> None:
        if self._pre is None or self.written is not None:
            return
        reply, now_s = self.speaking, time.monotonic()
        goes_on = reply is not None and reply.pre_start is not None  # else it is a reply's first
        try:
            dry_s = self._pre.add(sound, now_s, goes_on=goes_on)
        except OSError as error:
            self._give_up_recording(error)
            return
        if reply is None:
            return
        if goes_on:
            reply.starve(dry_s)
        else:
            n_samples = len(sound) // (2 * self._pre.channels)
            reply.pre_start = self._pre.position - n_samples * POSITIONS_HZ // self._pre.rate_hz

    def dropped(self, queued_s: float) -> None:
        """The source's queue was cleared."""
        if self._pre is not None:
            self._pre.take_back(queued_s, time.monotonic())
        if self.speaking is not None:
            self.speaking.held = True

    # the end

    def finish(self) -> list[str]:
        """Write what there is, once; returns the names of the files."""
        if self.written is not None:
            return self.written
        self.written = []
        folder, trace = self._folder(), self._trace
        if folder is None or trace is None:
            return self.written
        if self.speaking is not None and self.speaking.pre_end is None:
            self.handed_over()
        try:
            if self._pre is not None and self._pre.close(time.monotonic()):
                self.written.append(PRE_RTC)
            write_lines(folder / AGENT_TRACE, self._lines(trace.trace_id))
            self.written.append(AGENT_TRACE)
        except Exception as error:  # a figure that JSON does not hold, too: the barrier is answered all the same
            self.log.warning("earwitness: the trace is not written: %s", error)
        finally:
            if self._claim is not None:
                self._claim.release()
        return self.written

    def _lines(self, trace_id: str) -> list[dict[str, Any]]:
        in_file = self._pre.in_file if self._pre is not None else lambda position: None
        lines = []
        for reply, following in zip(self.replies, [*self.replies[1:], None], strict=False):
            until = following.first_transition if following is not None else len(self._transitions)
            lines.append(reply.line(trace_id, self._transitions[reply.first_transition : until], in_file))
        return lines
