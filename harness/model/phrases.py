"""Whether a phrase is said. Texts are made alike, so that only words differ: case, punctuation, spelling, numbers, fillers.

English after the normaliser that was published with Whisper (Radford et al. 2022, appendix C), so "forty-two seventy-one",
"four two seven one" and "4271" are one. Chinese and Japanese characters count as a word each. Digits that follow each other
are one number, however they are grouped; words are the same written as one or apart ("email", "e-mail").
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
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?:;…])\s+|(?<=[。！？；])")
#: What the normaliser takes for something else in a text that is spoken, and what it is there.
_AS_SPOKEN = (
    (re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]"), ""),  # signs that nobody sees, which would part a word
    (re.compile("[\u2018\u2019\u02bc\uff07]"), "'"),  # it knows contractions by the straight apostrophe alone
    (re.compile(r"\bo'clock\b", re.IGNORECASE), "oclock"),  # else an "o" that is a zero: ten o'clock is 100
    (re.compile(r"(?<![\w)])[-\u2212](?=\d)"), "minus "),  # else no sign at all
    (re.compile(r"[()]"), " "),  # else all between them is left out, the area code of a telephone number too
    (re.compile(r"(?<![\d.,])0\d+(?![\d.]*\.\d)"), lambda zeros: " ".join(zeros[0])),  # else 7:05 is 75
)


@lru_cache(maxsize=1)
def _normaliser() -> EnglishTextNormalizer:
    with warnings.catch_warnings():  # its docstrings have escapes that Python warns of when it compiles them
        warnings.simplefilter("ignore")
        from whisper_normalizer.english import EnglishTextNormalizer  # a third of a second, for calls with words alone

    return EnglishTextNormalizer()


@lru_cache(maxsize=4_096)
def words_in(text: str) -> tuple[str, ...]:
    found: list[str] = []
    in_number = False
    for told in _normalised(text):
        word = "1" if told == "one" else told  # the normaliser writes this digit alone out again
        if in_number and word.isdigit():
            found[-1] += word
        elif any(letter.isalnum() for letter in word):
            found.append(word)
        in_number = word.isdigit()
    return tuple(found)


def _normalised(text: str) -> Sequence[str]:
    spaced = _CHARACTER.sub(r" \1 ", text)
    for pattern, spoken in _AS_SPOKEN:
        spaced = pattern.sub(spoken, spaced)
    try:
        return _normaliser()(spaced).split()
    except (AssertionError, ValueError):  # a number of more digits than Python takes for one
        return _as_written(text)


def _as_written(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def is_said(phrase: str, text: str) -> bool:
    """`phrase`: words in their order, as they are inflected; or `re:` and a pattern for the text as it was published.

    A number ends with its sentence, unless the phrase goes on. A phrase of nothing but fillers ("um") is looked for as written.
    """
    if phrase.startswith(PATTERN):
        return re.search(phrase[len(PATTERN) :], text, re.IGNORECASE) is not None
    wanted = words_in(phrase)
    if not wanted:
        return _within(_as_written(phrase), _as_written(text))
    return _within(wanted, [word for part in _BETWEEN_SENTENCES.split(text) for word in words_in(part)])


def _within(wanted: Sequence[str], words: Sequence[str]) -> bool:
    """Whether words that follow each other come to those wanted, written as one or apart."""
    letters = "".join(wanted)
    return bool(letters) and any(_begins_with(letters, words, at) for at in range(len(words)))


def _begins_with(letters: str, words: Sequence[str], at: int) -> bool:
    for word in words[at : at + len(letters)]:
        if not letters.startswith(word):
            return False
        letters = letters[len(word) :]
        if not letters:
            return True
    return False
