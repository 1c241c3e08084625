"""report.html in a real Chromium, opened as a file: it fits, it plays, it asks for nothing, it can be used by keyboard."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from playwright.async_api import Browser, Page, async_playwright

from harness.model.audio import Audio
from harness.model.call_heard import CallHeard, Stretch, UserTurn
from harness.model.case import Case
from harness.model.degraded import DegradedTurn
from harness.model.verdict import CaseVerdict
from harness.provide.chromium import find_chromium
from reports.render.call import write_call_page
from reports.render.compare import compare, write_comparison
from reports.render.html import render_html
from reports.view.call_moments import with_moments
from tests.judge.canned import summary
from tests.listen.captures import hole
from tests.reports.render.test_html import NASTY, measured_call
from tests.reports.render.test_html_changes import everything

pytestmark = pytest.mark.live

FLAGS = ("--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update")
PLAYED_TIMEOUT_MS = 60_000
WIDTHS = (1280, 390)
ColorScheme = Literal["light", "dark"]
SCHEMES: tuple[ColorScheme, ...] = ("light", "dark")

PLAY = """
async (player) => {
  player.muted = false;
  await player.play();
  await new Promise((done) => player.addEventListener("ended", done, { once: true }));
  return [player.duration, player.currentTime, player.error];
}"""
WATCH = """
() => {
  const player = document.activeElement;
  window.ended = new Promise((done) => player.addEventListener("ended", () => done(player.currentTime), { once: true }));
}"""
# A colour as [r, g, b]; the contrast of WCAG 2 between a text and the nearest background that is painted behind it
CONTRAST = """
() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) low.push([contrast.toFixed(2), element.className, walker.currentNode.data.trim().slice(0, 40)]);
  }
  return low;
}"""


def with_reserve(told: tuple[Case, CaseVerdict]) -> tuple[Case, CaseVerdict]:
    """The voice fell back in its reply, with a reason that is one long word."""
    definition, judged = told
    turn = DegradedTurn(reply_seq=0, notes=[f"tts: http://{'x' * 90}/v1; the reserve spoke"])
    attempts = [attempt.model_copy(update={"degraded": [turn]}) for attempt in judged.attempts]
    return definition, judged.model_copy(update={"attempts": attempts})


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("run")
    cut = {"at_ear": lambda x: hole(x, 700, 260), "at_probe": lambda x: hole(x, 700, 260)}
    told = [with_reserve(measured_call(run_dir, "good")), measured_call(run_dir, "holed", NASTY, **cut)]
    whole = summary(told, environment={"host": {"cpu_count": 2}, "versions": {"commit": "abc"}})
    said = {case.case_id: "1" for case in whole.cases}
    networks = [whole.model_copy(update={"link": link}) for link in ("wifi_good", "4g_ok", "bad_wifi", "poor_3g")]
    write_comparison(compare([*networks, whole, whole], [said] * 6), run_dir / "comparison.html")
    return render_html(whole.model_copy(update={"changes": everything(), "link": "bad_wifi"}), run_dir)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium on this machine; run `earwitness setup`")
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found.path, args=flags)
        try:
            yield browser
        finally:
            await browser.close()


async def opened(
    browser: Browser, path: Path, width: int = 1280, scheme: ColorScheme = "light"
) -> tuple[Page, list[str]]:
    """The page, and whatever it asks for or complains of."""
    page = await browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    noticed: list[str] = []
    page.on("request", lambda request: noticed.append(request.url[:80]))
    page.on("console", lambda message: noticed.append(message.text))
    page.on("pageerror", lambda error: noticed.append(str(error)))
    await page.goto(path.as_uri())
    return page, noticed


async def test_every_player_plays_what_it_holds_to_its_end(browser: Browser, report: Path) -> None:
    page, _ = await opened(browser, report)
    page.set_default_timeout(PLAYED_TIMEOUT_MS)
    players = await page.query_selector_all("audio")
    assert len(players) >= 6
    for player in players:
        duration_s, at_s, error = await player.evaluate(PLAY)
        assert error is None
        assert 0.9 < duration_s < 7
        assert at_s == pytest.approx(duration_s, abs=0.05)
        stated = (await player.get_attribute("aria-label") or "").split(": ")[1]
        assert duration_s == pytest.approx(float(stated.split(" s")[0]), abs=0.01)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["report.html", "comparison.html"])
async def test_nothing_stands_out_of_the_page_at_any_width(
    browser: Browser, report: Path, name: str, width: int
) -> None:
    page, _ = await opened(browser, report.with_name(name), width)
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    await page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_every_text_can_be_read_in_light_and_in_dark(browser: Browser, report: Path, scheme: ColorScheme) -> None:
    page, _ = await opened(browser, report, scheme=scheme)
    await page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert await page.evaluate(CONTRAST) == []


async def test_it_asks_for_nothing_and_runs_nothing(browser: Browser, report: Path) -> None:
    page, noticed = await opened(browser, report)
    await page.wait_for_load_state("networkidle")
    assert [line for line in noticed if not line.startswith(("data:", report.as_uri()))] == []
    assert await page.evaluate("document.scripts.length") == 0


async def test_the_keyboard_leads_to_the_worst_moments_and_plays_one(browser: Browser, report: Path) -> None:
    page, _ = await opened(browser, report)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "To the worst moments"
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")  # the first link after that heading: the moment's case
    assert (await page.evaluate("document.activeElement.getAttribute('href')")).startswith("#case-")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.tagName") == "AUDIO"
    await page.evaluate(WATCH)
    await page.keyboard.press("Space")
    async with asyncio.timeout(PLAYED_TIMEOUT_MS / 1e3):
        assert await page.evaluate("() => window.ended") > 0


@pytest.mark.parametrize("width", WIDTHS)
async def test_the_page_of_a_recorded_call_fits_asks_for_nothing_and_plays(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    rng = np.random.default_rng(1)
    user, agent = (Audio((0.1 * rng.standard_normal(48_000 * 130)).astype(np.float32), 48_000) for _ in range(2))
    speaks = [Stretch(start_ms=1_000 * at, end_ms=1_000 * at + 700) for at in range(0, 128, 2)]
    turns = [
        UserTurn(
            utterance=number,
            start_ms=said.start_ms,
            end_ms=said.end_ms,
            ended="answered",
            first_sound_ms=1_700,
            first_speech_ms=1_700 + number,
            dead_air_ms=1_700,
            dead_air_at_ms=said.end_ms,
        )
        for number, said in enumerate(speaks)
    ]
    call = CallHeard(
        name="a_recording_with_a_long_name_and_no_break_in_it_2026_11_30.wav", reading="two_sides", user="the left channel",
        duration_ms=130_000, user_speaks=speaks, agent_speaks=speaks, turns=turns, read_as=["as it is"], not_known=["the rest"],
    )  # fmt: skip
    path = tmp_path / "call.html"
    write_call_page(with_moments(call), user, agent, path)
    page, noticed = await opened(browser, path, width)
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert [entry for entry in noticed if not entry.startswith(("file:", "data:"))] == []
    page.set_default_timeout(PLAYED_TIMEOUT_MS)
    player = await page.query_selector("audio")
    assert player is not None
    duration_s, at_s, error = await player.evaluate(PLAY)
    assert error is None
    assert at_s == pytest.approx(duration_s, abs=0.05)
