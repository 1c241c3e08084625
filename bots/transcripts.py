"""What the participants publish as text of their speech: LiveKit's text streams, and the older transcription events.

The second listener keeps every text with the time at which it came, and whose words they are: by the track that the text
speaks of, else by who published it. A flood is cut off at MOST_TEXTS and MOST_CHARS, and counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from livekit import rtc

from harness.model.transcript import Piece, Speaker, TranscriptLine

TRANSCRIPTION_TOPIC = "lk.transcription"
SEGMENT_ID = "lk.segment_id"
TRACK_SID = "lk.transcribed_track_id"
FINAL = "lk.transcription_final"
MOST_TEXTS = 4_000
MOST_CHARS = 20_000  # of one text: half an hour of speech
MOST_PIECES = 2_000


@dataclass
class Transcripts:
    """`speaker_of`: (track sid, identity) → whose words a text is. `lines` grows as texts end; `changes` with every piece."""

    speaker_of: Callable[[str, str], Speaker]
    lines: list[TranscriptLine] = field(default_factory=list)
    cut_off: int = 0  # texts that were not kept whole
    changes: int = 0
    _open: dict[asyncio.Task[None], _Growing] = field(default_factory=dict)

    def listen_to(self, room: rtc.Room) -> None:
        room.register_text_stream_handler(TRANSCRIPTION_TOPIC, self._stream)
        room.on("transcription_received", self._event)

    async def aclose(self) -> None:
        """End what is still open; its text so far is kept."""
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _stream(self, reader: rtc.TextStreamReader, identity: str) -> None:
        if len(self.lines) + len(self._open) >= MOST_TEXTS:
            self.cut_off += 1
            reader.close()
            return
        growing = _Growing(reader, identity, self._changed)
        task = asyncio.create_task(growing.read())
        self._open[task] = growing
        task.add_done_callback(self._ended)

    def so_far(self) -> list[TranscriptLine]:
        """The texts that have ended, and those that still grow as far as they have come."""
        return [*self.lines, *(self._line(growing, whole=False) for growing in self._open.values())]

    def _changed(self) -> None:
        self.changes += 1

    def _ended(self, task: asyncio.Task[None]) -> None:
        growing = self._open.pop(task)
        whole = not task.cancelled() and task.exception() is None and not growing.too_long
        self.cut_off += growing.too_long
        self.lines.append(self._line(growing, whole=whole))
        self._changed()

    def _line(self, growing: _Growing, *, whole: bool) -> TranscriptLine:
        attributes = growing.reader.info.attributes or {}
        track = attributes.get(TRACK_SID, "")
        return TranscriptLine(
            way="stream",
            speaker=self.speaker_of(track, growing.identity),
            publisher=growing.identity,
            track_sid=track,
            segment_id=attributes.get(SEGMENT_ID, ""),
            text=growing.text,
            final=attributes.get(FINAL, "").lower() == "true",
            complete=whole,
            t_first_mono_ms=growing.t_first_ms,
            t_last_mono_ms=growing.t_last_ms,
            pieces=tuple(growing.pieces) if len(growing.pieces) > 1 else (),
        )

    def _event(
        self,
        segments: list[rtc.TranscriptionSegment],
        participant: rtc.Participant | None,
        publication: rtc.TrackPublication | None,
    ) -> None:
        """The older way. `participant` is whose words they are; who published them is not told."""
        t_ms = _now_ms()
        self._changed()
        track = publication.sid if publication is not None else ""
        identity = participant.identity if participant is not None else ""
        for segment in segments:
            if len(self.lines) >= MOST_TEXTS:
                self.cut_off += 1
                continue
            self.cut_off += len(segment.text) > MOST_CHARS
            self.lines.append(
                TranscriptLine(
                    way="event",
                    speaker=self.speaker_of(track, identity),
                    track_sid=track,
                    segment_id=segment.id,
                    text=segment.text[:MOST_CHARS],
                    final=segment.final,
                    complete=len(segment.text) <= MOST_CHARS,
                    t_first_mono_ms=t_ms,
                    t_last_mono_ms=t_ms,
                )
            )


@dataclass
class _Growing:
    """A text stream as it is read."""

    reader: rtc.TextStreamReader
    identity: str
    on_piece: Callable[[], None]
    text: str = ""
    pieces: list[Piece] = field(default_factory=list)
    too_long: bool = False
    t_first_ms: float = field(default_factory=lambda: _now_ms())
    t_last_ms: float = field(default_factory=lambda: _now_ms())

    async def read(self) -> None:
        """Raises StreamError where its sender broke it off."""
        try:
            async for chunk in self.reader:
                self.t_last_ms = _now_ms()
                self.text = (self.text + chunk)[:MOST_CHARS]
                if len(self.pieces) < MOST_PIECES:
                    self.pieces.append(Piece(t_mono_ms=self.t_last_ms, chars=len(self.text)))
                self.on_piece()
                if len(self.text) == MOST_CHARS:
                    self.too_long = True
                    return
        finally:
            self.reader.close()


def _now_ms() -> float:
    return round(time.monotonic() * 1e3, 1)
