"""A person's call on the product page: real Chromium, real room, and what the page shows and claims of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from livekit import api
from playwright.async_api import Browser

from harness.model.events import EventType
from harness.provide.media_server import MediaServer
from runtime.page.token_server import TokenRequest, TokenSettings, make_token_app, mint_token, serve_token_app

from .conftest import StandInAgent, Watched, chromium, open_page, write_voice

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]
WAIT_S = 60.0
CONNECTED = "() => window.earwitness.state.connection === 'connected'"
USER_ENDED = "() => window.earwitness.trace.edges.some(({ who, edge }) => who === 'user' && edge === 'end')"
AGENT_THERE = "() => window.earwitness.state.agent_audible"

METER_MOVES = "() => Number(document.getElementById('{who}-meter').getAttribute('aria-valuenow')) > -40"


async def connect(watched: Watched, url: str, agent: StandInAgent) -> None:
    await watched.page.goto(url)
    await watched.page.get_by_role("button", name="Connect").click()
    await watched.until(CONNECTED)
    await watched.until(AGENT_THERE)
    async with asyncio.timeout(WAIT_S):
        await agent.user_heard.wait()


def has_text(selector: str, text: str) -> str:
    return f"() => document.querySelector({json.dumps(selector)}).innerText.includes({json.dumps(text)})"


async def test_page_loads_without_an_error_and_without_another_host(product: str, watched: Watched) -> None:
    await watched.page.goto(product, wait_until="networkidle")
    assert watched.complaints == []
    assert {urlsplit(url).netloc for url in watched.requests} == {urlsplit(product).netloc}
    assert await watched.page.get_by_role("button", name="Connect").is_visible()


async def test_a_call_shows_states_and_words_moves_meters_and_ends(
    product: str, watched: Watched, agent: StandInAgent
) -> None:
    page = watched.page
    await connect(watched, product, agent)
    for state, shown in (("LISTENING", "Listening"), ("THINKING", "Thinking"), ("SPEAKING", "Speaking")):
        await agent.state(state)
        await watched.until(has_text("#state", shown))

    await agent.words("user", "what is", final=False)
    await agent.words("user", "What is the time?", final=True)
    await agent.words("agent", "It is noon.", final=True, reply_seq=0)
    await watched.until(has_text("#transcript", "It is noon."))
    assert await page.locator("#transcript .user .words").all_inner_texts() == ["What is the time?"]
    await agent.interrupted(0)
    await page.locator("#transcript .agent.cut").wait_for()

    seen = asyncio.Event()

    async def say_until_seen() -> None:
        while not seen.is_set():
            await agent.say(0.5)

    saying = asyncio.create_task(say_until_seen())
    for who in ("user", "agent"):  # Chromium's fake microphone beeps
        await watched.until(METER_MOVES.format(who=who))
    seen.set()
    await saying

    await page.get_by_role("button", name="End call").click()
    async with asyncio.timeout(WAIT_S):
        await agent.user_left.wait()
    await page.get_by_role("button", name="Connect").wait_for()
    assert (await watched.state())["microphone"] == "off"
    assert watched.complaints == []
    assert agent.data_from_others == []  # all user-side events are the probe's


async def test_events_that_are_no_events_or_of_another_attempt_change_nothing(
    product: str, watched: Watched, agent: StandInAgent
) -> None:
    await connect(watched, product, agent)
    await agent.send(EventType.TRACE, {}, trace_id="attempt-1", run_id="run-1", case_id="hello")
    await agent.send_raw(b'{"type": "agent_state"')
    await agent.send(EventType.AGENT_STATE, {"state": "SPEAKING"}, trace_id="another-attempt")
    await agent.send(EventType.AGENT_STATE, {"state": "THINKING"}, trace_id="attempt-1")
    await watched.until("() => window.earwitness.state.agent !== null")
    assert (await watched.state())["agent"] == "THINKING"
    trace = await watched.trace()
    assert (trace["trace_id"], trace["run_id"], trace["case_id"]) == ("attempt-1", "run-1", "hello")
    assert len(trace["malformed_events"]) == 1
    assert watched.complaints == []


# Where the page's performance.now() has the time 0 of each of its AudioContexts, 20 times a second.
RECORD_CLOCKS = """
    const Native = window.AudioContext;
    window.clocks = [];
    window.AudioContext = class extends Native {
      constructor(...given) {
        super(...given);
        const zeros = [];
        window.clocks.push(zeros);
        setInterval(() => {
          const { contextTime, performanceTime } = this.getOutputTimestamp();
          if (contextTime > 0) zeros.push([performance.now(), performanceTime - 1e3 * (contextTime + this.outputLatency)]);
        }, 50);
      }
    };
