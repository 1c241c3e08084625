"""Whether a phrase is said. Texts are made alike, so that only words differ: case, punctuation, spelling, numbers, fillers.

English after the normaliser that was published with Whisper (Radford et al. 2022, appendix C), so "forty-two seventy-one",
"four two seven one" and "4271" are one; what it leaves out is in `read_out`. Chinese and Japanese characters count as a word
each. Digits that follow each other are one number, however they are grouped; words are the same written as one or apart
("email", "e-mail").
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from harness.model.expect import PATTERN
from harness.model.pattern import is_found
from harness.model.read_out import in_one_form, read_out, with_signs
from harness.model.sentences import sentences_in

if TYPE_CHECKING:
    from whisper_normalizer.english import EnglishTextNormalizer

_CHARACTER = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")
LATIN_ENDS = "\u024f"
VIETNAMESE = frozenset(map(chr, range(0x1E00, 0x1F00)))  # is Latin as well
_WITHIN_SENTENCE = re.compile(r"(?<=[:;])\s+|(?<=\boh,)\s+", re.IGNORECASE)  # where a number ends as well


@lru_cache(maxsize=1)
def _normaliser() -> EnglishTextNormalizer:
    with warnings.catch_warnings():  # its docstrings have escapes that Python warns of when it compiles them
        warnings.simplefilter("ignore")
        # a third of a second, for calls with words alone
        from whisper_normalizer.english import EnglishNumberNormalizer, EnglishTextNormalizer

    class Figures(EnglishNumberNormalizer):
        def postprocess(self, s: str) -> str:
            """It writes every 1 out again, then takes the sign beside it for none: $1 and 1% are 1, and 5.1 is 51."""
            return re.sub(r"\bone(s?)\b", r"1\1", super().postprocess(s))

    normaliser = EnglishTextNormalizer()
    normaliser.standardize_numbers = Figures()
    return normaliser


@lru_cache(maxsize=4_096)
def words_in(text: str) -> tuple[str, ...]:
    return in_one_form(_plain_words(read_out(text)))


@lru_cache(maxsize=4_096)
def _plain_words(spoken: str) -> tuple[str, ...]:
    """Of a text as it is read out."""
    found: list[str] = []
    in_number = False
    for word in _normalised(spoken):
        if in_number and word.isdigit():
            found[-1] += word
        elif any(letter.isalnum() for letter in word):
            found.append(word)
        in_number = word.isdigit()
    return tuple(with_signs(found))


def _normalised(spoken: str) -> list[str]:
    """English by its normaliser, which leaves out the marks that make other letters of letters: が is か to it, and й is и."""
    spaced = _CHARACTER.sub(r" \1 ", unicodedata.normalize("NFKC", spoken))
    found: list[str] = []
    for foreign, words in groupby(spaced.split(), key=_is_foreign):
        part = " ".join(words)
        found += _in_another_script(part) if foreign else _in_english(part)
    return found


def _is_foreign(word: str) -> bool:
    return any(letter.isalpha() and letter > LATIN_ENDS and letter not in VIETNAMESE for letter in word)


def _in_another_script(text: str) -> list[str]:
    letters = [" " if unicodedata.category(letter)[0] in "SPC" else letter for letter in text.casefold()]
    return "".join(letters).split()


def _in_english(text: str) -> list[str]:
    try:
        return _normaliser()(text).split()
    except (AssertionError, ValueError):  # a number of more digits than Python takes for one
        return _as_written(text)


def _as_written(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def is_said(phrase: str, text: str) -> bool:
    """`phrase`: words in their order, as they are inflected; or `re:` and a pattern for the text as it was published.

    A number ends with its sentence, unless the phrase goes on. A phrase of nothing but fillers ("um") is looked for as written.
    Raises PatternTooSlowError.
    """
    if phrase.startswith(PATTERN):
        return is_found(phrase[len(PATTERN) :], text)
    if not _plain_words(read_out(phrase)):
        return _within(_as_written(phrase), _as_written(text))
    wanted, said = [[phrase], _parts(phrase)], _parts(text)
    return any(
        _within([word for part in parts for word in form(part)], [word for part in said for word in form(part)])
        for form in (_as_read_out, words_in)
        for parts in wanted
    )


def _parts(text: str) -> list[str]:
    return [part for sentence in sentences_in(text) for part in _WITHIN_SENTENCE.split(sentence)]


def _as_read_out(text: str) -> tuple[str, ...]:
    return _plain_words(read_out(text))


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
