"""Turns, as the listener hears them: answers, interruptions, backchannels, speculative starts, and what is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from runtime.engines.protocols import Heard
from runtime.settings import TurnTaking
from tests.runtime.virtual_call import Answers, Call, ToldWords, Tone, call, in_virtual_time


def conversation(script: Callable[[Call], Awaitable[None]], **engines: object) -> Call:
    """Run `script` with a call, hang up, and see that no task is left."""
    made: list[Call] = []

    async def run() -> None:
        before = asyncio.all_tasks()
        one = call(**engines)  # type: ignore[arg-type]
        made.append(one)
        try:
            await one.wait(500)
            await script(one)
        finally:
            await one.hang_up()
        assert asyncio.all_tasks() == before

    in_virtual_time(run)
    assert made[0].stt.opened == made[0].stt.closed, "every transcription was finished or dropped"
    return made[0]


def told(one: Call, kind: str) -> list[dict[str, object]]:
    return [data for name, data in one.events if name == kind]


def test_a_turn_is_answered_after_the_hangover_and_not_before() -> None:
    async def script(one: Call) -> None:
        await one.say(600)
        await one.wait(6_000)

    one = conversation(script)
    assert one.causes() == ["end_of_turn", "first_publish", "reply_played"]
    assert 1_300 <= one.source.loud_ms()[0] <= 1_330
    assert [data["reply_seq"] for data in told(one, "reply_start")] == [0]
    assert [data["cause"] for data in told(one, "reply_end")] == ["completed"]


def test_what_is_prepared_is_not_heard_before_the_end_of_turn_is_decided() -> None:
    async def script(one: Call) -> None:
        await one.say(600)
        await one.wait(900)
        await one.wait(5_000)

    one = conversation(script, taking=TurnTaking(silence_ms=800.0))
    (record,) = one.talk.trace.turns
    assert record.prepared
    assert record.t["stt_done"] < record.t["vad_end"]
    assert record.t["tts_first_pcm"] < record.t["vad_end"]
    assert record.t["first_publish"] >= record.t["vad_end"]
    assert one.source.loud_ms()[0] >= 500 + 600 + 800


def test_who_answers_right_after_a_reply_is_answered_as_quickly_as_anybody() -> None:
    async def script(one: Call) -> None:
        await one.say(600)
        while "reply_end" not in [name for name, _ in one.events]:
            await one.wait(20)
        await one.wait(200)  # what begins so soon may be the reply's echo; this is as loud as the user is
        await one.say(600)
        await one.wait(6_000)

    first, second = conversation(script).talk.trace.turns
    assert first.prepared
    assert second.prepared
    assert second.t["tts_first_pcm"] < second.t["vad_end"] <= second.t["first_publish"]


def test_a_reply_prepared_at_a_pause_is_thrown_away_when_the_user_goes_on() -> None:
    async def script(one: Call) -> None:
        await one.say(600)
        await one.wait(160)
        await one.say(500)
        await one.wait(6_000)

    one = conversation(script, stt=ToldWords([Heard("half"), Heard("whole")]))
    assert [text for text, _ in one.llm.asked] == ["half", "whole"]
    assert [data["text"] for data in told(one, "transcript") if data["role"] == "user"] == ["whole"]
    assert one.causes() == ["end_of_turn", "first_publish", "reply_played"]
    assert max(one.stt.pushed) >= (600 + 160 + 500) * 16, "the second transcript is of everything"


def test_a_recogniser_that_is_slow_at_a_pause_is_not_asked_twice_at_once() -> None:
    async def script(one: Call) -> None:
        await one.say(600)
        await one.wait(150)
        await one.say(900)
        await one.wait(6_000)

    one = conversation(script, stt=ToldWords([Heard("half"), Heard("whole")], finish_s=0.4))
    assert [text for text, _ in one.llm.asked] == ["whole"]
    assert one.causes() == ["end_of_turn", "first_publish", "reply_played"]


def test_a_model_that_cannot_be_asked_twice_is_not_asked_ahead() -> None:
    async def script(one: Call) -> None:
        await one.say(600)
        await one.wait(160)
        await one.say(500)
        await one.wait(6_000)

    one = conversation(script, llm=Answers(repeatable=False))
    assert len(one.llm.asked) == 1


def test_without_speculation_nothing_is_done_ahead() -> None:
    async def script(one: Call) -> None:
        await one.say(600)
        await one.wait(180)
        assert one.llm.asked == []
        await one.wait(6_000)

    one = conversation(script, taking=TurnTaking(prepare=False))
    assert len(one.llm.asked) == 1
    assert not one.talk.trace.turns[0].prepared


async def into_a_reply(one: Call) -> None:
    await one.say(800)
    await one.wait(1_500)


def silence_from(one: Call, t_ms: float) -> float:
    """How long after `t_ms` the last sound of the reply then sounding was heard."""
    loud = one.source.loud_ms()
    after = loud[loud >= t_ms]
    gaps = np.flatnonzero(np.diff(after) > 300)
    return float(after[gaps[0]] if len(gaps) else after[-1]) - t_ms


def test_an_interruption_silences_the_reply_and_gets_its_own_answer() -> None:
    onset: list[float] = []

    async def script(one: Call) -> None:
        await into_a_reply(one)
        onset.append(one.now_ms)
        await one.say(1_200)
        await one.wait(8_000)

    one = conversation(script)
    assert one.causes() == [
        "end_of_turn", "first_publish", "possible_barge_in", "barge_in", "cascade_cancelled",
        "end_of_turn", "first_publish", "reply_played",
    ]  # fmt: skip
    assert silence_from(one, onset[0]) <= 200
    assert [data["cause"] for data in told(one, "reply_end")] == ["interrupted", "completed"]
    assert one.llm.asked[-1][1] is True


def test_a_backchannel_is_not_heard_in_the_reply_at_all() -> None:
    async def quiet_listener(one: Call) -> None:
        await into_a_reply(one)
        await one.wait(400)
        await one.wait(8_000)

    async def saying_mm_hm(one: Call) -> None:
        await into_a_reply(one)
        await one.say(400, level=0.015)
        await one.wait(8_000)

    undisturbed, disturbed = conversation(quiet_listener), conversation(saying_mm_hm)
    assert disturbed.causes() == ["end_of_turn", "first_publish", "reply_played"]
    assert np.array_equal(disturbed.source.heard, undisturbed.source.heard[: len(disturbed.source.heard)])


@pytest.mark.parametrize("words", ["okay", ""])
def test_after_a_false_interruption_the_reply_goes_on_where_it_was(words: str) -> None:
    async def quiet_listener(one: Call) -> None:
        await into_a_reply(one)
        await one.wait(10_000)

    async def saying_okay(one: Call) -> None:
        await into_a_reply(one)
        await one.say(350)
        await one.wait(10_000)

    stt = ToldWords([Heard("hello"), Heard(words)])
    whole, held = conversation(quiet_listener), conversation(saying_okay, stt=stt)
    assert held.causes() == ["end_of_turn", "first_publish", "possible_barge_in", "false_alarm", "reply_played"]
    assert told(held, "reply_end") == [{"reply_seq": 0, "cause": "completed"}]
    lost_ms = len(whole.source.loud_ms()) - len(held.source.loud_ms())
    assert abs(lost_ms) <= 20, "nothing is lost and nothing said twice, but for a tick and the fade"
    pauses = np.diff(held.source.loud_ms())
    assert 300 <= pauses.max() <= 700, "silent while it was not clear"


def test_a_short_loud_word_that_is_no_backchannel_stops_it() -> None:
    async def script(one: Call) -> None:
        await into_a_reply(one)
        await one.say(350)
        await one.wait(8_000)

    one = conversation(script, stt=ToldWords([Heard("hello"), Heard("stop")]))
    assert one.causes()[2:] == [
        "possible_barge_in", "barge_in", "cascade_cancelled", "end_of_turn", "first_publish", "reply_played",
    ]  # fmt: skip
    assert one.llm.asked[-1] == ("stop", True)


def test_words_that_are_late_find_the_reply_going_on_and_still_stop_it() -> None:
    async def script(one: Call) -> None:
        await into_a_reply(one)
        one.stt.finish_s = 1.5
        await one.say(350)
        await one.wait(8_000)

    one = conversation(script, stt=ToldWords([Heard("hello"), Heard("stop")]))
    assert one.causes()[2:6] == ["possible_barge_in", "false_alarm", "barge_in", "cascade_cancelled"]
    assert one.llm.asked[-1] == ("stop", True)


@pytest.mark.parametrize(("level", "turns"), [(0.01, 1), (0.1, 2)], ids=["an echo's tail, a murmur", "the user"])
def test_a_soft_sound_that_began_under_a_reply_is_no_turn_when_the_reply_has_ended(level: float, turns: int) -> None:
    async def script(one: Call) -> None:
        await one.say(800)
        await one.wait(740)
        await one.say(900, level=level)
        await one.wait(8_000)

    one = conversation(script, llm=Answers(reply_text="one two three"))
    assert one.causes().count("end_of_turn") == turns


def test_a_reply_that_is_held_when_the_users_track_ends_goes_on() -> None:
    async def script(one: Call) -> None:
        await into_a_reply(one)
        await one.say(300)
        await one.talk.track_ended()
        await asyncio.sleep(8)  # virtual time

    one = conversation(script)
    assert one.causes()[-2:] == ["false_alarm", "reply_played"]


def test_no_task_outlives_a_cancelled_turn() -> None:
    async def script(one: Call) -> None:
        resting = asyncio.all_tasks()
        await into_a_reply(one)
        await one.say(900)
        assert "cascade_cancelled" in one.causes()
        assert asyncio.all_tasks() == resting
        assert not one.talk._tasks

    conversation(script)


def test_a_prepared_reply_that_fails_is_tried_again_at_the_end_of_turn() -> None:
    async def script(one: Call) -> None:
        await one.say(600)
        await one.wait(6_000)

    one = conversation(script, stt=ToldWords([Heard("hello")], fails=1))
    assert one.causes() == ["end_of_turn", "first_publish", "reply_played"]


def test_an_engine_that_raises_anything_costs_its_turn_and_not_the_call() -> None:
    async def script(one: Call) -> None:
        await one.say(600)
        await one.wait(6_000)
        one.tts.breaks = None
        await one.say(600)
        await one.wait(6_000)

    one = conversation(script, tts=Tone(breaks=1))
    assert one.causes()[:3] == ["end_of_turn", "first_publish", "no_reply"]
    assert one.causes()[3:] == ["end_of_turn", "first_publish", "reply_played"]
    assert [data["cause"] for data in told(one, "reply_end")] == ["error", "completed"]


def test_leaving_in_the_middle_of_a_held_reply_closes_it() -> None:
    async def script(one: Call) -> None:
        await into_a_reply(one)
        await one.say(300)
        assert one.causes()[-1] == "possible_barge_in"

    one = conversation(script)
    assert one.causes()[-2:] == ["leaving", "cascade_cancelled"]
    assert [data["cause"] for data in told(one, "reply_end")] == ["interrupted"]
