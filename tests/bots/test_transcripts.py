"""Every text that is published of speech is kept with its times; a flood is cut off and counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from bots import transcripts
from bots.transcripts import FINAL, SEGMENT_ID, TRACK_SID, Transcripts


class Reader:
    """A text stream whose pieces are at hand. `pieces` None: it never ends."""

    def __init__(self, *pieces: str, endless: bool = False, **attributes: str) -> None:
        self.pieces, self.endless, self.closed = pieces, endless, False
        self.info = SimpleNamespace(attributes=attributes)

    def close(self) -> None:
        self.closed = True

    async def __aiter__(self) -> AsyncIterator[str]:
        for piece in self.pieces:
            yield piece
        if self.endless:
            await asyncio.Event().wait()


def kept() -> Transcripts:
    return Transcripts(lambda track, identity: "user" if track == "TR_user" else "agent")


async def ended(found: Transcripts) -> None:
    async with asyncio.timeout(5.0):
        await asyncio.gather(*found._open, return_exceptions=True)
    await asyncio.sleep(0)  # for what is called when a task is done


async def test_a_text_that_grows_is_one_line_with_the_time_of_each_piece() -> None:
    found = kept()
    reader: Any = Reader("It is ", "nine.", **{SEGMENT_ID: "s", TRACK_SID: "TR_agent", FINAL: "true"})
    found._stream(reader, "agent-1")
    await ended(found)
    (line,) = found.lines
    assert (line.speaker, line.text, line.final, line.complete) == ("agent", "It is nine.", True, True)
    assert [piece.chars for piece in line.pieces] == [6, 11]
    assert line.t_first_mono_ms <= line.t_last_mono_ms


async def test_what_was_still_open_at_the_end_is_kept_as_far_as_it_had_come() -> None:
    found = kept()
    reader: Any = Reader("I was about to", endless=True, **{TRACK_SID: "TR_user"})
    found._stream(reader, "agent-1")
    for _ in range(5):
        await asyncio.sleep(0)
    await found.aclose()
    (line,) = found.lines
    assert (line.speaker, line.text, line.complete) == ("user", "I was about to", False)
    assert reader.closed


async def test_a_text_that_still_grows_is_told_as_far_as_it_has_come() -> None:
    found = kept()
    reader: Any = Reader("What time", " would you", endless=True, **{SEGMENT_ID: "s"})
    found._stream(reader, "agent-1")
    before = found.changes
    for _ in range(5):
        await asyncio.sleep(0)
    assert [(line.text, line.complete) for line in found.so_far()] == [("What time would you", False)]
    assert found.lines == []
    assert found.changes == before + 2
    await found.aclose()


async def test_a_flood_is_cut_off_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcripts, "MOST_TEXTS", 3)
    monkeypatch.setattr(transcripts, "MOST_CHARS", 10)
    found = kept()
    readers: list[Any] = [Reader("much too long a text", endless=True), *(Reader("short") for _ in range(9))]
    for reader in readers:
        found._stream(reader, "agent-1")
    await ended(found)
    assert sorted(line.text for line in found.lines) == ["much too l", "short", "short"]
    assert found.cut_off == 8
    assert all(reader.closed for reader in readers)
