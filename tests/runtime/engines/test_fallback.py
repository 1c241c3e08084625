"""R-96: when a first choice is left, for how long, in whose voice a sentence is spoken, and what the turn says of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.engines.breaker import BreakerState, CircuitBreaker
from runtime.engines.endpoint import Endpoint, Timeouts
from runtime.engines.fallback import FallbackLanguageModel, FallbackSpeechToText
from runtime.engines.fallback_tts import FallbackTextToSpeech
from runtime.engines.openai_chat import ChatModel, ChatOptions
from runtime.engines.openai_transcription import TranscriptionEndpoint, TranscriptionOptions
from runtime.engines.protocols import EngineError, Heard, Int16Array
from runtime.engines.scripted import REPLIES, ScriptedDialogue
from runtime.engines.turn_scope import TurnScope, begin_turn
from tests.runtime.engines.conftest import Counts, Misbehaving, Tone, answers, streams

FIRST, RESERVE = 1_000, -2_000
PATIENT_MS = 60_000.0


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_breaker_rests_tries_one_and_closes(clock: Clock) -> None:
    breaker = CircuitBreaker(30.0, now_s=clock)
    assert breaker.allows()
    breaker.failed("429")
    assert not breaker.allows()
    clock.now_s = 29.9
    assert not breaker.allows()
    clock.now_s = 30.0
    assert breaker.allows(), "one may try"
    assert not breaker.allows(), "one only"
    breaker.failed("429 again")
    assert not breaker.allows()
    clock.now_s = 60.0
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED
    assert breaker.why == ""


def test_a_trial_that_was_cancelled_leaves_the_next_one_to_try(clock: Clock) -> None:
    breaker = CircuitBreaker(30.0, now_s=clock)
    breaker.failed("x")
    clock.now_s = 31.0
    assert breaker.allows()
    breaker.given_up()
    assert breaker.allows()


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["succeeded", "failed", "given_up", "wait", "ask"]), max_size=40))
def test_an_open_breaker_lets_nothing_through_before_its_time(steps: list[str]) -> None:
    clock = Clock()
    breaker = CircuitBreaker(10.0, now_s=clock)
    failed_s = -100.0
    for step in steps:
        clock.now_s += 3.0 if step == "wait" else 0.0
        if step == "ask" and breaker.allows():
            assert clock.now_s - failed_s >= 10.0 or breaker.state is BreakerState.CLOSED
        if step == "failed":
            failed_s = clock.now_s
            breaker.failed("x")
        elif step in ("succeeded", "given_up"):
            getattr(breaker, step)()


# the voice


def voices(audio: Int16Array) -> list[int]:
    """The levels in the order in which they are heard; silence between them is none."""
    loud = audio[np.abs(audio.astype(int)) > 10]
    signs = np.sign(loud)
    return [FIRST if sign > 0 else RESERVE for sign in signs[np.flatnonzero(np.diff(signs, prepend=0))]]


async def turn_of(tts: FallbackTextToSpeech, *segments: str) -> tuple[list[list[int]], TurnScope]:
    """(voices of each segment, the turn) of one reply, spoken in a task of its own as the agent does."""

    async def speak() -> tuple[list[list[int]], TurnScope]:
        scope = begin_turn()
        heard = []
        for segment in segments:
            chunks = [chunk async for chunk in tts.speak(segment)]
            heard.append(voices(np.concatenate(chunks)) if chunks else [])
        return heard, scope

    return await asyncio.create_task(speak())


def pair(first: Tone, clock: Clock, switch_after_ms: float = PATIENT_MS) -> FallbackTextToSpeech:
    return FallbackTextToSpeech(first, Tone(RESERVE), CircuitBreaker(30.0, now_s=clock), switch_after_ms)


async def test_a_voice_that_works_speaks_alone(clock: Clock) -> None:
    heard, scope = await turn_of(pair(Tone(FIRST), clock), "One. ", "Two.")
    assert heard == [[FIRST], [FIRST]]
    assert scope.degraded == []


async def test_a_reply_whose_voice_fails_at_once_is_spoken_by_the_reserve_and_degraded(clock: Clock) -> None:
    tts = pair(Tone(FIRST, fail_after=0), clock)
    heard, scope = await turn_of(tts, "One. ", "Two.")
    assert heard == [[RESERVE], [RESERVE]]
    assert len(scope.degraded) == 1
    assert "the tone broke off" in scope.degraded[0]
    assert not tts.health().ok


async def test_a_sentence_that_had_begun_is_said_again_from_its_beginning(clock: Clock) -> None:
    tts = pair(Tone(FIRST, fail_after=8), clock)
    heard, scope = await turn_of(tts, "One,", " two and three", " and four.", " Five.")
    assert heard[0] == [FIRST]
    assert heard[1] == [FIRST, RESERVE], "it breaks off, and the reserve begins anew"
    assert heard[2:] == [[RESERVE], [RESERVE]]
    assert tts.reserve.said[0] == "One, two and three", "the whole sentence so far"
    assert "sentence's beginning" in scope.degraded[0]


async def test_the_next_sentence_after_a_whole_one_is_not_said_twice(clock: Clock) -> None:
    tts = pair(Tone(FIRST, fail_after=5), clock)
    await turn_of(tts, "One.", " And two.")
    assert tts.reserve.said == [" And two."]


async def test_while_it_rests_replies_begin_in_the_reserves_voice_and_come_back_after(clock: Clock) -> None:
    first = Tone(FIRST, fail_after=0)
    tts = pair(first, clock)
    await turn_of(tts, "One.")
    first.fail_after = None
    heard, scope = await turn_of(tts, "Two.")
    assert heard == [[RESERVE]]
    assert "resting" in scope.degraded[0]
    clock.now_s = 31.0
    heard, scope = await turn_of(tts, "Three.")
    assert heard == [[FIRST]]
    assert scope.degraded == []
    assert tts.health().ok


class Late(Tone):
    """Says nothing until it is let."""

    async def speak(self, text: str) -> AsyncGenerator[Int16Array]:
        await asyncio.Event().wait()
        yield np.zeros(1, np.int16)


async def test_a_first_chunk_that_does_not_come_in_time_is_not_waited_for(clock: Clock) -> None:
    heard, scope = await turn_of(pair(Late(FIRST), clock, switch_after_ms=50.0), "One.")
    assert heard == [[RESERVE]]
    assert "no result within 50 ms" in scope.degraded[0]


async def test_a_voice_slower_than_speech_twice_in_a_row_rests(clock: Clock) -> None:
    tts = pair(Tone(FIRST), clock)
    tts._rate(2.0, 1.0)
    tts._rate(0.5, 1.0)
    tts._rate(2.0, 1.0)
    assert tts.breaker.allows()
    tts._rate(2.0, 1.0)
    assert not tts.breaker.allows()


async def test_the_reserve_speaks_at_the_first_ones_rate(clock: Clock) -> None:
    first, reserve = Tone(FIRST, rate_hz=24_000, fail_after=0), Tone(RESERVE, rate_hz=22_050)
    tts = FallbackTextToSpeech(first, reserve, CircuitBreaker(now_s=clock), PATIENT_MS)
    chunks = [chunk async for chunk in tts.speak("0123456789")]
    assert abs(sum(map(len, chunks)) - 2_400) <= 16


async def test_both_failing_is_an_error_of_the_turn(clock: Clock) -> None:
    tts = FallbackTextToSpeech(Tone(1, fail_after=0), Tone(2, fail_after=0), CircuitBreaker(now_s=clock), PATIENT_MS)
    with pytest.raises(EngineError):
        [chunk async for chunk in tts.speak("One.")]


async def test_an_interruption_says_nothing_against_the_voice(clock: Clock) -> None:
    tts = pair(Tone(FIRST), clock)
    chunks = tts.speak("One.")
    await anext(chunks)
    await chunks.aclose()
    assert tts.breaker.state is BreakerState.CLOSED


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["Yes.", " and so", " on, and", " it ends.", " Ok!"]), min_size=1, max_size=8),
    st.integers(0, 12),
)
def test_no_sentence_has_two_voices_unless_said_anew(parts: list[str], fail_after: int) -> None:
    """Whatever fails where: each voice's text is made of whole sentences, and nothing is left out."""

    async def run() -> FallbackTextToSpeech:
        tts = pair(Tone(FIRST, fail_after=fail_after), Clock())
        await turn_of(tts, *parts)
        return tts

    tts = asyncio.run(run())
    said = "".join(tts.reserve.said)
    text = "".join(parts)
    assert text.endswith(said)
    before = text[: len(text) - len(said)]
    assert before == "" or before.rstrip().endswith((".", "!")) or said == "", "the reserve begins with a sentence"


