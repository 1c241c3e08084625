"""Two texts compared by their words: the word error rate, and whether a phrase is said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.listen.words.normal import words_in
from harness.model.expect import PATTERN


@dataclass(frozen=True)
class WordErrors:
    """`rate`: (substituted + dropped + added) / words of the reference; above 1 where more was added than said.

    `wrong`: each error in words, as in "nine → iron".
    """

    rate: float
    wrong: tuple[str, ...]


def word_errors(said: str, understood: str) -> WordErrors | None:
    """None where nothing that counts as a word was said."""
    import jiwer

    reference, found = words_in(said), words_in(understood)
    if not reference:
        return None
    if not found:
        return WordErrors(1.0, tuple(f"{word} → nothing" for word in reference))
    aligned = jiwer.process_words(" ".join(reference), " ".join(found))
    wrong = [
        f"{' '.join(reference[c.ref_start_idx : c.ref_end_idx]) or 'nothing'} → "
        f"{' '.join(found[c.hyp_start_idx : c.hyp_end_idx]) or 'nothing'}"
        for c in aligned.alignments[0]
        if c.type != "equal"
    ]
    return WordErrors(float(aligned.wer), tuple(wrong))


def is_said(phrase: str, text: str) -> bool:
    """`phrase`: words in their order, as they are inflected; or `re:` and a pattern for the text as it was published."""
    if phrase.startswith(PATTERN):
        return re.search(phrase[len(PATTERN) :], text, re.IGNORECASE) is not None
    return _within(words_in(phrase), words_in(text))


def _within(wanted: Sequence[str], words: Sequence[str]) -> bool:
    size = len(wanted)
    return any(tuple(words[at : at + size]) == tuple(wanted) for at in range(len(words) - size + 1))
