"""What a page has done with, the taps do not hold on to: a call may last an hour, and Chromium's limits are for a whole page."""

from __future__ import annotations

import asyncio

import pytest

from harness.browser.driver import PageSession

pytestmark = pytest.mark.live

MANY = 20
LET_GO_TIMEOUT_S = 30.0
COUNT = "RTCPeerConnections"
CONNECTS_OFTEN = f"""
  for (let n = 0; n < {MANY}; n++) {{
    const connection = new RTCPeerConnection();
    connection.addTransceiver("audio");
    await connection.setLocalDescription();
    connection.close();
  }}
"""


async def counted(session: PageSession) -> dict[str, float]:
    """Chromium's own counts of what is alive in the page."""
    cdp = await session._page.context.new_cdp_session(session._page)
    await cdp.send("Performance.enable")
    await cdp.send("HeapProfiler.collectGarbage")
    metrics = (await cdp.send("Performance.getMetrics"))["metrics"]
    await cdp.detach()
    return {metric["name"]: metric["value"] for metric in metrics}


async def test_connections_that_the_page_has_closed_are_let_go(browser, site, tmp_path) -> None:
    """A page that tries again and again comes to 500 of them, after which Chromium gives it no more."""
    async with browser.session() as session:
        await session.open(site("is_quiet"), timeout_s=20)
        before = await counted(session)
        path = tmp_path / "step.js"
        path.write_text(CONNECTS_OFTEN)
        await session.run_script(path)
        async with asyncio.timeout(LET_GO_TIMEOUT_S):
            while (await counted(session))[COUNT] - before[COUNT] >= MANY / 2:  # noqa: ASYNC110 - Chromium tells nobody
                await asyncio.sleep(0.2)
