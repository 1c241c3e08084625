"""From a stream of tokens to segments for the TTS (R-23, R-94, R-99). Pure.

The first segment is small so that speech starts early (MIN to SHORT characters if a boundary allows), later ones reach
LONG. Cuts fall after sentence ends, then clause marks, then words; never inside a number, an abbreviation or a URL.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator

MIN_SEGMENT_CHARS = 4
SHORT_TEXT_THRESHOLD = 20
LONG_SEGMENT_CHARS = 50

_SENTENCE = re.compile(r"[。！？!?；;\n]|\.(?=\s)")
_CLAUSE = re.compile(r"[，、：]|[,:](?=\s)")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|No|a\.m|p\.m|approx)|\b[A-Z])\.$", re.IGNORECASE
)
_UNSPLIT = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|\d[\d.,:/]*\d")


def _protected(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in _UNSPLIT.finditer(text)]


def _cuts(text: str, pattern: re.Pattern[str]) -> Iterator[int]:
    """Positions after which a segment may end: what follows must have arrived, or it cannot be judged."""
    spans = _protected(text)
    for match in pattern.finditer(text):
        end = match.end()
        if end >= len(text) and match.group() in ".,:":
            continue  # "3." may become "3.5"
        if any(start < end < stop for start, stop in spans):
            continue
        if match.group() == "." and _ABBREVIATION.search(text[:end]):
            continue
        yield end


def next_cut(text: str, *, first: bool) -> int | None:
    """How many characters of `text` make the next segment now; None if it is better to wait for more."""
    limit = SHORT_TEXT_THRESHOLD if first else LONG_SEGMENT_CHARS
    for pattern in (_SENTENCE, _CLAUSE):
        found = [end for end in _cuts(text, pattern) if len(text[:end].strip()) >= MIN_SEGMENT_CHARS and end <= limit]
        if found:
            return found[0] if first or pattern is _SENTENCE else found[-1] if len(text) > limit else None
    if len(text) <= limit:
        return None
    spans = _protected(text)
    spaces = [
        m.end()
        for m in re.finditer(r"\s+", text)
        if not any(a < m.end() < b for a, b in spans) and not _ABBREVIATION.search(text[: m.start()])
    ]
    before = [end for end in spaces if MIN_SEGMENT_CHARS <= end <= limit]
    if before:
        return before[-1]
    if not spaces and not spans:
        return limit  # no space at all: Chinese, or one endless word
    later = [end for end in spaces if end > limit]
    return later[0] if later else None


async def segments(tokens: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """Segments as soon as they are complete; what is left when the tokens end is the last one. Never empty."""
    text, first = "", True
    async for token in tokens:
        text += token
        while (cut := next_cut(text, first=first)) is not None:
            segment, text = text[:cut].strip(), text[cut:]
            if segment:
                yield segment
                first = False
    while (cut := next_cut(text + "\n", first=first)) is not None and cut <= len(text):
        segment, text = text[:cut].strip(), text[cut:]
        if segment:
            yield segment
            first = False
    if text.strip():
        yield text.strip()
