"""From a stream of tokens to segments for the TTS (R-23, R-94, R-99). Pure.

The first segment is small so that speech starts early (MIN to SHORT characters if a boundary allows), later ones reach
LONG. A segment ends after a sentence; if the limit comes first, after a clause, else after a word, else between two Chinese
characters. It never ends inside a number, an abbreviation, an address or a word (words longer than LONG are wrapped). A mark
ends a segment only once the next character has arrived, for "3." may become "3.5". Joined segments equal the text, less white
space at its end, however tokens cut it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

MIN_SEGMENT_CHARS = 4
SHORT_TEXT_THRESHOLD = 20
LONG_SEGMENT_CHARS = 50
LONGEST_WHOLE_CHARS = 400  # no number, address or word is longer: wait no more
OPEN_RUN_CHARS = 100  # wait this long for a possible address

CLOSING = "\"'”’»)]}）】」』》"
_CLOSERS = f"[{re.escape(CLOSING)}]*"
_THEN_SPACE = rf"(?={_CLOSERS}(?:\s|$))"
_SENTENCE = re.compile(rf"(?:[。！？；]+|\n|(?:[!?;…]+|\.+){_THEN_SPACE}){_CLOSERS}")
_CLAUSE = re.compile(rf"(?:[，、：]|(?:[,:]|--|[–—]){_THEN_SPACE}){_CLOSERS}")
_MARKS = frozenset("。！？；\n!?;….，、：,:-–—" + CLOSING)
_SPACE = re.compile(r"\s+")
_ABBREVIATION = re.compile(
    r"(?<![A-Za-z.])(?:(?i:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|e\.g|i\.e|No|a\.m|p\.m|approx|Inc|Ltd|Corp|Fig|U\.S|U\.K)|[A-Z])\.\s*"
)
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[^\s，。！？；、：）」』”》]+|[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
    r"|[A-Za-z][A-Za-z0-9-]*(?:\.[A-Za-z][A-Za-z0-9-]*)+(?:/[^\s，。！？；、：）]*)?"
)
_NUMBER = re.compile(r"[-+−]?[$€£¥]?\d(?:[\d.,:/–-]*\d)?[%‰°]?")
_WORD = re.compile(r"[^\W\d_\u2e80-\u9fff\uf900-\ufaff]+(?:['’-][^\W\d_\u2e80-\u9fff\uf900-\ufaff]+)*")
_OPEN_RUN = re.compile(r"[!-~]+\Z")
_JOINERS = "\u200d\ufe0f"  # join the parts of an emoji


def _whole(text: str) -> list[tuple[int, int]]:
    """Spans without a cut inside; an abbreviation's span includes its end, so that it stays with the next word."""
    spans = [match.span() for pattern in (_ADDRESS, _NUMBER) for match in pattern.finditer(text)]
    spans += [match.span() for match in _WORD.finditer(text) if len(match.group()) <= LONG_SEGMENT_CHARS]
    spans += [(match.start(), match.end() + 1) for match in _ABBREVIATION.finditer(text)]
    return spans


@dataclass(frozen=True)
class _Cuts:
    """Where `text` may be cut: positions outside of whole spans that have text after them."""

    text: str
    spans: list[tuple[int, int]]
    open_from: int  # text from here on may still change its kind
    lead: int  # white space at the front, not counted

    @classmethod
    def of(cls, text: str, final: bool) -> _Cuts:
        run = None if final else _OPEN_RUN.search(text)
        is_open = run is not None and len(run.group()) <= OPEN_RUN_CHARS
        open_from = run.start() if run is not None and is_open else len(text)
        return cls(text, _whole(text), open_from, len(text) - len(text.lstrip()))

    def chars(self, end: int) -> int:
        return len(self.text[self.lead : end].rstrip())

    def legal(self, end: int, limit: int) -> bool:
        if not self.lead < end < len(self.text) or end > self.open_from or self.text[end] in _JOINERS:
            return False
        if unicodedata.category(self.text[end]).startswith("M") or self.text[end - 1] == _JOINERS[0]:
            return False
        if any(start < end < stop for start, stop in self.spans):
            return False
        return MIN_SEGMENT_CHARS <= self.chars(end) <= limit

    def after(self, pattern: re.Pattern[str], limit: int) -> Iterator[int]:
        return (match.end() for match in pattern.finditer(self.text) if self.legal(match.end(), limit))

    def before_space(self, limit: int) -> Iterator[int]:
        return (match.start() for match in _SPACE.finditer(self.text) if self.legal(match.start(), limit))

    def anywhere(self, limit: int) -> Iterator[int]:
        """Cuts between two characters without spaces, where only the first may be a mark."""
        text = self.text
        for end in range(self.lead + 1, len(text)):
            joined = text[end - 1].isspace() or text[end].isspace() or text[end] in _MARKS
            if not joined and self.legal(end, limit):
                yield end


def next_cut(text: str, *, first: bool, final: bool = False) -> int | None:
    """How many characters of `text` make the next segment now; None if it is better to wait for more."""
    limit = SHORT_TEXT_THRESHOLD if first else LONG_SEGMENT_CHARS
    too_long = len(text.strip()) > limit
    if not too_long and not (len(text) > 1 and text[-2] in _MARKS):
        return None
    cuts = _Cuts.of(text, final)
    ends = [*cuts.after(_SENTENCE, limit), *(cuts.after(_CLAUSE, limit) if first else ())]
    if ends:
        return min(ends)
    if not too_long:
        return None
    for candidates in (cuts.after(_CLAUSE, limit), cuts.before_space(limit), cuts.anywhere(limit)):
        within = list(candidates)
        if within:
            return max(within)
    endless = len(text)  # one whole span, longer than the limit
    later = (*cuts.after(_SENTENCE, endless), *cuts.before_space(endless), *cuts.anywhere(endless))
    return (
        min(later) if later else cuts.lead + LONGEST_WHOLE_CHARS if endless - cuts.lead > LONGEST_WHOLE_CHARS else None
    )


def ends_sentence(text: str) -> bool:
    """Whether a segment is the last of its sentence."""
    if text.endswith("\n"):
        return True
    bare = text.rstrip().rstrip(CLOSING)
    if bare.endswith((".", "…")):
        return not any(match.end() == len(bare) for match in _ABBREVIATION.finditer(bare))
    return bare.endswith(tuple("。！？；!?;"))


async def segments(tokens: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """Yield segments as soon as they are complete; the rest is the last one. Never empty."""
    text, first = "", True
    async for token in tokens:
        for character in token:
            text += character
            while (cut := next_cut(text, first=first)) is not None:
                yield text[:cut]
                text, first = text[cut:], False
    while len(text.strip()) > (SHORT_TEXT_THRESHOLD if first else LONG_SEGMENT_CHARS):
        cut = next_cut(text, first=first, final=True)
        if cut is None:
            break
        yield text[:cut]
        text, first = text[cut:], False
    if text.strip():
        yield text.rstrip()
