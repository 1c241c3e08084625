"""Whether a phrase is said. Texts are made alike, so that only words differ: case, punctuation, spelling, numbers, fillers.

English after the normaliser that was published with Whisper (Radford et al. 2022, appendix C), so "forty-two seventy-one",
"four two seven one" and "4271" are one. Chinese and Japanese characters count as a word each. Digits that follow each other
are one number, however they are grouped.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from harness.model.expect import PATTERN

if TYPE_CHECKING:
    from whisper_normalizer.english import EnglishTextNormalizer

_CHARACTER = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")


@lru_cache(maxsize=1)
def _normaliser() -> EnglishTextNormalizer:
    with warnings.catch_warnings():  # its docstrings have escapes that Python warns of when it compiles them
        warnings.simplefilter("ignore")
        from whisper_normalizer.english import EnglishTextNormalizer  # a third of a second, for calls with words alone

    return EnglishTextNormalizer()


@lru_cache(maxsize=4_096)
def words_in(text: str) -> tuple[str, ...]:
    spaced = _CHARACTER.sub(r" \1 ", text)
    found: list[str] = []
    in_number = False
    for told in _normaliser()(spaced).split():
        word = "1" if told == "one" else told  # the normaliser writes this digit alone out again
        if in_number and word.isdigit():
            found[-1] += word
        elif any(letter.isalnum() for letter in word):
            found.append(word)
        in_number = word.isdigit()
    return tuple(found)


def is_said(phrase: str, text: str) -> bool:
    """`phrase`: words in their order, as they are inflected; or `re:` and a pattern for the text as it was published."""
    if phrase.startswith(PATTERN):
        return re.search(phrase[len(PATTERN) :], text, re.IGNORECASE) is not None
    return _within(words_in(phrase), words_in(text))


def _within(wanted: Sequence[str], words: Sequence[str]) -> bool:
    size = len(wanted)
    return any(tuple(words[at : at + size]) == tuple(wanted) for at in range(len(words) - size + 1))
