"""The page by keyboard, by screen reader, in light and dark, on a desk and on a phone. What axe would look for, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from .conftest import StandInAgent, Watched, open_page
from .test_page_in_a_call import connect

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
TEXT_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
LARGE_TEXT_CONTRAST = 3.0

# Ratio of each visible text with its ground, as WCAG computes it; grounds and opacities are mixed from the inside out.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, ground, opacity = 1) => {
    const a = top[3] * opacity;
    return [0, 1, 2].map((n) => top[n] * a + ground[n] * (1 - a)).concat(1);
  };
  const groundOf = (element) => {
    const line = [];
    for (let at = element; at; at = at.parentElement) line.unshift(at);
    return line.reduce((ground, at) => over(rgba(getComputedStyle(at).backgroundColor), ground), [255, 255, 255, 1]);
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join(" ").trim();
    if (!text || element.closest(".spoken") || !element.checkVisibility() || element.disabled) continue;
    const style = getComputedStyle(element);
    let opacity = 1;
    for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    const ground = groundOf(element);
    const [light, dark] = [luminance(over(rgba(style.color), ground, opacity)), luminance(ground)].sort((a, b) => b - a);
    const px = parseFloat(style.fontSize);
    const isLarge = px >= 24 || (px >= 18.66 && Number(style.fontWeight) >= 700);
    found.push({ text, ratio: (light + 0.05) / (dark + 0.05), isLarge });
  }
  return found;
}"""

WITHOUT_NAME = """() => {
  const nameOf = (element) => {
    const ids = element.getAttribute("aria-labelledby")?.split(" ") ?? [];
    const named = ids.map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();
    const label = element.labels?.length ? [...element.labels].map((one) => one.textContent).join(" ").trim() : "";
    return named || element.getAttribute("aria-label") || label || element.textContent.trim() || element.alt;
  };
  const wanted = "button, select, input, [role=meter], [role=log], section, ol, table, [tabindex]";
  const nameless = [...document.querySelectorAll(wanted)].filter((one) => !nameOf(one) && one.checkVisibility());
  return nameless.map((one) => one.outerHTML);
}"""


# Five turns, the last one with the agent's account.
SHOW_A_TURN = """async () => {
            const { drawAccount, readAccount } = await import("/account.js");
            const { drawLatency } = await import("/latency_panel.js");
            const steps = { vad_end: 200, stt_done: 215, llm_first_segment: 220, tts_first_pcm: 231, first_publish: 252 };
            const pair = { heardMs: 397, account: readAccount({ user_eot: 0, ...steps }) };
            const turns = [388, 402, 371, 655, 397].map((rawMs) => ({ rawMs, isTalkOver: false }));
            const summary = { lastMs: 397, p50Ms: 397, p95Ms: 655, tail: "max", count: 5, talkOvers: 1 };
            drawLatency(document.getElementById("latency"), summary, turns);
            drawAccount(document.getElementById("account"), document.getElementById("account-none"), pair);
        }"""


async def in_a_full_call(watched: Watched, product: str, agent: StandInAgent) -> None:
    """With everything on the page that can be on it."""
    await connect(watched, product, agent)
    await agent.words("user", "What do I have on my list?", final=True)
    await agent.words("agent", "Milk, and a new microphone.", final=True, reply_seq=0)
    await agent.words("agent", "And then there is", final=False, reply_seq=1)
    await agent.interrupted(1)
    await agent.words("user", "Wait", final=False)
    await agent.state("SPEAKING")
    await watched.page.locator("#transcript .user.draft").wait_for()
    await watched.until("() => window.earwitness.state.agent === 'SPEAKING'")
    await watched.page.evaluate(SHOW_A_TURN)


async def has_no_faint_text(page: Page) -> None:
    measured = await page.evaluate(CONTRASTS)
    assert len(measured) > 8
    faint = [
        (one["text"], round(one["ratio"], 2))
        for one in measured
        if one["ratio"] < (LARGE_TEXT_CONTRAST if one["isLarge"] else TEXT_CONTRAST)
    ]
    assert faint == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
