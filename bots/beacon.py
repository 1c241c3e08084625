"""The beacon: an agent whose latency is known. It answers D ms after the user's last voiced sample as it heard it.

    python -m bots.beacon --plans DIR --captures DIR     (LIVEKIT_URL and LIVEKIT_TOKEN come from the environment)

DIR/<case id>.json names the utterances to come and the answers with their delays (`BeaconPlan`); each utterance gets its
answers at exact samples of one published stream, so that two answers of one turn are exactly as far apart as planned. The
beacon records what it did in `beacon_truth.json`, beside `pre_rtc.wav` and `agent_trace.jsonl`, in the capture's folder. It
sends the events of an instrumented agent (docs/how_to/own_agent.md) and imports only these from the harness.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import wave
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from livekit import rtc

from bots.connection import joined
from bots.known_ear import FRAME_SAMPLES, FloatArray, HeardEnd, KnownEar
from bots.paced_voice import LEAD_MS, QUEUE_MS, PacedVoice
from bots.probe_bot import PROBE_IDENTITY, mono_ms
from bots.timeline import RATE_HZ, Int16Array
from bots.track_stats import stats_of
from harness.model.events import (
    TOPIC,
    AgentTurnTrace,
    Event,
    EventError,
    EventType,
    ReplyCause,
    TurnTimes,
    parse_event,
)

log = logging.getLogger(__name__)

BEACON_TRUTH = "beacon_truth.json"
PRE_RTC = "pre_rtc.wav"
AGENT_TRACE = "agent_trace.jsonl"
TRUTH_VERSION = 1


@dataclass(frozen=True)
class Answer:
    """Samples [start, end) of the answers' WAV, `delay_samples` after the user's last voiced sample; its word begins
    `speech_start` samples after its first one.
    """

    delay_samples: int
    start: int
    end: int
    speech_start: int
    word: str
    rising: bool


@dataclass(frozen=True)
class BeaconPlan:
    """The utterances that the beacon expects, and its answers to each."""

    said: list[FloatArray]
    answers: list[list[Answer]]
    voice: Int16Array


def _read_wav(path: Path) -> Int16Array:
    with wave.open(str(path), "rb") as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE_HZ, 1, 2):
            raise ValueError(f"{path}: expected 48 kHz mono 16 bit")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def read_plan(path: Path) -> BeaconPlan:
    """Raises OSError, ValueError, KeyError."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    said = (_read_wav(Path(raw["said_wav"])) / np.float32(32768)).astype(np.float32)
    turns = raw["turns"]
    return BeaconPlan(
        said=[said[turn["start_sample"] : turn["end_sample"]] for turn in turns],
        answers=[[Answer(**answer) for answer in turn["answers"]] for turn in turns],
        voice=_read_wav(Path(raw["answers_wav"])),
    )


@dataclass
class Given:
    """One answer as it was given. Samples count from the trace on, as in pre_rtc.wav."""

    reply_seq: int
    utterance: int
    planned_delay_ms: float
    injected_ms: float  # from the user's last voiced sample as heard to the first sample as published
    published_sample: int  # of the chirp that it begins with
    speech_sample: int
    end_sample: int
    word: str
    rising: bool  # its chirp's direction
    published_mono_ms: float
    heard_end_mono_ms: float
    confidence: float
    late_ms: float = 0.0  # of the latest push from the turn's first answer to this one's end
    _stream: tuple[int, int] = (0, 0)  # [start, end) of the published stream


