"""The wire to a page that must not take it for a user (`--autoplay real`): reports and questions without a user gesture.

Playwright's own bindings and evaluations count as a click of the user, after which Chromium lets a page play. This one is
the DevTools protocol's: `Runtime.addBinding` and `Runtime.evaluate`. It reaches the page and its frames of the same process,
and no frame of another origin.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from harness.browser.injection import BINDING, HANDLE

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

Receive = Callable[[dict[str, Any], dict[str, Any]], Awaitable[object] | None]


class QuietWire:
    """Made by `open_wire`."""

    def __init__(self, cdp: CDPSession, page: Page, receive: Receive) -> None:
        self._cdp, self._page, self._receive = cdp, page, receive
        self._answering: set[asyncio.Task[None]] = set()

    async def evaluate(self, function: str, argument: Any = None) -> Any:
        """The result of `function(argument)` in the page's main document. Raises PageExceptionError, or Playwright's Error."""
        answer = await self._cdp.send(
            "Runtime.evaluate",
            {
                "expression": f"({function})({json.dumps(argument)})",
                "awaitPromise": True,
                "returnByValue": True,
                "userGesture": False,
            },
        )
        if "exceptionDetails" in answer:
            thrown = answer["exceptionDetails"]
            text = thrown.get("exception", {}).get("description") or thrown.get("text", "")
            raise PageExceptionError(re.sub(r"^\w*Error: ", "", text.splitlines()[0]) if text else "it threw")
        return answer["result"].get("value")

    def called(self, event: dict[str, Any]) -> None:
        if event.get("name") != BINDING:
            return
        message = json.loads(event["payload"])
        outcome = self._receive({"frame": self._page.main_frame}, message["record"])
        if message["id"] is None:
            return
        task = asyncio.create_task(self._answer(event["executionContextId"], message["id"], outcome))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, context_id: int, number: int, outcome: Awaitable[object] | None) -> None:
        from playwright.async_api import Error as PlaywrightError

        value = await outcome if outcome is not None else None
        expression = f"window.{HANDLE}.answer({number}, {json.dumps(value)})"
        try:
            await self._cdp.send(
                "Runtime.evaluate", {"expression": expression, "contextId": context_id, "userGesture": False}
            )
        except PlaywrightError:
            return  # the document that asked is gone


class PageExceptionError(Exception):
    """The page threw during a question of ours; its one line."""


async def open_wire(page: Page, receive: Receive) -> QuietWire:
    cdp = await page.context.new_cdp_session(page)
    wire = QuietWire(cdp, page, receive)
    cdp.on("Runtime.bindingCalled", wire.called)
    await cdp.send("Runtime.enable")
    await cdp.send("Runtime.addBinding", {"name": BINDING})
    return wire
