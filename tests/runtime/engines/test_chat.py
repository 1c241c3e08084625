"""Chat completions, against the product's own server and against one that misbehaves."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from aiohttp import web

from runtime.engines.endpoint import Endpoint, EngineAnswerError, StreamCutError
from runtime.engines.openai_chat import ChatConversation, ChatModel, ChatOptions
from runtime.engines.protocols import EngineError, Heard
from runtime.engines.scripted import REPLIES
from tests.runtime.engines.conftest import KEY, PATIENT, Misbehaving, answers, streams

SSE = "text/event-stream"


def event(content: str | None, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content} if content is not None else {}, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


DONE = b"data: [DONE]\n\n"


async def said(conversation: ChatConversation, text: str) -> list[str]:
    return [token async for token in conversation.reply(Heard(text), interrupted=False)]


async def test_the_served_dialogue_streams_as_the_embedded_one(served: str) -> None:
    model = ChatModel(Endpoint("llm", served, KEY, PATIENT), ChatOptions("scripted"))
    await model.warm_up()
    tokens = await said(model.open(), "i want to hear a story")
    await model.aclose()
    assert "".join(tokens).strip() == REPLIES["story"]
    assert len(tokens) > 20, "token by token"
    assert model.health().ok
    assert model.metrics.snapshot()["completed"] == 2


async def test_a_wrong_key_is_known_at_warm_up(served: str) -> None:
    model = ChatModel(Endpoint("llm", served, "wrong", PATIENT), ChatOptions("scripted"))
    with pytest.raises(EngineAnswerError, match="401"):
        await model.warm_up()
    await model.aclose()
    assert not model.health().ok


async def test_an_omni_model_is_sent_the_sound(served: str) -> None:
    model = ChatModel(Endpoint("llm", served, KEY, PATIENT), ChatOptions("scripted", audio_in=True))
    heard = Heard("", audio=np.zeros(16_000, np.int16))
    tokens = [token async for token in model.open().reply(heard, interrupted=False)]
    await model.aclose()
    assert "".join(tokens).strip() == REPLIES["hello"], "the test's recogniser hears hello in everything"


async def test_an_event_may_come_in_pieces_with_comments_between(misbehaving: Misbehaving) -> None:
    whole = (
        b": ping\n\n"
        + event("Grüße ")
        + event(None)
        + b"data: "
        + b'{"choices": []}\r\n\r\n'
        + event("dir", "stop")
        + DONE
    )
    misbehaving.answering = streams(*(whole[k : k + 3] for k in range(0, len(whole), 3)), kind=SSE)
    model = ChatModel(misbehaving.endpoint(), ChatOptions("m"))
    assert "".join(await said(model.open(), "x")) == "Grüße dir"
    await model.aclose()


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"data: {not json\n\n", SSE, "not a chat completion"),
        (b'data: {"choices": [{"delta": {"content": 7}}]}\n\n', SSE, "not a chat completion"),
        (b"data: [1, 2]\n\n", SSE, "not a chat completion"),
        (b'data: {"error": {"message": "out of memory"}}\n\n', SSE, "out of memory"),
        (b"\xff\xfe\x00garbage" * 50, SSE, "cut"),
        (b"<html>Bad gateway</html>", "text/html", "text/event-stream"),
        (b"data: " + b"x" * 2_000_000, SSE, "limit"),
        (event("many words " * 3_000) + DONE, SSE, "no end"),
        (event("half a rep"), SSE, "cut after 10 characters"),
        (b"", SSE, "cut after 0 characters"),
    ],
    ids=["no json", "no text", "no mapping", "error", "bytes", "html", "flood", "no end", "no finish", "empty"],
)
async def test_garbage_is_an_error_in_one_line(misbehaving: Misbehaving, body: bytes, kind: str, says: str) -> None:
    misbehaving.answering = answers(200, body, kind)
    model = ChatModel(misbehaving.endpoint(), ChatOptions("m"))
    with pytest.raises(EngineError, match=says) as caught:
        await said(model.open(), "x")
    await model.aclose()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


async def test_a_reply_whose_connection_breaks_is_not_taken_for_whole(misbehaving: Misbehaving) -> None:
    misbehaving.answering = streams(event("Once upon"), kind=SSE, cut=True)
    model = ChatModel(misbehaving.endpoint(), ChatOptions("m"))
    with pytest.raises(StreamCutError):
        await said(model.open(), "x")
    await model.aclose()


async def test_a_reply_that_is_not_wanted_any_more_is_closed(misbehaving: Misbehaving) -> None:
    misbehaving.answering = streams(event("Once "), misbehaving.never, kind=SSE)
    model = ChatModel(misbehaving.endpoint(), ChatOptions("m"))
    tokens = model.open().reply(Heard("x"), interrupted=False)
    assert await anext(tokens) == "Once "
    await tokens.aclose()
    async with asyncio.timeout(10):
        await misbehaving.gone.wait()
    await model.aclose()
    assert model.metrics.cancelled == 1


def sent(misbehaving: Misbehaving) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in json.loads(misbehaving.bodies[-1])["messages"]]


async def test_the_conversation_holds_what_was_heard(misbehaving: Misbehaving) -> None:
    misbehaving.answering = streams(event("One two three."), event(None, "stop"), DONE, kind=SSE)
    model = ChatModel(misbehaving.endpoint(), ChatOptions("m", system="Be brief."))
    talk = model.open()
    await said(talk, "first")
    await said(talk, "second")
    talk.spoken("One two")  # interrupted there
    await said(talk, "third")
    talk.spoken("")  # nothing of it was heard: the user went on
    await said(talk, "and more")
    await model.aclose()
    assert sent(misbehaving) == [
        ("system", "Be brief."),
        ("user", "first"), ("assistant", "One two three."),
        ("user", "second"), ("assistant", "One two—"),
        ("user", "third and more"),
    ]  # fmt: skip


async def test_two_conversations_do_not_know_of_each_other(misbehaving: Misbehaving) -> None:
    misbehaving.answering = streams(event("Yes.", "stop"), DONE, kind=SSE)
    model = ChatModel(misbehaving.endpoint(), ChatOptions("m"))
    await said(model.open(), "mine")
    await said(model.open(), "yours")
    await model.aclose()
    assert sent(misbehaving) == [("user", "yours")]


async def test_a_short_prompt_comes_first_and_the_long_one_knows_what_was_said(misbehaving: Misbehaving) -> None:
    texts = [["One."], ["Sure."], ["Then", " more."]]

    async def answer(request: web.Request) -> web.StreamResponse:
        said = [event(text) for text in texts[len(misbehaving.bodies) - 1]]
        return await streams(*said, event(None, "stop"), DONE, kind=SSE)(request)

    misbehaving.answering = answer
    plain = ChatModel(misbehaving.endpoint(), ChatOptions("m", system="Be brief."))
    talk = plain.open()
    await said(talk, "before")
    talk.model = ChatModel(plain.endpoint, ChatOptions("m", system="Be brief.", continuation=True))
    assert "".join(await said(talk, "now")) == "Sure. Then more."
    await plain.aclose()
    short, long = (json.loads(body) for body in misbehaving.bodies[1:])
    assert [message["content"] for message in short["messages"][1:]] == ["now"], "no history"
    assert short["max_tokens"] == 40
    assert [message["content"] for message in long["messages"][:3]] == ["Be brief.", "before", "One."]
    assert "«Sure.»" in long["messages"][-2]["content"]
    assert long["messages"][-1]["content"] == "now"
    assert "max_tokens" not in long
