"""The neural voice as an engine: it streams, ends inside a packet, shares itself between rooms, and says what it lacks."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from runtime.engines.piper import PiperTextToSpeech
from runtime.engines.protocols import EngineError

STORY = "Once upon a time, a lighthouse keeper found a bottle on the beach."


@pytest.fixture
async def voice() -> AsyncIterator[PiperTextToSpeech]:
    tts = PiperTextToSpeech()
    try:
        await tts.warm_up()
        yield tts
    finally:
        await tts.aclose()


async def chunks_of(tts: PiperTextToSpeech, text: str) -> list[np.ndarray]:
    return [chunk async for chunk in tts.speak(text)]


async def test_it_speaks_while_it_computes(voice: PiperTextToSpeech) -> None:
    chunks = await chunks_of(voice, STORY)
    assert len(chunks) > 3
    assert 2.5 < sum(map(len, chunks)) / voice.rate_hz < 5.0
    assert np.abs(np.concatenate(chunks).astype(int)).max() > 3_000


async def test_ten_runs_sound_alike(voice: PiperTextToSpeech) -> None:
    said = {np.concatenate(await chunks_of(voice, "It is half past nine.")).tobytes() for _ in range(10)}
    assert len(said) == 1


async def test_what_is_cancelled_leaves_nothing_behind(voice: PiperTextToSpeech) -> None:
    alone = np.concatenate(await chunks_of(voice, "Okay, I stopped."))
    cancelled = voice.metrics.cancelled
    async with aclosing(voice.speak(STORY)) as chunks:
        await anext(chunks)
    assert voice.metrics.cancelled == cancelled + 1
    assert np.array_equal(np.concatenate(await chunks_of(voice, "Okay, I stopped.")), alone)


@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.01, 0.03, 0.08])
async def test_a_task_that_is_cancelled_at_any_time_spoils_no_later_one(
    voice: PiperTextToSpeech, after_s: float
) -> None:
    alone = np.concatenate(await chunks_of(voice, "That is ninety dollars."))
    task = asyncio.create_task(chunks_of(voice, STORY))
    await asyncio.sleep(after_s)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert np.array_equal(np.concatenate(await chunks_of(voice, "That is ninety dollars.")), alone)
    assert voice.health().ok


async def test_two_rooms_take_turns_packet_by_packet(voice: PiperTextToSpeech) -> None:
    came: list[str] = []

    async def say(room: str) -> None:
        async for _ in voice.speak(STORY):
            came.append(room)

    await asyncio.gather(say("a"), say("b"))
    assert max(len(list(run)) for _, run in itertools.groupby(came)) <= 2


async def test_what_has_no_sound_is_silence(voice: PiperTextToSpeech) -> None:
    assert await chunks_of(voice, "…") == []


async def test_numbers_of_many_seconds_are_spoken_to_their_end(voice: PiperTextToSpeech) -> None:
    chunks = await chunks_of(voice, "999,999,999,999,999,999")
    assert sum(map(len, chunks)) / voice.rate_hz > 6.0


async def test_a_voice_that_is_not_there_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    tts = PiperTextToSpeech()
    try:
        with pytest.raises(EngineError, match=r"en_US-joe-medium is not at .*; run `earwitness setup`"):
            await tts.warm_up()
    finally:
        await tts.aclose()