# what hears and what answers


async def test_what_the_first_recogniser_cannot_transcribe_the_reserve_hears_whole(
    misbehaving: Misbehaving, clock: Clock
) -> None:
    misbehaving.answering = answers(500, b"out of memory")
    first = TranscriptionEndpoint(misbehaving.endpoint(), TranscriptionOptions("m"))
    stt = FallbackSpeechToText(first, Counts(), CircuitBreaker(now_s=clock), PATIENT_MS)
    await stt.warm_up()  # the first choice is down: the agent starts all the same
    scope = begin_turn()
    transcription = await stt.open()
    transcription.push(np.zeros(700, np.int16))
    assert (await transcription.finish()).text == "hello 700"
    clock.now_s = 31.0
    again = await stt.open()
    again.push(np.zeros(300, np.int16))
    assert (await again.finish()).text == "hello 300"
    await stt.aclose()
    assert len(scope.degraded) == 2
    assert "resting" in scope.degraded[0]
    assert "answered 500" in scope.degraded[1]


def models(misbehaving: Misbehaving, clock: Clock, timeouts: Timeouts | None = None) -> FallbackLanguageModel:
    endpoint = misbehaving.endpoint(timeouts) if timeouts is not None else misbehaving.endpoint()
    first = ChatModel(endpoint, ChatOptions("m"))
    return FallbackLanguageModel(first, ScriptedDialogue(0.0), CircuitBreaker(now_s=clock), PATIENT_MS)


