"""From tokens to segments: nothing lost, bounds kept, no token split, however the text was streamed."""

from __future__ import annotations

import asyncio
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.call.bridge import (
    LONG_SEGMENT_CHARS,
    MIN_SEGMENT_CHARS,
    SHORT_TEXT_THRESHOLD,
    ends_sentence,
    segments,
)
from runtime.engines.scripted import REPLIES


def cut(text: str, step: int = 3) -> list[str]:
    async def tokens():  # type: ignore[no-untyped-def]
        for at in range(0, len(text), step):
            yield text[at : at + step]

    async def run() -> list[str]:
        return [segment async for segment in segments(tokens())]

    return asyncio.run(run())


ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
SPEECH_LIKE = st.text(alphabet="abcDr. ,!?。，；你好吗0123456789:/@-\n“”", max_size=300)


@settings(max_examples=150, deadline=None)
@given(st.one_of(ANYTHING, SPEECH_LIKE), st.integers(1, 9))
def test_the_segments_together_are_the_text(text: str, step: int) -> None:
    parts = cut(text, step)
    assert "".join(parts) == (text.rstrip() if text.strip() else "")
    assert all(part.strip() for part in parts)


@settings(max_examples=100, deadline=None)
@given(SPEECH_LIKE, st.integers(1, 40))
def test_segments_do_not_depend_on_the_tokens(text: str, step: int) -> None:
    assert cut(text, step) == cut(text, 1)


WORD = st.text(alphabet="abcdefghij", min_size=1, max_size=12)
NUMBER = st.from_regex(r"[$€]?[1-9][0-9]{0,2}(,[0-9]{3}){0,2}(\.[0-9]{1,3})?%?|[0-9]{1,2}:[0-9]{2}", fullmatch=True)
ABBREVIATED = st.builds(lambda a, b: f"{a} {b}", st.sampled_from(["Dr.", "Mrs.", "e.g.", "i.e.", "No."]), WORD)
ADDRESS = st.one_of(
    st.from_regex(r"https://[a-z]{1,8}\.org/[a-z0-9.,?=&/-]{0,40}[a-z]", fullmatch=True),
    st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,5})?@[a-z]{1,8}\.(org|com)", fullmatch=True),
)
MARK = st.sampled_from(["", "", "", ",", ".", "!", "?", ";", ":"])
PIECE = st.builds(lambda piece, mark: (piece, mark), st.one_of(WORD, WORD, NUMBER, ABBREVIATED, ADDRESS), MARK)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECE, min_size=1, max_size=40), st.integers(1, 9))
def test_nothing_that_belongs_together_is_split_and_the_bounds_hold(pieces: list[tuple[str, str]], step: int) -> None:
    text = " ".join(piece + mark for piece, mark in pieces)
    parts = cut(text, step)
    ends = set(accumulate(len(part) for part in parts))
    at = 0
    for piece, mark in pieces:
        inside = set(range(at + 1, at + len(piece)))
        assert not inside & ends, f"{piece!r} was split: {parts}"
        at += len(piece) + len(mark) + 1
    for index, part in enumerate(parts[:-1]):
        said = part.strip()
        assert len(said) >= MIN_SEGMENT_CHARS
        limit = LONG_SEGMENT_CHARS if index else SHORT_TEXT_THRESHOLD
        longest = max(len(piece) + len(mark) for piece, mark in pieces)
        assert len(said) <= max(limit, longest + MIN_SEGMENT_CHARS), "longer only where one token is"


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="你好今天气很我们说的是，。！？、", min_size=1, max_size=300), st.integers(1, 9))
def test_chinese_keeps_the_bounds_without_any_space(text: str, step: int) -> None:
    parts = cut(text, step)
    assert all(len(part) <= LONG_SEGMENT_CHARS + 20 for part in parts[1:])
    assert "".join(parts) == text


@pytest.mark.parametrize(
    "kept",
    ["3.14", "1,250.50", "https://example.org/a,b.html", "Dr. Smith", "10:30", "me@example.org", "e.g. this", "$4.99",
     "example.com/shop", "well-known", "don't", "U.S. army", "12/24", "50%"],
)  # fmt: skip
def test_numbers_abbreviations_and_addresses_are_not_split(kept: str) -> None:
    for before in ("I think that", "So", "It is quite certain that many people believe that", "当然"):
        text = f"{before} {kept} is what you were looking for, or is it not? Tell me."
        for step in (1, 2, 5, 100):
            assert any(kept in segment for segment in cut(text, step)), cut(text, step)


def test_the_first_segment_is_small_and_later_ones_are_whole_sentences() -> None:
    assert cut("Hello! How can I help? I am here until half past nine tonight.") == [
        "Hello!", " How can I help?", " I am here until half past nine tonight.",
    ]  # fmt: skip
    parts = cut(REPLIES["story"], 5)
    assert len(parts[0]) <= SHORT_TEXT_THRESHOLD
    assert all(len(part.strip()) <= LONG_SEGMENT_CHARS for part in parts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ok.", ["Ok."]),
        ("你好，很高兴见到你。今天天气很好。", ["你好，很高兴见到你。", "今天天气很好。"]),
        ("他说：「你好吗？」我说很好。", ["他说：「你好吗？」", "我说很好。"]),
        ('"Stop!" he said. "Now."', ['"Stop!"', " he said.", ' "Now."']),
        ("a" * 120, ["a" * 20, "a" * 50, "a" * 50]),
        ("https://" + "a/" * 300, ["https://" + "a/" * 196, "a/" * 25, "a/" * 25, "a/" * 25, "a/" * 25, "a/" * 4]),
        ("   ", []),
        ("", []),
    ],
)
def test_examples(text: str, expected: list[str]) -> None:
    assert cut(text, 1) == expected


def test_a_first_sentence_is_given_before_the_second_is_there() -> None:
    async def run() -> str:
        async def tokens():  # type: ignore[no-untyped-def]
            for token in ("It is", " nine.", " And"):
                yield token
            raise AssertionError("it waited for more")

        stream = segments(tokens())
        first = await anext(stream)
        await stream.aclose()
        return first

    assert asyncio.run(run()) == "It is nine."


@pytest.mark.parametrize(
    ("text", "ends"),
    [("Hello!", True), (" and so it was.", True), ("he said, ", False), ("with Dr.", False), ("“好。”", True), ("word", False),
     ("a line\n", True), ("and then…", True)],
)  # fmt: skip
def test_ends_of_sentences(text: str, ends: bool) -> None:
    assert ends_sentence(text) is ends
