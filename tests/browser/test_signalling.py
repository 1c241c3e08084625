"""What is read of a page's signalling URL: the server, the identity, the room; never a token."""

from __future__ import annotations

import base64
import json

from harness.browser.signalling import SignalConnection, read_signalling


def jwt(claims: object) -> str:
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{middle}.c2lnbmF0dXJl"


def test_identity_and_room_are_the_tokens() -> None:
    token = jwt({"sub": "guest", "video": {"room": "r1"}})
    found = read_signalling(f"wss://user:pass@a.example:7880/rtc/v1?access_token={token}&sdk=js")
    assert found == SignalConnection("wss://a.example:7880", "guest", "r1")


def test_a_socket_without_a_token_is_no_signalling() -> None:
    assert read_signalling("ws://localhost:5173/hmr") is None


def test_a_token_that_is_none_says_nothing() -> None:
    for token in ("opaque", "a.b.c", jwt([1]), jwt({"video": "all", "sub": 3})):
        assert read_signalling(f"ws://a.example/rtc?access_token={token}") == SignalConnection(
            "ws://a.example", None, None
        )
