"""Texts made alike, so that only words differ: case, punctuation, spelling, contractions, numbers, fillers.

English after the normaliser that was published with Whisper (Radford et al. 2022, appendix C), so "forty-two seventy-one",
"four two seven one" and "4271" are one. Chinese and Japanese characters count as a word each. Digits that follow each other
are one number, however they are grouped.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

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