"""
HELD_UP = """(sinceMs) => Math.max(...window.clocks.map((zeros) => {
    const met = zeros.filter(([at]) => at >= sinceMs - 100).map(([, zero]) => zero);
    return met.length > 0 ? Math.max(...met) - Math.min(...met) : 0;
}))"""


async def test_a_turn_is_measured_from_the_users_end_to_the_audible_agent(
    product: str, agent: StandInAgent, tmp_path: Path
) -> None:
    voice = write_voice(tmp_path / "voice.wav", ((2.0, 3.0),), length_s=20.0)
    flag = f"--use-file-for-fake-audio-capture={voice}%noloop"
    async with chromium(flag) as browser, open_page(browser) as watched:
        await watched.page.add_init_script(RECORD_CLOCKS)
        await connect(watched, product, agent)
        await watched.until(USER_ENDED)
        await agent.be_silent(0.2)
        await agent.say(0.5)
        await watched.until("() => window.earwitness.trace.turns.at(-1)?.user_kpi_ms != null")
        trace = await watched.trace()
        turn = trace["turns"][-1]
        held_up_ms = await watched.page.evaluate(HELD_UP, turn["t_user_eot_browser"])
        shown = await watched.page.locator("#last").inner_text()
    assert turn["user_kpi_raw_ms"] == turn["user_kpi_ms"] > 0
    assert turn["is_talk_over"] is False
    difference_ms = turn["t_browser_first_playout"] - turn["t_user_eot_browser"]
    # two readings of two clocks, of which a busy host holds one up now and then
    assert difference_ms == pytest.approx(turn["user_kpi_ms"], abs=50 + held_up_ms)
    assert shown == str(round(turn["user_kpi_ms"]))
    marks = ("t_microphone_requested", "t_connect_started", "t_connected", "t_agent_track_subscribed")
    assert all(trace[mark] is not None for mark in marks)
    assert trace["playout_resolution_ms"] == pytest.approx(1e3 * 128 / 48_000, rel=0.1)


async def test_auto_takes_its_pass_from_the_fragment_and_clears_it(
    product: str,
    livekit: MediaServer,
    agent: StandInAgent,
    watched: Watched,
    settings_for: Callable[[MediaServer], TokenSettings],
) -> None:
    await agent.join("attempt-7")
    token = mint_token(settings_for(livekit), TokenRequest(), "attempt-7", "user-7")
    await watched.page.goto(product + auto_path(livekit, token, "attempt-7"))
    await watched.until(CONNECTED)
    async with asyncio.timeout(WAIT_S):
        await agent.user_heard.wait()
    assert watched.page.url == f"{product}/?auto=1"
    assert (await watched.state())["room"] == "attempt-7"
    assert not any("/api/token" in url for url in watched.requests)
    everything = json.dumps([await watched.state(), await watched.trace()])
    assert token not in everything
    assert watched.complaints == []


async def test_auto_without_a_fragment_asks_the_token_server(
    product: str, agent: StandInAgent, watched: Watched
) -> None:
    await watched.page.goto(f"{product}/?auto=1")
    await watched.until(CONNECTED)
    async with asyncio.timeout(WAIT_S):
        await agent.user_heard.wait()
    assert sum("/api/token" in url for url in watched.requests) == 1


RECORD_GRAPH = """
    window.graph = [];
    const connect = AudioNode.prototype.connect;
    AudioNode.prototype.connect = function (to, ...ports) {
      window.graph.push([this.constructor.name, to.constructor.name, ...ports].join(" "));
      return connect.call(this, to, ...ports);
    };
    const gum = MediaDevices.prototype.getUserMedia;
    MediaDevices.prototype.getUserMedia = function (constraints) {
      window.graph.push("getUserMedia " + JSON.stringify(constraints));
      return gum.call(this, constraints);
    };
