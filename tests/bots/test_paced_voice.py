"""The published stream: sounds at exact samples, and on time again after a stall."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from bots.paced_voice import LEAD_MS, PacedVoice
from bots.timeline import FRAME_SAMPLES


class Source:
    """Takes frames; the push number `stall_at` blocks the loop for `stall_s`."""

    def __init__(self, frames: int, stall_at: int | None = None, stall_s: float = 0.0) -> None:
        self.frames: list[np.ndarray] = []
        self.wanted, self.stall_at, self.stall_s = frames, stall_at, stall_s
        self.enough = asyncio.Event()

    async def capture_frame(self, frame: Any) -> None:
        self.frames.append(np.frombuffer(frame.data, np.int16).copy())
        if len(self.frames) == self.stall_at:
            await asyncio.sleep(self.stall_s)  # the stall is what is tested
        if len(self.frames) >= self.wanted:
            self.enough.set()


async def play(voice: PacedVoice, source: Source) -> None:
    task = asyncio.create_task(voice.run(source))  # type: ignore[arg-type]
    async with asyncio.timeout(10):
        await source.enough.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_sound_stands_where_it_was_placed() -> None:
    voice, source = PacedVoice(), Source(30)
    sound = np.arange(1, 1_501, dtype=np.int16)
    assert voice.place(sound, 5_003) == 5_003
    await play(voice, source)
    sent = np.concatenate(source.frames)
    assert np.array_equal(sent[5_003:6_503], sound)
    assert not sent[:5_003].any()
    assert np.array_equal(voice.published(0)[: len(sent)], sent)


async def test_what_comes_too_late_starts_with_the_next_frame() -> None:
    voice, source = PacedVoice(), Source(10)
    await play(voice, source)
    assert voice.place(np.ones(10, np.int16), 0) == voice.sent_samples


async def test_after_a_stall_beyond_the_lead_the_clock_is_right_again() -> None:
    voice, source = PacedVoice(), Source(40, stall_at=15, stall_s=4 * LEAD_MS / 1e3)
    await play(voice, source)
    pushed, counted = len(source.frames), voice.sent_samples // FRAME_SAMPLES
    assert counted > pushed, "frames were skipped"
    assert voice.latest_push_ms(0, voice.sent_samples) > LEAD_MS, "and the truth says so"
    assert len(voice.frames) == len(voice.lateness_ms) == counted