@dataclass
class Beacon:
    """`run` joins, serves until SIGTERM or the end of the room, and cleans up."""

    plans: Path
    captures: Path
    room: rtc.Room = field(default_factory=rtc.Room)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    given: list[Given] = field(default_factory=list)
    _voice: PacedVoice = field(default_factory=PacedVoice)
    _plan: BeaconPlan | None = None
    _ear: KnownEar | None = None
    _trace: Event | None = None
    _base: int = 0  # sample of the stream at which the trace began
    _sent_events: int = 0
    _outbox: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _heard_track: rtc.Track | None = None
    _inbound: list[dict[str, Any]] = field(default_factory=list)  # WebRTC's statistics of the user's track

    async def run(self, url: str, token: str) -> None:
        """Raises RoomJoinError."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stop.set)
        self.room.on("track_subscribed", self._subscribed)
        self.room.on("data_received", self._received)
        self.room.on("disconnected", lambda *_: self.stop.set())
        source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=QUEUE_MS)
        self._voice.on_frame = self._tell
        async with joined(self.room, url, token, auto_subscribe=True):
            track = rtc.LocalAudioTrack.create_audio_track("beacon-voice", source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=False)
            await self.room.local_participant.publish_track(track, options)
            self._start(self._voice.run(source))
            self._start(self._send_events())
            try:
                await self.stop.wait()
            finally:
                for task in list(self._tasks):
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
        await source.aclose()

    def _start(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("the beacon cannot go on", exc_info=task.exception())
            self.stop.set()

    # hearing and answering

    def _subscribed(self, track: rtc.Track, _: object, participant: rtc.RemoteParticipant) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO and participant.identity != PROBE_IDENTITY:
            self._heard_track = track
            self._start(self._listen(track))

    async def _listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1, frame_size_ms=10)
        try:
            async for event in stream:
                t_ms = mono_ms()
                samples = np.frombuffer(event.frame.data, np.int16)
                if self._ear is None or len(samples) != FRAME_SAMPLES:
                    continue
                heard = self._ear.feed(t_ms, samples)
                if heard is not None:
                    self._answer(heard)
        finally:
            await stream.aclose()

    def _answer(self, heard: HeardEnd) -> None:
        assert self._plan is not None
        base = self._voice.sample_at(heard.mono_ms)
        for number, answer in enumerate(self._plan.answers[heard.index]):
            start = self._voice.place(self._plan.voice[answer.start : answer.end], base + answer.delay_samples)
            end = start + answer.end - answer.start
            self.given.append(
                Given(
                    reply_seq=2 * heard.index + number,
                    utterance=heard.index,
                    planned_delay_ms=1e3 * answer.delay_samples / RATE_HZ,
                    injected_ms=1e3 * (start - base) / RATE_HZ,
                    published_sample=start - self._base,
                    speech_sample=start - self._base + answer.speech_start,
                    end_sample=end - self._base,
                    word=answer.word,
                    rising=answer.rising,
                    published_mono_ms=self._voice.mono_ms_at(start),
                    heard_end_mono_ms=heard.mono_ms,
                    confidence=round(heard.confidence, 4),
                    _stream=(start, end),
                )
            )
        self._emit(EventType.AGENT_STATE, state="THINKING")

    def _tell(self, first: int) -> None:
        """Send the events of the frame that was just handed over."""
        last = self._voice.sent_samples
        for given in self.given:
            start, end = given._stream
            if first <= start < last:
                self._emit(EventType.REPLY_START, reply_seq=given.reply_seq)
            if first < end <= last:
                self._emit(EventType.REPLY_END, reply_seq=given.reply_seq, cause=ReplyCause.COMPLETED.value)
                more = any(other._stream[0] >= end for other in self.given if other.utterance == given.utterance)
                self._emit(EventType.AGENT_STATE, state="THINKING" if more else "LISTENING")

    # the events

    def _received(self, packet: rtc.DataPacket) -> None:
        if packet.topic != TOPIC:
            return
        try:
            event = parse_event(packet.data)
        except EventError as error:
            log.warning("an event was rejected: %s", error)
            return
        if event.type is EventType.TRACE:
            self._adopt(event)
        elif event.type is EventType.PROBE_READY:
            self._emit(EventType.AGENT_READY)
        elif event.type is EventType.TRACE_END:
            self._start(self._finish())

    def _adopt(self, event: Event) -> None:
        if self._trace is None:
            self._trace = event
            self._plan = read_plan(self.plans / f"{event.case_id}.json")
            self._ear = KnownEar(self._plan.said)
            self._base = self._voice.sent_samples
        self._emit(EventType.TRACE_ACK)

    def _emit(self, event_type: EventType, *, reply_seq: int | None = None, **data: object) -> None:
        if self._trace is None:
            return
        event = self._trace.model_copy(
            update={
                "type": event_type,
                "seq": self._sent_events,
                "t_ms": mono_ms(),
                "sender": "agent",
                "reply_seq": reply_seq,
                "data": data,
            }
        )
        self._sent_events += 1
        self._outbox.put_nowait(event)

    async def _send_events(self) -> None:
        while True:
            event = await self._outbox.get()
            await self.room.local_participant.publish_data(event.to_bytes(), reliable=True, topic=TOPIC)

    # the files

    async def _finish(self) -> None:
        """Write, then report it. Raises OSError."""
        if self._heard_track is not None:
            with contextlib.suppress(TimeoutError):
                self._inbound = await stats_of(self._heard_track)
        self._emit(EventType.TRACE_WRITTEN, files=self._write())

    def _write(self) -> list[str]:
        """Write the capture's files, each complete or not at all; returns their names. Raises OSError."""
        assert self._trace is not None
        folder = self.captures / self._trace.trace_id
        firsts = {given.utterance: given._stream[0] for given in reversed(self.given)}
        for given in self.given:
            given.late_ms = round(self._voice.latest_push_ms(firsts[given.utterance], given._stream[1]), 3)
        _write_wav(folder / PRE_RTC, self._voice.published(self._base))
        _write_text(folder / AGENT_TRACE, "".join(self._line(given) + "\n" for given in self.given))
        _write_text(folder / BEACON_TRUTH, json.dumps(self._truth(), indent=1))
        return [PRE_RTC, AGENT_TRACE, BEACON_TRUTH]

    def _truth(self) -> dict[str, object]:
        rows = [{k: v for k, v in asdict(given).items() if not k.startswith("_")} for given in self.given]
        return {
            "version": TRUTH_VERSION,
            "rate_hz": RATE_HZ,
            "lead_ms": LEAD_MS,
            "answers": rows,
            "inbound": self._inbound,
        }

    def _line(self, given: Given) -> str:
        assert self._trace is not None
        times = TurnTimes(
            user_eot=given.heard_end_mono_ms,
            first_publish=given.published_mono_ms,
            reply_end=given.published_mono_ms + 1e3 * (given.end_sample - given.published_sample) / RATE_HZ,
        )
        return AgentTurnTrace(
            trace_id=self._trace.trace_id,
            reply_seq=given.reply_seq,
            clock=self._trace.clock,
            t=times,
            pre_start_sample=given.published_sample,
            pre_end_sample=given.end_sample,
            cause=ReplyCause.COMPLETED,
            vad_hangover_ms=0.0,
        ).model_dump_json()


def _write_text(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".tmp")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _write_wav(path: Path, samples: Int16Array) -> None:
    part = path.with_name(path.name + ".tmp")
    with contextlib.closing(wave.open(str(part), "wb")) as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())
    part.replace(path)


async def main() -> None:
    parser = argparse.ArgumentParser(prog="bots.beacon", description="An agent that answers after known delays.")
    parser.add_argument("--plans", type=Path, required=True, help="folder with one JSON plan a case")
    parser.add_argument("--captures", type=Path, required=True, help="the run's folder of captures")
    given = parser.parse_args()
    await Beacon(given.plans, given.captures).run(os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"])


if __name__ == "__main__":
    asyncio.run(main())
