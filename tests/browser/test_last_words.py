"""Which of a page's complaints is the hint: its own last error, before a file that did not come, never a favicon."""

from __future__ import annotations

import pytest

from harness.browser.last_words import last_words
from harness.browser.records import PageProblem

FAVICON = "Failed to load resource: the server responded with a status of 404 (Not Found): http://a.example/favicon.ico"
SCRIPT = "Failed to load resource: the server responded with a status of 404 (Not Found): http://a.example/app.js"


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ([], ""),
        ([FAVICON], ""),
        ([SCRIPT, FAVICON], f" (its last error: {SCRIPT})"),
        (["x is not a function", SCRIPT, FAVICON], " (its last error: x is not a function)"),
        (["first\nof two lines", "  "], " (its last error: first)"),
    ],
)
def test_hint_is_the_pages_own_last_error(said: list[str], hint: str) -> None:
    assert last_words([PageProblem("console", text, 0.0) for text in said]) == hint


def test_long_error_is_cut() -> None:
    assert last_words([PageProblem("exception", "x" * 1000, 0.0)]).endswith("xxx…)")
