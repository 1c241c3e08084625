"""Chromium's own autoplay policy: what it refuses a page is named, what it allows is heard, and nothing of ours is a click."""

from __future__ import annotations

import pytest

from harness.browser.driver import RATE_HZ, launch_browser

pytestmark = pytest.mark.live

CLICKED_ON = "() => navigator.userActivation.hasBeenActive"


async def test_page_with_an_open_microphone_plays_and_we_are_no_user(chromium, site, record, wait_for, chirp):
    async with launch_browser(chromium, mic="scheduled", autoplay="real") as browser, browser.session() as session:
        recording = record(session)
        await session.open(site("talks"), timeout_s=20)
        await wait_for(session.agent_track_seen)
        await wait_for(session.tap_started)
        frame = await session.speak(chirp, None)
        await recording.reach(frame + 2 * RATE_HZ)
        assert abs(recording.mic(frame, frame + len(chirp))).max() > 0.1
        assert abs(recording.ear(frame, frame + 2 * RATE_HZ)).max() > 0.05
        assert session.wire is not None
        assert not await session.wire.evaluate(CLICKED_ON)


async def test_page_that_plays_before_anybody_clicked_is_refused_and_it_is_said(
    chromium, site, record, wait_for, chirp
):
    async with launch_browser(chromium, mic="scheduled", autoplay="real") as browser, browser.session() as session:
        recording = record(session)
        await session.open(site("plays_first"), timeout_s=20)
        await wait_for(session.microphone_asked)
        await wait_for(session.agent_track_seen)
        await wait_for(session.tap_started)
        frame = await session.speak(chirp, None)
        await recording.reach(frame + 2 * RATE_HZ)
        assert "NotAllowedError" in [problem.text for problem in session.errors]
        assert abs(recording.ear(frame, frame + 2 * RATE_HZ)).max() < 0.001
        assert (await session.unplayed()).reasons == ("the browser blocked autoplay: nobody had clicked on the page",)


async def test_a_click_of_the_page_script_is_a_users(chromium, site, tmp_path):
    script = tmp_path / "go.js"
    script.write_text("await click('#name');")
    async with launch_browser(chromium, mic="scheduled", autoplay="real") as browser, browser.session() as session:
        await session.open(site("has_a_form"), timeout_s=20)
        assert session.wire is not None
        assert not await session.wire.evaluate(CLICKED_ON)
        await session.run_script(script)
        assert await session.wire.evaluate(CLICKED_ON)
