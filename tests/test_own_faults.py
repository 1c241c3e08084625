"""An error of ours is named in one line, also one that says nothing itself."""

from __future__ import annotations

import asyncio

import pytest

from harness.own_faults import in_words


async def waits_too_long() -> None:
    async with asyncio.timeout(0.01):
        await asyncio.Event().wait()


async def test_an_error_without_words_says_where_it_comes_from() -> None:
    with pytest.raises(TimeoutError) as caught:
        await waits_too_long()
    assert in_words(caught.value).startswith("TimeoutError in waits_too_long (test_own_faults.py:")


def test_an_error_with_words_is_said_in_them_on_one_line() -> None:
    assert in_words(ValueError("two\nlines")) == "ValueError: two lines"
