"""A page script: JavaScript in the page, as the body of an async function, with hands that wait as Playwright's locators do.

`click(selector)`, `fill(selector, value)` and `waitFor(selector)` are Playwright's: they wait until the element is visible,
enabled and still. Input is real: the page has its user gesture. All within SCRIPT_TIMEOUT_S.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError

if TYPE_CHECKING:
    from playwright.async_api import Page

HANDS = "__earwitnessHands"
HAND_TIMEOUT_S = 15.0  # one click, fill or waitFor
SCRIPT_TIMEOUT_S = 30.0  # all of a script

_ARGUMENTS = (
    f"(selector) => window.{HANDS}('click', `${{selector}}`, '')",
    f"(selector, value) => window.{HANDS}('fill', `${{selector}}`, `${{value}}`)",
    f"(selector) => window.{HANDS}('waitFor', `${{selector}}`, '')",
)


def as_function(body: str) -> str:
    """The script as an expression that Playwright calls; its hands are its parameters, and no names of the page."""
    return f"async () => {{ return (async (click, fill, waitFor) => {{\n{body}\n}})({', '.join(_ARGUMENTS)}); }}"


def uses_hands(body: str) -> bool:
    return re.search(r"\b(click|fill|waitFor)\s*\(", body) is not None


async def use_hand(page: Page, hand: str, selector: str, value: str) -> None:
    """Raises an exception whose one line names the selector and the limit; the page script gets it as its own."""
    from playwright.async_api import Error as PlaywrightError
    from playwright.async_api import TimeoutError as PlaywrightTimeoutError

    locator = page.locator(selector).first
    timeout_ms = 1e3 * HAND_TIMEOUT_S
    try:
        match hand:
            case "click":
                await locator.click(timeout=timeout_ms)
            case "fill":
                await locator.fill(value, timeout=timeout_ms)
            case _:
                await locator.wait_for(timeout=timeout_ms)
    except PlaywrightTimeoutError as error:
        raise HarnessError(_not_possible(hand, selector, error.message)) from None
    except PlaywrightError as error:
        raise HarnessError(f"{hand}({selector!r}): {error.message.splitlines()[0]}") from None


def _not_possible(hand: str, selector: str, log: str) -> str:
    """What Playwright waited for last: `element is not enabled`, or that nothing matched."""
    waits = re.findall(r"- (?:\d+ × )?(?:waiting for )?(element is not \w+|.*intercepts pointer events)", log)
    why = waits[-1] if waits else "no such element came" if "resolved to" not in log else "it did not become usable"
    return f"{hand}({selector!r}) was not possible within {HAND_TIMEOUT_S:.0f} s: {why}"


def hands_binding(page: Page) -> Any:
    """What the page's binding calls."""

    async def hands(_: Any, hand: str, selector: str, value: str) -> None:
        await use_hand(page, hand, selector, value)

    return hands
