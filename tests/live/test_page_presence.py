"""What the end of a page's connection means. A script plays the agent; live, see test_page_without_room.py."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from harness.browser.ways import CARRIED_BYTES, Ways
from harness.live import page_presence
from harness.live.attendance import Attendance
from harness.live.conversation import Stage
from harness.live.page_presence import PagePresence
from tests.live.made_call import PER_MS, Script, made_talk

LIMIT_S = 20.0  # of what comes at once


class OfPage(Script):
    def mono_ms(self, sample: int) -> None:
        return None


@pytest.mark.parametrize("stage", [Stage.REPLY, Stage.LAST_REPLY])
async def test_a_connection_that_goes_with_its_page_is_no_crash_of_the_agent(
    monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    """The page went to another one while the agent spoke: nothing more is heard, and whoever waits for that says so."""
    monkeypatch.setattr(page_presence, "CATCH_UP_S", 0.02)
    script, ways = OfPage(), Ways()
    talk: Any = made_talk(script)
    talk.stage = stage
    script.hearing.feed(0, np.full(1_000 * PER_MS, script.level, np.float32))
    voice = ways.socket("wss://agent/voice")
    voice.carried(CARRIED_BYTES)
    user: Any = script
    watching = asyncio.create_task(PagePresence(talk, ways, Attendance(), user, []).watch())
    voice.close()
    done, _ = await asyncio.wait({watching}, timeout=0.2)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert not done
    assert talk.present.is_set()


@pytest.mark.parametrize("goes_on", [False, True])
async def test_a_page_that_pauses_between_two_words_as_its_connection_ends_has_all_of_the_reply(goes_on: bool) -> None:
    script, ways = OfPage(), Ways()
    talk: Any = made_talk(script)
    talk.stage = Stage.LAST_REPLY
    word = np.full(500 * PER_MS, script.level, np.float32)
    script.hearing.feed(0, word)
    voice = ways.socket("wss://agent/voice")
    voice.carried(CARRIED_BYTES)
    user: Any = script
    watching = asyncio.create_task(PagePresence(talk, ways, Attendance(), user, []).watch())
    await asyncio.sleep(0)
    voice.close()
    heard = [word, np.zeros(350 * PER_MS, np.float32)]
    heard += [word] * goes_on + [np.zeros(1_000 * PER_MS, np.float32)]
    for piece in heard:
        for at in range(0, len(piece), 10 * PER_MS):
            script.hearing.feed(script.hearing.now, piece[at : at + 10 * PER_MS])
            for _ in range(3):
                await asyncio.sleep(0)
    done, _ = await asyncio.wait({watching}, timeout=0.2 if goes_on else LIMIT_S)
    watching.cancel()
    found = await asyncio.gather(watching, return_exceptions=True)
    if goes_on:
        assert not done
        assert talk.hung_up
    else:
        assert "in the middle of a reply" in str(found[0])


@pytest.mark.parametrize("plays", [False, True])
async def test_a_program_that_ends_in_order_before_its_reply_is_played_has_hung_up_if_it_is(
    monkeypatch: pytest.MonkeyPatch, plays: bool
) -> None:
    """A busy page begins to play a second after it was sent the whole reply."""
    monkeypatch.setattr(page_presence, "COME_BACK_S", LIMIT_S if plays else 0.02)
    script, ways, program = OfPage(), Ways(), Attendance(exit_code=0, lost_why="its process ended with 0")
    talk: Any = made_talk(script)
    talk.stage = Stage.DUE
    user: Any = script
    watching = asyncio.create_task(PagePresence(talk, ways, program, user, []).watch())
    program.lost.set()
    for _ in range(120):
        await heard(script, 0.0)
    if plays:
        for _ in range(50):
            await heard(script, script.level)
        talk.stage = Stage.LAST_REPLY
        for _ in range(50):
            await heard(script, 0.0)
    done, _ = await asyncio.wait({watching}, timeout=0.2 if plays else LIMIT_S)
    watching.cancel()
    found = await asyncio.gather(watching, return_exceptions=True)
    assert talk.hung_up is plays
    assert bool(done) is not plays
    if not plays:
        assert "its process ended with 0" in str(found[0])


class SlowToSay(OfPage):
    """A page that is asked for its frame when its connection ends, and answers half a second later."""

    def __init__(self) -> None:
        super().__init__()
        self.has_said = asyncio.Event()

    async def now_sample(self) -> int:
        await asyncio.sleep(0.5)
        self.has_said.set()
        return self.hearing.now + 500 * PER_MS


async def test_a_reply_is_torn_also_where_the_page_is_slow_to_say_when() -> None:
    script, ways = SlowToSay(), Ways()
    talk: Any = made_talk(script)
    talk.stage = Stage.LAST_REPLY
    for _ in range(100):
        await heard(script, script.level)
    voice = ways.socket("wss://agent/voice")
    voice.carried(CARRIED_BYTES)
    user: Any = script
    watching = asyncio.create_task(PagePresence(talk, ways, Attendance(), user, []).watch())
    voice.close()
    await script.has_said.wait()
    for _ in range(200):
        await heard(script, 0.0)
    async with asyncio.timeout(LIMIT_S):
        assert "in the middle of a reply" in str(await watching)


async def heard(script: OfPage, level: float) -> None:
    """10 ms more."""
    script.hearing.feed(script.hearing.now, np.full(10 * PER_MS, level, np.float32))
    for _ in range(3):
        await asyncio.sleep(0)
