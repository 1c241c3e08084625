"""What a person sees and can do in the middle of a call: captions, stopping the agent, its account of a turn, the network,
an agent or a microphone that goes away; and input that nobody who means well would send.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from harness.model.events import EventType, parse_event

from .conftest import StandInAgent, Watched
from .test_page_in_a_call import connect, has_text

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]
WAIT_S = 60.0

TIMES = {"user_eot": 1000.0, "vad_end": 1200.0, "stt_done": 1190.0, "llm_first_segment": 1195.0}
TIMES |= {"tts_first_pcm": 1230.0, "first_publish": 1250.0}


async def test_a_reply_is_captioned_while_it_is_spoken_in_one_line(
    product: str, watched: Watched, agent: StandInAgent
) -> None:
    await connect(watched, product, agent)
    await agent.words("user", "what", final=False)
    await watched.page.locator("#transcript .user.draft", has_text="what").wait_for()
    await agent.words("user", "What time is it?", final=True)
    await agent.words("agent", "It is", final=False, reply_seq=0)
    await watched.page.locator("#transcript .agent.draft", has_text="It is").wait_for()
    await agent.interrupted(0)
    await agent.words("agent", "It is noon.", final=True, reply_seq=0)
    await watched.page.locator("#transcript .agent.cut", has_text="It is noon.").wait_for()
    assert await watched.page.locator("#transcript .words").all_inner_texts() == ["What time is it?", "It is noon."]


async def test_the_interrupt_button_and_escape_tell_the_agent_to_stop(
    product: str, watched: Watched, agent: StandInAgent
) -> None:
    await connect(watched, product, agent)
    button = watched.page.get_by_role("button", name="Interrupt")
    assert not await button.is_visible()
    await agent.state("SPEAKING")
    await watched.until("() => window.earwitness.state.agent === 'SPEAKING'")
    await button.click()
    await watched.page.keyboard.press("Escape")
    async with asyncio.timeout(WAIT_S):
        events = [parse_event(await agent.data_arrived.get()) for _ in range(2)]
    assert [event.type for event in events] == [EventType.INTERRUPT, EventType.INTERRUPT]
    assert {event.trace_id for event in events} == {"live-1"}
    await agent.state("LISTENING")
    await watched.until("() => document.getElementById('interrupt').disabled")


async def test_an_agent_that_goes_and_comes_back_is_waited_for(
    product: str, watched: Watched, agent: StandInAgent
) -> None:
    await connect(watched, product, agent)
    room = (await watched.state())["room"]
    await agent.leave()
    await watched.until(has_text("#state", "The agent is away"))
    again = StandInAgent(agent.server)
    try:
        await again.join(room)
        await watched.until("() => window.earwitness.state.agent_audible && !window.earwitness.state.agent_away")
        assert (await watched.state())["problem"] is None
    finally:
        await again.leave()


async def test_an_agent_that_stays_away_ends_the_call_with_a_message(watched: Watched, product: str) -> None:
    await watched.page.goto(product)
    said = await watched.page.evaluate(
        """async () => {
            const { Presence } = await import("/presence.js");
            const said = [];
            await new Promise((resolve) => {
              const presence = new Presence((isAway) => said.push(isAway), () => { said.push("gone"); resolve(); }, 1);
              presence.see(false, true); // not there yet: not away
              presence.see(true, true);
              presence.see(false, false); // our own connection is down: the agent is not to blame
              presence.see(false, true);
            });
            return said;
        }"""
    )
    assert said == [True, "gone"]


async def test_the_network_is_told_in_words_and_bars(product: str, watched: Watched, agent: StandInAgent) -> None:
    await connect(watched, product, agent)
    shown = await watched.page.evaluate(
        """async () => {
            const { showNetwork } = await import("/network.js");
            const element = document.getElementById("network");
            return ["excellent", "poor", "lost", "something new"].map((level) => {
              showNetwork(element, level);
              return [element.innerText || element.textContent, getComputedStyle(element).getPropertyValue("--bars")];
            });
        }"""
    )
    assert [text.strip() for text, _ in shown] == [
        "Network: excellent", "Network: poor. What you hear may have holes.", "Network: lost", "Network: not known yet",
    ]  # fmt: skip
    assert [bars for _, bars in shown] == ["4", "1", "0", "0"]
    assert await watched.page.locator("#network").is_visible()


class TestAccount:
    async def read(self, watched: Watched, product: str, times: dict[str, Any]) -> Any:
        await watched.page.goto(product)
        script = 'async (t) => (await import("/account.js")).readAccount(t)'
        return await watched.page.evaluate(script, times)

    async def test_its_steps_add_up_to_the_whole_and_what_was_done_ahead_takes_no_time(
        self, watched: Watched, product: str
    ) -> None:
        account = await self.read(watched, product, TIMES)
        assert account["totalMs"] == 250.0
        assert [step["ms"] for step in account["steps"]] == [200.0, 0, 0, 30.0, 20.0]

    async def test_times_that_are_missing_or_no_numbers_give_no_account(self, watched: Watched, product: str) -> None:
        assert await self.read(watched, product, {}) is None
        assert await self.read(watched, product, {**TIMES, "user_eot": "soon"}) is None
        assert await self.read(watched, product, {**TIMES, "first_publish": None}) is None

    async def test_it_is_put_beside_the_turn_that_was_heard_at_that_time(self, watched: Watched, product: str) -> None:
        await watched.page.goto(product)
        pair = await watched.page.evaluate(
            """async () => {
                const { pairLast } = await import("/account.js");
                const turn = (at, ms) => ({ t_browser_first_playout: at, user_kpi_raw_ms: ms });
                const turns = [turn(2000, 400), turn(9000, 420), turn(null, null)];
                const old = { atMs: 2010, account: "old" };
                return [pairLast(turns, [old, { atMs: 8950, account: "new" }]), pairLast(turns, [old]), pairLast([], [old])];
            }"""
        )
        assert pair == [{"heardMs": 420, "account": "new"}, {"heardMs": 420, "account": None}, None]


async def test_a_lost_microphone_is_told_and_the_call_goes_on_with_the_next_one(
    product: str, watched: Watched, agent: StandInAgent
) -> None:
    await watched.page.add_init_script(
        """const gum = MediaDevices.prototype.getUserMedia;
        MediaDevices.prototype.getUserMedia = async function (constraints) {
          if (window.noDevice) throw new DOMException("none left", "NotFoundError");
          const stream = await gum.call(this, constraints);
          window.microphone = stream.getAudioTracks()[0];
          return stream;
        };"""
    )
    await connect(watched, product, agent)
    pulled_out = "() => { window.microphone.stop(); window.microphone.dispatchEvent(new Event('ended')); }"
    await watched.page.evaluate(pulled_out)  # the system has another one
    await watched.until("() => document.getElementById('news').textContent.startsWith('You are heard through')")
    assert (await watched.state())["microphone"] == "live"
    await watched.page.evaluate("() => { window.noDevice = true; }")
    await watched.page.evaluate(pulled_out)
    assert "nobody hears you" in await watched.until_problem("microphone_lost")
    assert (await watched.state())["connection"] == "connected"


async def test_a_flood_of_nonsense_huge_and_empty_text_leave_the_call_alive(
    product: str, watched: Watched, agent: StandInAgent
) -> None:
    await connect(watched, product, agent)
    for number in range(120):
        await agent.send_raw(b"\x00\xff" + bytes([number]) * 40)
    await agent.words("agent", "", final=True, reply_seq=0)
    await agent.words("agent", "\u2400\u200b\U0001f984\u0000" * 3, final=True, reply_seq=1)
    await agent.words("agent", "<img src=x onerror=alert(1)>" + "w" * 9_000, final=True, reply_seq=2)
    await agent.send(EventType.TRANSCRIPT, {"role": "narrator", "text": 5, "final": "no"})
    await agent.send(EventType.AGENT_STATE, {"state": "constructor"})
    await agent.send(EventType.AGENT_STATE, {"state": "THINKING"})
    await watched.until("() => window.earwitness.state.agent === 'THINKING'")
    trace = await watched.trace()
    assert trace["malformed_count"] == 120
    assert len(trace["malformed_events"]) == 50
    words = await watched.page.locator("#transcript .words").all_inner_texts()
    assert len(words) == 2
    assert len(words[1]) < 2_100
    assert words[1].startswith("<img")
    assert watched.complaints == []
    assert json.dumps(await watched.state())
