"""Which of a page's complaints explains why it is not in the call: its own last error, else a missing file.

A missing favicon explains nothing. The text is one line.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from harness.browser.records import PageProblem

RESOURCE = "Failed to load resource"  # Chromium's own line for any file that did not come
MAX_CHARS = 240


def last_words(problems: Iterable[PageProblem]) -> str:
    """`" (its last error: …)"`, or nothing if the page never complained."""
    worth_saying = [problem for problem in problems if problem.text.strip() and not _is_favicon(problem.text)]
    own = [problem for problem in worth_saying if not problem.text.startswith(RESOURCE)]
    chosen = next(iter([*own[-1:], *worth_saying[-1:]]), None)
    if chosen is None:
        return ""
    line = chosen.text.strip().splitlines()[0]
    return f" (its last error: {line if len(line) <= MAX_CHARS else line[: MAX_CHARS - 1] + '…'})"


def _is_favicon(text: str) -> bool:
    return text.startswith(RESOURCE) and "/favicon." in text


def with_advice(reason: str, url: str) -> str:
    """The browser's reason, and what to do if it is an untrusted certificate."""
    if "ERR_CERT_" not in reason:
        return reason
    host = urlsplit(url).netloc.rpartition("@")[2]
    return f"{reason}: if you know this host's certificate, use --insecure-certificates {host}"
