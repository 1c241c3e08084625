"""A text in its sentences. A full stop behind a short form ("p.m.", "Dr.", "e.g.") ends one only where a new one begins.

Behind a title the name follows, behind "No." or "Nov." a number; behind "p.m." a capital begins the next sentence, unless it is
that of a day, a month or a time zone; behind an initial only a word that no name is.
"""

from __future__ import annotations

import re

QUESTION_MARKS = "?？؟"

_PLACE = re.compile(rf"(?<=[.!{QUESTION_MARKS}…])[\"'”’)]*\s+|(?<=[。！？；])|\n")
_GOES_ON = re.compile(
    r"dr|mr|mrs|ms|mx|prof|capt|gen|col|lt|sgt|rev|hon|gov|sen|rep|pres|messrs|e\.g|i\.e|eg|ie|cf|vs|approx|fig|dept|ca"
)
_BEFORE_NUMBER = re.compile(r"no|nos|p|pp|vol|ch|art|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec")
_BEFORE_SMALL = re.compile(r"etc|inc|ltd|co|corp|jr|sr|ave|blvd|rd|min|mins|max|sec|hr|hrs|mon|tue|wed|thu|fri|sat|sun")
_TIME_OF_DAY = re.compile(r"[ap]\.?m")
_INITIAL = re.compile(r"st|[^\W\d_](?:\.[^\W\d_])*")  # of a name, U.S., and a saint or a street
_DAY_OR_ZONE = re.compile(
    r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?s?\b|(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)"
    r"[a-z]*\b|(?:[ecmp][sd]?t|utc|gmt|cet|cest|bst|eastern|central|mountain|pacific)\b",
    re.IGNORECASE,
)
_NO_NAME = re.compile(
    r"(?:what|when|where|who|why|which|how|do|does|did|is|are|was|were|would|could|can|shall|should|have|has|it|its|it's|i|i'm|i'll"
    r"|we|you|he|she|they|the|this|that|there|these|please|and|or|but|so|then|your|our|my|if|for|in|at|on|to|yes|no|sorry|thank|thanks"
    r"|anything|let)\b",
    re.IGNORECASE,
)
_LAST_WORD = re.compile(r"([^\s\"'“”‘’(]+)\.$")
AHEAD = 20  # characters that tell how it goes on


def sentences_in(text: str) -> list[str]:
    found: list[str] = []
    begin = 0
    for place in _PLACE.finditer(text):
        if "\n" in place[0] or _ends(text[begin : place.start()], text[place.end() : place.end() + AHEAD]):
            found.append(text[begin : place.end()].strip())
            begin = place.end()
    return [sentence for sentence in (*found, text[begin:].strip()) if sentence]


def _ends(before: str, after: str) -> bool:
    last = _LAST_WORD.search(before[-AHEAD:])
    word = last[1].casefold() if last is not None else ""
    if _GOES_ON.fullmatch(word):
        return False
    if _BEFORE_NUMBER.fullmatch(word):
        return not after[:1].isdigit()
    if _BEFORE_SMALL.fullmatch(word):
        return not (after[:1].islower() or after[:1].isdigit())
    if _TIME_OF_DAY.fullmatch(word):
        return after[:1].isupper() and _DAY_OR_ZONE.match(after) is None
    if _INITIAL.fullmatch(word) and word != "i":
        return after[:1].isupper() and _NO_NAME.match(after) is not None
    return True