async def test_all_text_can_be_read_and_nothing_sticks_out(
    product: str, agent: StandInAgent, browser: Browser, tmp_path: Path, scheme: str, size: str
) -> None:
    width, height = SIZES[size]
    viewport = {"width": width, "height": height}
    async with open_page(browser, color_scheme=scheme, viewport=viewport, reduced_motion="reduce") as watched:
        await watched.page.goto(product)
        await has_no_faint_text(watched.page)
        await in_a_full_call(watched, product, agent)
        await has_no_faint_text(watched.page)
        await watched.page.screenshot(path=tmp_path / f"{size}-{scheme}.png", full_page=True)
        assert await watched.page.evaluate("() => document.documentElement.scrollWidth") <= width
        await agent.leave()
        await watched.page.locator("#state", has_text="The agent is away").wait_for()
        await has_no_faint_text(watched.page)


async def test_the_check_itself_finds_faint_text_and_things_without_a_name(product: str, watched: Watched) -> None:
    await watched.page.goto(product)
    await watched.page.evaluate(
        "() => document.querySelector('main').insertAdjacentHTML('beforeend',"
        " '<p><span id=faint>hardly seen</span></p><button></button>')"
    )
    await watched.page.evaluate("() => { document.getElementById('faint').style.color = '#888'; }")
    with pytest.raises(AssertionError, match="hardly seen"):
        await has_no_faint_text(watched.page)
    assert await watched.page.evaluate(WITHOUT_NAME) == ["<button></button>"]


async def test_everything_that_can_be_used_has_a_name_and_each_state_is_announced(
    product: str, watched: Watched, agent: StandInAgent
) -> None:
    await in_a_full_call(watched, product, agent)
    assert await watched.page.evaluate(WITHOUT_NAME) == []
    page = watched.page
    assert await page.locator("#transcript").get_attribute("role") == "log"
    assert await page.locator(".now").get_attribute("aria-live") == "polite"
    assert await page.get_by_role("status").count() == 2  # the connection, and news
    assert await page.get_by_role("main").count() == 1
    assert await page.get_by_role("heading", level=1).count() == 1
    assert await page.locator("html").get_attribute("lang") == "en"


async def test_the_agents_account_is_a_table_with_headings_for_rows_and_columns(product: str, watched: Watched) -> None:
    await watched.page.goto(product)
    await watched.page.evaluate(SHOW_A_TURN)  # no call, so that nothing else is drawn meanwhile
    table = watched.page.get_by_role("table", name="The last turn")
    assert await table.locator("th[scope=row]").count() == 7
    assert await table.locator("th[scope=col]").all_inner_texts() == ["Last turn", "Heard here", "Agent says"]
    assert await table.get_by_role("row", name="Your end").inner_text() == "Your end → its first sound\t397 ms\t252 ms"


async def test_a_call_needs_no_mouse_and_focus_is_seen_and_goes_as_the_eye_does(
    product: str, watched: Watched, agent: StandInAgent
) -> None:
    page = watched.page
    await page.goto(product)
    await page.keyboard.press("Tab")
    assert await page.evaluate("() => document.activeElement.id") == "connect"
    await page.keyboard.press("Enter")
    await watched.until("() => window.earwitness.state.agent_audible")
    assert await page.evaluate("() => document.activeElement.id") == "connect"  # it did not vanish under the finger
    await agent.state("SPEAKING")
    await watched.until("() => !document.getElementById('interrupt').disabled")
    order, outlines = [], []
    for _ in range(4):
        order.append(await page.evaluate("() => document.activeElement.id"))
        outlines.append(await page.evaluate("() => parseFloat(getComputedStyle(document.activeElement).outlineWidth)"))
        await page.keyboard.press("Tab")
    assert order == ["connect", "interrupt", "mute", "microphone"]
    assert min(outlines) >= 2
    await page.locator("#connect").focus()
    await page.keyboard.press("Space")
    await page.get_by_role("button", name="Connect").wait_for()
    assert await page.evaluate("() => document.activeElement.id") == "connect"


async def test_what_can_be_touched_is_large_enough(product: str, watched: Watched, agent: StandInAgent) -> None:
    await in_a_full_call(watched, product, agent)
    sizes = await watched.page.evaluate(
        """() => [...document.querySelectorAll("button, select")].filter((one) => one.checkVisibility())
            .map((one) => [one.id, one.getBoundingClientRect().height])"""
    )
    assert [one for one in sizes if one[1] < 44] == []
