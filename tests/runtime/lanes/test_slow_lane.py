"""Both lanes around a dialogue: the reply is the same, and the turn says afterwards what was said and how, or why not."""

from __future__ import annotations

import asyncio

import numpy as np

from runtime.engines.engine_set import Engines
from runtime.engines.omni import SoundOnly
from runtime.engines.scripted import REPLIES, ScriptedDialogue
from runtime.engines.silero import SileroDetection
from runtime.engines.turn_scope import TurnScope, begin_turn
from runtime.lanes.scheduler import LaneScheduler
from runtime.lanes.slow_lane import SlowLane, lanes_around
from tests.runtime.engines.conftest import Counts, Tone
from tests.runtime.virtual_time import in_virtual_time

VOICE = (6_000 * np.sign(np.sin(2 * np.pi * 125 * np.arange(16_000) / 16_000))).astype(np.int16)


def around(lane: SlowLane, stt: Counts | SoundOnly | None = None) -> Engines:
    dialogue = ScriptedDialogue(4.0)
    return lanes_around(Engines(SileroDetection(), stt or Counts(), dialogue, Tone(1_000)), lane)


async def a_turn(engines: Engines) -> tuple[str, TurnScope]:
    scope = begin_turn()
    transcription = await engines.stt.open()
    transcription.push(VOICE[:8_000])
    transcription.push(VOICE[8_000:])
    heard = await transcription.finish()
    tokens = [token async for token in engines.llm.open().reply(heard, interrupted=False)]
    return "".join(tokens).strip(), scope


async def settled(lane: SlowLane) -> None:
    await asyncio.gather(*lane._tasks)


async def test_the_turn_says_how_it_was_said() -> None:
    lane = SlowLane(LaneScheduler())
    engines = around(lane)
    reply, scope = await a_turn(engines)
    await settled(lane)
    await engines.aclose()
    assert reply == REPLIES["hello"]
    assert scope.slow is not None
    assert scope.slow["text"] == "hello 16000"
    assert abs(scope.slow["pitch_hz"] - 125.0) < 3
    assert engines.report()["lanes"]["slow_completed"] == 1


async def test_a_model_that_hears_itself_gets_its_transcript_here() -> None:
    lane = SlowLane(LaneScheduler(), Counts())
    engines = around(lane, SoundOnly())
    _, scope = await a_turn(engines)
    await settled(lane)
    await engines.aclose()
    assert scope.slow is not None
    assert scope.slow["text"] == "hello 16000"


def test_after_an_interruption_the_slow_lane_is_left_out_for_a_while() -> None:
    async def run() -> list[dict | None]:
        lane = SlowLane(LaneScheduler(), None)
        engines = around(lane)
        engines.llm.open().spoken("Once upon a")
        _, scope = await a_turn(engines)
        await settled(lane)
        engines.llm.open().spoken("")  # nothing was heard: that was no interruption
        return [scope.slow]

    assert in_virtual_time(run()) == [{"skipped": "cool-down after barge-in"}]


async def test_closing_ends_what_the_slow_lane_does() -> None:
    class Endless(Counts):
        async def open(self):  # type: ignore[no-untyped-def]
            await asyncio.Event().wait()

    lane = SlowLane(LaneScheduler(), Endless())
    engines = around(lane)
    await a_turn(engines)
    assert len(lane._tasks) == 1
    await engines.aclose()
    assert not lane._tasks