"""
# The page's own three connections, its microphone, and livekit-client's analysers (is the microphone silent?).
WHOLE_GRAPH = "() => window.graph.length >= 6"


async def test_the_audio_graph_is_the_same_in_both_modes(product: str, agent: StandInAgent, browser: Browser) -> None:
    graphs = []
    room = ""
    for by_itself in (False, True):
        async with open_page(browser) as watched:
            await watched.page.add_init_script(RECORD_GRAPH)
            if by_itself:
                await watched.page.goto(product + auto_path(agent.server, api_token(agent.server, room), room))
            else:
                await connect(watched, product, agent)
            await watched.until(WHOLE_GRAPH)
            graphs.append(sorted(await watched.page.evaluate("() => window.graph")))
            room = (await watched.state())["room"]
    assert graphs[0] == graphs[1]
    assert "AudioWorkletNode AudioDestinationNode" in graphs[0]


def auto_path(server: MediaServer, token: str, room: str) -> str:
    return f"/?auto=1#livekit_url={quote(server.url, safe='')}&token={quote(token, safe='')}&room={room}"


def api_token(server: MediaServer, room: str, secret: str | None = None) -> str:
    grants = api.VideoGrants(room_join=True, room=room)
    return api.AccessToken(server.api_key, secret or server.api_secret).with_identity("u").with_grants(grants).to_jwt()


async def test_the_page_joins_the_room_while_its_microphone_is_still_held(
    product: str, agent: StandInAgent, watched: Watched
) -> None:
    await watched.page.add_init_script(
        """const gum = MediaDevices.prototype.getUserMedia;
        const held = new Promise((resolve) => (window.release = resolve));
        MediaDevices.prototype.getUserMedia = async function (constraints) {
          await held;
          return gum.call(this, constraints);
        };"""
    )
    await watched.page.goto(f"{product}/?auto=1")
    await watched.until(CONNECTED)
    await watched.until(AGENT_THERE)
    assert (await watched.state())["microphone"] == "asked"
    await watched.page.evaluate("() => window.release()")
    async with asyncio.timeout(WAIT_S):
        await agent.user_heard.wait()


async def test_another_microphone_can_be_chosen_during_the_call(
    product: str, agent: StandInAgent, watched: Watched
) -> None:
    await connect(watched, product, agent)
    choice = watched.page.get_by_label("Microphone")
    await watched.until("() => document.getElementById('microphone').options.length > 1")
    offered = await choice.locator("option").evaluate_all("(options) => options.map(({ value }) => value)")
    await watched.page.evaluate(
        """() => {
          window.asked = [];
          const gum = MediaDevices.prototype.getUserMedia;
          MediaDevices.prototype.getUserMedia = function (constraints) {
            window.asked.push(constraints.audio.deviceId);
            return gum.call(this, constraints);
          };
        }"""
    )
    await choice.select_option(offered[-1])
    await watched.until("() => window.asked.length > 0")
    assert await watched.page.evaluate("() => window.asked") == [{"exact": offered[-1]}]
    await watched.until(METER_MOVES.format(who="user"))
    assert watched.complaints == []


async def test_muting_silences_the_microphone_until_unmuted(
    product: str, agent: StandInAgent, watched: Watched
) -> None:
    await connect(watched, product, agent)
    await watched.until(METER_MOVES.format(who="user"))
    await watched.page.get_by_role("button", name="Mute").click()
    await watched.until("() => document.getElementById('user-meter').getAttribute('aria-valuetext') === 'silent'")
    await watched.page.get_by_role("button", name="Unmute").click()
    await watched.until(METER_MOVES.format(who="user"))


async def test_a_refused_microphone_is_told_and_ends_the_call(
    product: str, watched: Watched, agent: StandInAgent
) -> None:
    await watched.page.add_init_script(
        "MediaDevices.prototype.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); };"
    )
    await watched.page.goto(product)
    await watched.page.get_by_role("button", name="Connect").click()
    assert "Allow it for this page" in await watched.until_problem("microphone_refused")
    await watched.page.get_by_role("button", name="Connect").wait_for()


async def test_a_wrong_token_is_told(product: str, livekit: MediaServer, watched: Watched) -> None:
    token = api_token(livekit, "r", secret="x" * 40)
    await watched.page.goto(product + auto_path(livekit, token, "r"))
    assert "refused the token" in await watched.until_problem("token_refused")


async def test_a_media_server_that_is_not_there_is_told(
    livekit: MediaServer, library_dir: Path, watched: Watched, unused_tcp_port: int
) -> None:
    nowhere = TokenSettings(f"ws://127.0.0.1:{unused_tcp_port}", livekit.api_key, livekit.api_secret, library_dir)
    async with serve_token_app(make_token_app(nowhere)) as url:
        await watched.page.goto(url)
        await watched.page.get_by_role("button", name="Connect").click()
        assert "cannot be reached" in await watched.until_problem("media_unreachable")


async def test_a_token_server_that_is_gone_is_told(
    livekit: MediaServer, settings_for: Callable[[MediaServer], TokenSettings], watched: Watched
) -> None:
    async with serve_token_app(make_token_app(settings_for(livekit))) as url:
        await watched.page.goto(url, wait_until="networkidle")
    await watched.page.get_by_role("button", name="Connect").click()
    assert "earwitness serve" in await watched.until_problem("server_gone")


async def test_an_agent_that_does_not_come_is_told(
    livekit: MediaServer, settings_for: Callable[[MediaServer], TokenSettings], watched: Watched
) -> None:
    async def no_agent(room: str) -> None:
        raise RuntimeError(f"nobody serves {room}")

    async with serve_token_app(make_token_app(settings_for(livekit), no_agent)) as url:
        await watched.page.goto(url)
        await watched.page.get_by_role("button", name="Connect").click()
        await watched.until_problem("no_token")
        assert "the agent did not join" in await watched.page.locator("#problem-detail").inner_text()


async def test_the_call_tells_that_its_room_was_closed(
    product: str, livekit: MediaServer, agent: StandInAgent, watched: Watched
) -> None:
    await connect(watched, product, agent)
    room = (await watched.state())["room"]
    async with api.LiveKitAPI(livekit.http_url, livekit.api_key, livekit.api_secret) as rooms:
        await rooms.room.delete_room(api.DeleteRoomRequest(room=room))
    assert "closed by the server" in await watched.until_problem("room_closed")


async def test_a_missing_library_is_told(product: str, watched: Watched) -> None:
    await watched.page.route("**/vendor/*", lambda route: route.abort())
    await watched.page.goto(product)
    await watched.page.get_by_role("button", name="Connect").click()
    assert "earwitness setup" in await watched.until_problem("library_missing")
    await watched.page.get_by_role("button", name="Dismiss").click()
    assert await watched.page.get_by_role("alert").count() == 0
