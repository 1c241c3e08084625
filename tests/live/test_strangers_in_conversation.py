"""Agents that tell nothing of themselves: they greet, think aloud, talk on. No call is made: a script plays them."""

from __future__ import annotations

import math

import pytest

from bots.probe_bot import mono_ms
from bots.timeline import Take
from harness.errors import AttemptError
from harness.live import greeting
from harness.live.conversation import Conversation
from harness.model.plan import CallRules
from harness.model.status import CaptureStatus
from tests.live.made_call import Script, held, made_talk


def answering(script: Script, after_ms: float = 500, for_ms: float = 1_200) -> None:
    script.on_said = lambda n, end_ms: script.play(end_ms + after_ms, for_ms)


def kinds(talk: Conversation) -> list[str]:
    return [happening.kind for happening in talk.happenings]


@pytest.mark.parametrize(("at_ms", "parts"), [(200, [1_500]), (1_000, [900, 900]), (4_000, [2_000])])
async def test_a_greeting_is_let_finish_before_the_user_speaks(at_ms: float, parts: list[float]) -> None:
    script = Script()
    answering(script)
    end = at_ms
    for part in parts:
        script.play(end, part)
        end += part + 1_300
    talk = made_talk(script, rules=CallRules(turn_quiet_ms=5_000))
    await held(script, talk)
    assert script.said_ms[0][0] >= end - 1_300 + 2_400
    assert kinds(talk) == ["greeting"]


async def test_a_telephone_that_rings_has_not_greeted_yet() -> None:
    script = Script()  # its sounds are of one level
    answering(script)
    script.play(300, 2_000)
    script.play(6_300, 2_000)
    talk = made_talk(script, rules=CallRules(turn_quiet_ms=1_500))
    await held(script, talk)
    assert script.said_ms[0][0] >= 8_300 + 4_900


@pytest.mark.parametrize("limit_s", [11.0, 13.0])  # it finds it silent, or amid a ring
async def test_a_telephone_that_nobody_answers_is_no_agent_that_never_stops(
    limit_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greeting, "GREETING_LIMIT_S", limit_s)
    script = Script()
    for at_ms in (300, 6_300, 12_300):
        script.play(at_ms, 2_000)
    with pytest.raises(AttemptError, match=r"a telephone rang for 1[13] s, and nobody answered it") as caught:
        await held(script, made_talk(script, rules=CallRules(turn_quiet_ms=1_500, greeting_window_ms=500)))
    assert caught.value.status is CaptureStatus.AGENT_ABSENT
    assert script.said_ms == []


async def test_who_does_not_greet_is_waited_for_as_long_as_was_said_and_no_longer() -> None:
    script = Script()
    answering(script)
    talk = made_talk(script, rules=CallRules(greeting_window_ms=2_000, turn_quiet_ms=1_500))
    talk.there_ms = 1_500
    await held(script, talk)
    assert 500 <= script.said_ms[0][0] <= 800
    assert kinds(talk) == []


async def test_an_agent_that_says_it_thinks_is_waited_for_beyond_the_window() -> None:
    script = Script()
    answering(script)
    script.probe.agent_state = "thinking"
    script.at_ms[2_500.0] = lambda: script.play(2_600, 1_000)
    script.at_ms[3_700.0] = lambda: setattr(script.probe, "agent_state", "listening")
    talk = made_talk(script, rules=CallRules(greeting_window_ms=1_000))
    await held(script, talk)
    assert script.said_ms[0][0] >= 3_700
    assert kinds(talk) == ["greeting"]


async def test_a_turn_goes_on_through_the_silence_of_a_tool_call() -> None:
    script = Script()

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_200)
        script.play(end_ms + 5_700, 2_000)

    script.on_said = on_said
    talk = made_talk(script, turns=2, rules=CallRules(greeting="none", turn_quiet_ms=5_000))
    await held(script, talk)
    assert script.said_ms[1][0] >= script.said_ms[0][1] + 5_700 + 2_000
    assert script.now_ms >= script.said_ms[1][1] + 5_700 + 2_000
    assert kinds(talk) == []


async def test_a_state_tells_the_end_of_a_turn_sooner_than_silence_would() -> None:
    script = Script()
    script.probe.agent_state = "listening"

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_200)
        script.play(end_ms + 5_700, 2_000)
        script.at_ms[end_ms + 100] = lambda: setattr(script.probe, "agent_state", "thinking")
        script.at_ms[end_ms + 7_700] = lambda: setattr(script.probe, "agent_state", "listening")

    script.on_said = on_said
    talk = made_talk(script, rules=CallRules(greeting="none", turn_quiet_ms=30_000))
    await held(script, talk)
    since_said = script.now_ms - script.said_ms[0][1]
    assert 7_700 + 2_000 <= since_said <= 7_700 + 3_500


async def test_sound_after_the_end_reopens_the_turn() -> None:
    script = Script()

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_200)
        script.play(end_ms + 4_200, 1_000)

    script.on_said = on_said
    talk = made_talk(script, rules=CallRules(greeting="none", turn_quiet_ms=2_000))
    await held(script, talk)
    assert kinds(talk) == ["reopened"]
    assert "after 2.5 s of silence" in talk.happenings[0].detail
    assert script.now_ms >= script.said_ms[0][1] + 5_200


