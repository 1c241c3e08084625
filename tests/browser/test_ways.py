"""How it stands with a page's way to its agent, from the connections that it opened."""

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
    ways.socket("ws://localhost:5173/hot-reload").received(200)
    voice = ways.socket("wss://agent/voice")
    voice.received(CARRIED_BYTES)
    voice.close("net::ERR_CONNECTION_RESET")
    assert changes[-1] is False
    assert ways.in_words == "its WebSocket to wss://agent/voice is closed (net::ERR_CONNECTION_RESET)"
    ways.socket("wss://agent/voice").received(CARRIED_BYTES)
    assert ways.up
