"""What engines may be told or say, and no person would: the turn ends somehow, the next one is answered. And the button."""

from __future__ import annotations

import pytest

from runtime.call.duplex_controller import Cause, State
from runtime.engines.protocols import Heard
from tests.runtime.call.test_conversation import conversation, told
from tests.runtime.virtual_call import Answers, Call, ToldTranscription, ToldWords


@pytest.mark.parametrize("text", ["", "   ", "\u0000\u200b", "🦄🦄", "语" * 5_000, "x" * 50_000, "half \ud83e"])
def test_the_session_goes_on_whatever_the_user_is_taken_to_have_said(text: str) -> None:
    async def script(one: Call) -> None:
        for _ in range(2):
            await one.say(600)
            await one.wait(6_000)

    one = conversation(script, stt=ToldWords([Heard(text), Heard("hello")]))
    assert len(one.talk.trace.turns) == 2
    assert one.causes()[-3:] == ["end_of_turn", "first_publish", "reply_played"]


@pytest.mark.parametrize("text", ["", "   ", "🦄", "\u0000\u200b", "…!?。"])
def test_the_session_goes_on_whatever_the_agent_has_to_say(text: str) -> None:
    async def script(one: Call) -> None:
        await one.say(600)
        await one.wait(3_000)
        one.llm.reply_text = "one two three"
        await one.say(600)
        await one.wait(6_000)

    one = conversation(script, llm=Answers(reply_text=text))
    assert one.talk.control.state is State.LISTENING
    assert one.causes()[-3:] == ["end_of_turn", "first_publish", "reply_played"]


def test_the_button_silences_the_agent_at_once_and_the_next_turn_is_answered() -> None:
    async def script(one: Call) -> None:
        await one.say(600)
        await one.wait(1_000)
        assert one.talk.control.state is State.SPEAKING
        await one.talk.stop_turn(Cause.BUTTON)
        await one.wait(1_000)
        await one.say(600)
        await one.wait(6_000)

    one = conversation(script)
    assert one.causes()[:4] == ["end_of_turn", "first_publish", "user_button", "cascade_cancelled"]
    assert [data["cause"] for data in told(one, "reply_end")] == ["interrupted", "completed"]
    loud_ms = one.source.loud_ms()
    assert not ((loud_ms > 2_100 + 20) & (loud_ms < 3_000)).any()  # pressed at 2,100 ms; a tick of 10 ms is out already


def test_the_button_means_nothing_while_the_agent_listens() -> None:
    async def script(one: Call) -> None:
        await one.talk.stop_turn(Cause.BUTTON)
        await one.say(600)
        await one.wait(6_000)

    assert conversation(script).causes() == ["end_of_turn", "first_publish", "reply_played"]


def test_the_reply_is_captioned_while_it_is_spoken_under_its_own_number() -> None:
    async def script(one: Call) -> None:
        await one.say(600)
        await one.wait(6_000)

    one = conversation(script)
    lines = [data for data in told(one, "transcript") if data["role"] == "agent"]
    assert [line["final"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert len(lines) >= 2
    assert {line["reply_seq"] for line in lines} == {0}
    assert all(str(lines[-1]["text"]).startswith(str(line["text"])) for line in lines)
    (start,) = told(one, "reply_start")
    assert {"user_eot", "vad_end", "first_publish"} <= set(start["t"])  # type: ignore[call-overload]


def test_the_users_words_are_captioned_as_a_recogniser_tells_them_each_once() -> None:
    class Partly(ToldWords):
        async def open(self) -> ToldTranscription:
            opened = await super().open()
            opened.partial_text = "what is"  # type: ignore[attr-defined]
            return opened

    async def script(one: Call) -> None:
        await one.say(600)
        await one.wait(6_000)

    one = conversation(script, stt=Partly([Heard("what is the time")]))
    lines = [(data["text"], data["final"]) for data in told(one, "transcript") if data["role"] == "user"]
    assert lines == [("what is", False), ("what is the time", True)]
