"""Secrets are taken out of what is kept and shown; what only looks like one stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.capture import AgentUnderTest, PageUnderTest
from harness.model.redaction import redacted, secrets_in

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ2aWRlbyI6e319.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("python bot.py --api-key hunter2 --room {room}", "python bot.py --api-key *** --room {room}"),
        ("python bot.py --api-key=hunter2", "python bot.py --api-key=***"),
        ("bot --openaiApiKey 'two words' -v", "bot --openaiApiKey '***' -v"),
        ("env OPENAI_API_KEY=hunter2 bot", "env OPENAI_API_KEY=*** bot"),
        ("bash -c 'DEEPGRAM_SECRET=x1y2 exec bot --token \"abc def\"'", "bash -c 'DEEPGRAM_SECRET=*** exec bot --token \"***\"'"),
        ("curl -H 'Authorization: Bearer hunter2' http://x", "curl -H 'Authorization: Bearer ***' http://x"),
        ("bot --db postgres://me:hunter2@db/x", "bot --db postgres://me:***@db/x"),
        ("https://host/call?token={token}&apikey=hunter2#a", "https://host/call?token={token}&apikey=***#a"),
        ('{"apiKey": "hunter2", "voice": "en"}', '{"apiKey": "***", "voice": "en"}'),
        ("bot sk-proj-abcdefgh1234", "bot ***"),
        (f"WebSocket to ws://h/rtc?access_token={JWT}&sdk=js failed", "WebSocket to ws://h/rtc?access_token=***&sdk=js failed"),
        (f"said {JWT}", "said ***"),
        ("bot 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "bot ***"),
        ("bot --api-key 'hunter2 unclosed", "bot --api-key *** unclosed"),
        ("GEMINI_API_KEY_2=hunter2 bot", "GEMINI_API_KEY_2=*** bot"),
        ("bot --password a&b;c,d", "bot --password ***"),
    ],
)  # fmt: skip
def test_a_secret_is_taken_out(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert redacted(shown) == shown, "twice is once"


@pytest.mark.parametrize(
    "text",
    [
        "./bot --room {room} --token {token} --url {livekit_url}",
        "python /srv/agents/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b/bot.py",
        "bot --api-key-file keys.txt --token-url https://host/token --keyboard qwerty --author me",
        "sh -c 'exec bot --api-key \"$API_KEY\" --secret ${SECRET}'",
        "the agent never acknowledged the trace",
        "the page's process crashed; its key is unknown and the token has expired",
        "http://localhost:3000/?room={room}&token={token}",
        "KeyError: 'room', unknown key: voice, token: NAME expected",
        "reference agent, vad.silero, max_reply_ms 30000",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_secrets_of_a_command_are_taken_out_of_what_its_program_says() -> None:
    known = secrets_in("bot --api-key hunter2 --pwd x")
    assert known == ("hunter2", "x")
    assert (
        redacted("bot: error: unrecognized arguments: hunter2 x", known) == "bot: error: unrecognized arguments: *** x"
    )


@given(st.text(alphabet="ab1-_=:&?/\"' {}$*@.", max_size=60), st.sampled_from(["--api-key ", "SECRET=", "token: ", ""]))
def test_any_text_can_be_redacted_and_twice_is_once(text: str, name: str) -> None:
    once = redacted(name + text)
    assert redacted(once) == once


@pytest.mark.parametrize("piece", ["a", "key", "eyJaaaaaaaa.", "http", "x1-", "--key ", '"token:', "sk-"])
def test_a_long_text_costs_time_by_its_length_and_not_more(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    begin_s = time.monotonic()
    redacted(text)
    assert time.monotonic() - begin_s < 20


def test_a_manifest_of_an_earlier_version_is_read_without_its_secrets() -> None:
    agent = AgentUnderTest.model_validate({"kind": "command", "spec": "bot --api-key hunter2 {room}"})
    page = PageUnderTest.model_validate({"kind": "own", "url_template": "https://h/?token={token}&key=hunter2"})
    assert agent.spec == "bot --api-key *** {room}"
    assert page.url_template == "https://h/?token={token}&key=***"
