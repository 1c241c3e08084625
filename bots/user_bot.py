"""The user bot: publishes the user's voice itself, where there is no browser.

One continuous stream of 20 ms frames, silence where nothing is said. Its clock is its own stream: sample n is handed to
WebRTC at `t0_mono_ms` + n / 48 ms, paced by absolute deadlines with a small lead in LiveKit's native queue.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from livekit import rtc

from bots.connection import CONNECT_TIMEOUT_S, joined, published
from bots.probe_bot import ROOM_ENDED, mono_ms
from bots.timeline import FRAME_SAMPLES, RATE_HZ, Int16Array
from bots.track_stats import stats_of

log = logging.getLogger(__name__)

LEAD_MS = 60.0  # what the native queue holds, so that a late event loop is not heard
QUEUE_MS = 200


@dataclass
class UserBot:
    """Speaks segments at samples of its own stream."""

    room: rtc.Room = field(default_factory=rtc.Room)
    t0_mono_ms: float | None = None
    joined_mono_ms: float | None = None  # when it was in the room
    published: asyncio.Event = field(default_factory=asyncio.Event)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)  # by a fault, not because the call was ended
    on_frame: Callable[[], None] | None = None  # called after each frame: the clock has gone on
    broken_why: str = ""  # a fault of ours: it speaks no more, though it is connected
    _track: rtc.LocalAudioTrack | None = None
    _segments: list[tuple[int, Int16Array]] = field(default_factory=list)
    _sent_samples: int = 0

    @asynccontextmanager
    async def in_room(self, url: str, token: str, timeout_s: float = CONNECT_TIMEOUT_S) -> AsyncIterator[UserBot]:
        """Joined and publishing silence. Raises RoomJoinError."""
        self.room.on("disconnected", self._lost)
        self.room.on("track_published", self._subscribe)
        async with joined(self.room, url, token, auto_subscribe=False, timeout_s=timeout_s):
            self.joined_mono_ms = mono_ms()
            for participant in self.room.remote_participants.values():
                for publication in participant.track_publications.values():
                    self._subscribe(publication, participant)
            source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=QUEUE_MS)
            track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=False)
            await published(self.room, track, options, timeout_s)
            self._track = track
            pump = asyncio.create_task(self._pump(source))
            pump.add_done_callback(self._pump_ended)
            try:
                yield self
            finally:
                pump.cancel()
                await asyncio.gather(pump, return_exceptions=True)
                await source.aclose()

    def _subscribe(self, publication: rtc.RemoteTrackPublication, _: rtc.RemoteParticipant) -> None:
        """Nobody listens here; but an agent may wait for a subscriber before it speaks, and a hidden one does not count."""
        if publication.kind == rtc.TrackKind.KIND_AUDIO:
            publication.set_subscribed(True)

    def _lost(self, reason: Any) -> None:
        if reason not in (*ROOM_ENDED, rtc.DisconnectReason.PARTICIPANT_REMOVED):
            self.disconnected.set()

    def _pump_ended(self, pump: asyncio.Task[None]) -> None:
        error = pump.exception() if not pump.cancelled() else None
        if error is not None:
            log.error("the user bot cannot go on", exc_info=error)
            self.broken_why = f"the user bot stopped speaking: {type(error).__name__}: {error}"
            self.disconnected.set()

    async def stats(self) -> list[dict[str, Any]]:
        """WebRTC's statistics of its own voice as it is sent and as the server reports it. Raises TimeoutError."""
        return [] if self._track is None else await stats_of(self._track)

    def now_sample(self) -> int:
        """The sample that is handed to WebRTC now."""
        if self.t0_mono_ms is None:
            return 0
        return int((mono_ms() - self.t0_mono_ms) * RATE_HZ / 1e3)

    def sample_at(self, t_mono_ms: float) -> int:
        return 0 if self.t0_mono_ms is None else int((t_mono_ms - self.t0_mono_ms) * RATE_HZ / 1e3)

    def speak(self, samples: Int16Array, at_sample: int | None) -> int:
        """Speak `samples` at `at_sample` of the stream, or as soon as possible; returns where they really start."""
        earliest = self._sent_samples
        start = earliest if at_sample is None else max(at_sample, earliest)
        self._segments.append((start, samples))
        return start

    def _frame(self, start: int) -> Int16Array:
        frame = np.zeros(FRAME_SAMPLES, np.int32)
        self._segments = [(at, samples) for at, samples in self._segments if at + len(samples) > start]
        for at, samples in self._segments:
            lo, hi = max(start, at), min(start + FRAME_SAMPLES, at + len(samples))
            if lo < hi:
                frame[lo - start : hi - start] += samples[lo - at : hi - at]
        return np.clip(frame, -32768, 32767).astype(np.int16)

    async def _pump(self, source: rtc.AudioSource) -> None:
        loop = asyncio.get_running_loop()
        self.t0_mono_ms = mono_ms() + LEAD_MS
        start_s = loop.time()
        self.published.set()
        while True:
            frame = self._frame(self._sent_samples)
            self._sent_samples += FRAME_SAMPLES
            await source.capture_frame(rtc.AudioFrame(frame.tobytes(), RATE_HZ, 1, FRAME_SAMPLES))
            if self.on_frame is not None:
                self.on_frame()
            due_s = start_s + self._sent_samples / RATE_HZ - LEAD_MS / 1e3
            await asyncio.sleep(max(0.0, due_s - loop.time()))  # paced by an absolute deadline