@pytest.mark.parametrize("status", [429, 500])
async def test_a_model_that_refuses_is_replaced_before_its_first_token(
    misbehaving: Misbehaving, clock: Clock, status: int
) -> None:
    misbehaving.answering = answers(status)
    llm = models(misbehaving, clock)
    scope = begin_turn()
    talk = llm.open()
    assert "".join([t async for t in talk.reply(Heard("hello"), interrupted=False)]).strip() == REPLIES["hello"]
    assert f"answered {status}" in scope.degraded[0]
    n_asked = len(misbehaving.bodies)
    [t async for t in talk.reply(Heard("hello"), interrupted=False)]
    assert len(misbehaving.bodies) == n_asked, "it rests"
    await llm.aclose()


async def test_a_model_that_breaks_off_in_mid_sentence_is_not_continued_by_another(
    misbehaving: Misbehaving, clock: Clock
) -> None:
    event = b'data: {"choices": [{"delta": {"content": "It costs nine"}, "finish_reason": null}]}\n\n'
    misbehaving.answering = streams(event, kind="text/event-stream", cut=True)
    llm = models(misbehaving, clock)
    tokens = llm.open().reply(Heard("hello"), interrupted=False)
    assert await anext(tokens) == "It costs nine"
    with pytest.raises(EngineError):
        await anext(tokens)
    await llm.aclose()


def test_an_endpoint_says_which_one_it_is() -> None:
    assert Endpoint("tts.fallback", "http://h/v1/", None, Timeouts()).name == "tts.fallback http://h/v1"
