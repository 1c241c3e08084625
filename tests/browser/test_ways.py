"""How it stands with a page's way to its agent, from the connections that it opened."""

import pytest

from harness.browser.ways import CARRIED_BYTES, Ways


def test_an_offer_without_an_answer_is_no_connection() -> None:
    ways = Ways()
    assert not ways.tried
    assert ways.in_words == "it opened neither a peer connection nor a WebSocket"
    ways.peer("page/0", "offered")
    assert (ways.tried, ways.up) == (True, False)
    assert ways.in_words == "its offer was not answered"
    ways.peer("page/0", "connected")
    assert ways.up
    ways.peer("page/0", "failed")
    assert (ways.up, ways.was_up) == (False, True)
    assert ways.in_words == "its peer connection is failed"


def test_a_loopback_of_the_page_and_a_connection_made_for_nothing_are_no_call() -> None:
    ways = Ways()
    ways.peer("page/0", "itself")
    ways.peer("page/1", "new")
    assert not ways.tried
    voice = ways.socket("wss://agent/voice")
    assert (ways.tried, ways.up) == (True, False)
    voice.opened()
    assert ways.up


def test_a_socket_that_was_refused_never_was_open() -> None:
    ways = Ways()
    voice = ways.socket("wss://agent/voice")
    voice.close("Unexpected response code: 503")
    voice.opened()
    assert (ways.up, ways.was_up) == (False, False)


def test_signalling_that_stays_open_does_not_hold_up_a_peer_connection() -> None:
    ways = Ways()
    ways.socket("wss://server/signal").opened()
    ways.peer("page/0", "connected")
    ways.peer("page/0", "closed")
    assert not ways.up


def test_the_socket_that_carried_the_voice_decides_beside_a_development_server() -> None:
    changes: list[bool] = []
    ways = Ways()
    ways.on_change = lambda: changes.append(ways.up)
    ways.socket("ws://localhost:5173/hot-reload").carried(200)
    voice = ways.socket("wss://agent/voice")
    voice.carried(CARRIED_BYTES)
    voice.close("net::ERR_CONNECTION_RESET")
    assert changes[-1] is False
    assert ways.in_words == "its WebSocket to wss://agent/voice is closed (net::ERR_CONNECTION_RESET)"
    ways.socket("wss://agent/voice").carried(CARRIED_BYTES)
    assert ways.up


@pytest.mark.parametrize("state", ["offered", "closed"])
def test_an_offer_that_was_made_to_nobody_does_not_stand_for_the_voice_over_a_socket(state: str) -> None:
    ways = Ways()
    ways.peer("page/0", "offered")  # to see whether the network lets WebRTC through
    ways.peer("page/0", state)
    voice = ways.socket("wss://agent/voice")
    voice.carried(200)
    assert not ways.up, "it may be the signalling of that offer"
    voice.carried(CARRIED_BYTES)
    assert (ways.up, ways.was_up) == (True, True)
    voice.close()
    assert not ways.up
    assert ways.in_words == "its WebSocket to wss://agent/voice is closed"


def test_signalling_that_carries_much_does_not_stand_for_a_peer_connection_that_was_up() -> None:
    ways = Ways()
    ways.socket("wss://server/signal").carried(CARRIED_BYTES)
    ways.peer("page/0", "connected")
    ways.peer("page/0", "failed")
    assert not ways.up


def test_a_socket_that_closes_after_each_reply_is_no_loss_while_the_one_to_which_the_user_speaks_is_open() -> None:
    ways = Ways()
    ways.socket("wss://hears/listen").carried(CARRIED_BYTES)
    reply = ways.socket("wss://speaks/synthesize")
    reply.carried(CARRIED_BYTES)
    reply.close()
    assert ways.up


def test_an_agent_that_is_lost_before_its_first_word_is_seen_beside_a_development_server() -> None:
    ways = Ways()
    ways.socket("ws://localhost:5173/hot-reload").carried(200)
    voice = ways.socket("wss://agent/voice")
    voice.carried(CARRIED_BYTES)  # of the user's
    voice.close()
    assert not ways.up