async def test_an_agent_that_talks_on_after_the_interruption_is_waited_for_and_named() -> None:
    script = Script()

    def on_said(n: int, end_ms: float) -> None:
        if n == 0:
            for sentence in range(10):
                script.play(end_ms + 500 + 1_000 * sentence, 650)  # it breathes between its sentences
        else:
            script.play(end_ms + 9_000, 1_000)

    script.on_said = on_said
    talk = made_talk(script, turns=2, after="reply_start", delay_ms=1_500, interrupts=True)
    await held(script, talk)
    assert kinds(talk) == ["talked_on"]
    assert talk.happenings[0].duration_ms == pytest.approx(8_150, abs=60)
    assert (
        talk.happenings[0].detail == "the agent talked on 8.2 s after the interruption"
        or "8.1" in talk.happenings[0].detail
    )


async def test_an_agent_that_stops_for_the_user_has_not_talked_on() -> None:
    script = Script()

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 2_000 if n == 0 else 1_000)

    script.on_said = on_said
    talk = made_talk(script, turns=2, after="reply_start", delay_ms=1_500, interrupts=True)
    await held(script, talk)
    assert kinds(talk) == []


async def test_an_agent_that_never_falls_silent_after_the_interruption_is_said_to_talk_on() -> None:
    script = Script()
    script.on_said = lambda n, end_ms: script.play(end_ms + 500, 1e6) if n == 0 else None
    talk = made_talk(script, turns=2, after="reply_start", delay_ms=1_500, interrupts=True)
    with pytest.raises(AttemptError, match=r"talked on \d+\.\d s after the interruption, and did not stop") as caught:
        await held(script, talk)
    assert caught.value.status is CaptureStatus.REPLY_ENDLESS


async def test_a_reply_that_began_before_the_user_was_done_is_a_reply() -> None:
    script = Script()
    script.on_said = lambda n, end_ms: script.play(end_ms - 200, 1_500)
    await held(script, made_talk(script))


async def test_nothing_said_is_no_reply_and_no_track_is_no_agent() -> None:
    for has_track, status in ((True, CaptureStatus.REPLY_TIMEOUT), (False, CaptureStatus.AGENT_ABSENT)):
        script = Script()
        script.probe.agent_has_track = has_track
        with pytest.raises(AttemptError) as caught:
            await held(script, made_talk(script))
        assert caught.value.status is status


@pytest.mark.parametrize(("heard", "status"), [(True, CaptureStatus.REPLY_TIMEOUT), (False, CaptureStatus.PAGE_ERROR)])
async def test_words_that_a_page_muted_after_the_first_turn_are_not_answered_by_anybody(
    heard: bool, status: CaptureStatus
) -> None:
    script = Script()
    first, second = mono_ms() - 60_000, math.inf
    script.probe.takes = [Take("user", arrivals_ms=[first, second], levels_dbfs=[-20.0, -20.0 if heard else -90.0])]
    script.on_said = lambda n, end_ms: script.play(end_ms + 500, 1_200) if n == 0 else None
    with pytest.raises(AttemptError) as caught:
        await held(script, made_talk(script, turns=2))
    assert caught.value.status is status
    assert heard or "nothing of it left the page" in caught.value.detail


async def test_speech_over_a_bed_of_noise_begins_and_ends() -> None:
    script = Script()
    answering(script)
    feed = script.hearing.feed
    rng_level = 10 ** (-42 / 20)

    def over_a_bed(at: int, samples: object) -> None:
        feed(at, samples + rng_level)  # type: ignore[operator]

    script.hearing.feed = over_a_bed  # type: ignore[method-assign,assignment]
    await held(script, made_talk(script))
    onset = script.hearing.onsets[-1] / 48
    assert onset == pytest.approx(script.said_ms[0][1] + 500, abs=40)


async def test_a_state_of_the_agents_own_invention_tells_nothing() -> None:
    script = Script()
    answering(script)
    script.probe.agent_state = "ready"
    talk = made_talk(script, rules=CallRules(greeting="none", turn_quiet_ms=1_500))
    await held(script, talk)
    assert kinds(talk) == []
    assert script.hearing.now < (script.said_ms[0][1] + 10_000) * 48


async def test_an_agent_that_asks_again_and_again_does_not_speak_without_end() -> None:
    script = Script()

    def on_said(n: int, end_ms: float) -> None:
        for at in range(0, 60_000 if n == 0 else 0, 5_000):
            script.play(end_ms + 500 + at, 1_000)

    script.on_said = on_said
    talk = made_talk(script, turns=2, rules=CallRules(greeting="none", turn_quiet_ms=5_000))
    await held(script, talk)
    assert len(script.said_ms) == 2
    assert set(kinds(talk)) == {"reopened"}
    assert "the agent spoke again and again" in talk.happenings[0].detail
