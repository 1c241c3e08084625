"""Two texts compared by their words: laid along each other, and the word error rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.phrases import words_in


@dataclass(frozen=True)
class WordErrors:
    """`rate`: (substituted + dropped + added) / words of the reference; above 1 where more was added than said.

    `wrong`: each error in words, as in "nine → iron".
    """

    rate: float
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Beside:
    """[first, last) of the reference beside [start, end) of the other words; `errors`: 0 where they are the same."""

    first: int
    last: int
    start: int
    end: int
    errors: int


def word_errors(said: str, understood: str) -> WordErrors | None:
    """None where nothing that counts as a word was said."""
    reference, found = words_in(said), words_in(understood)
    if not reference:
        return None
    if not found:
        return WordErrors(1.0, tuple(f"{word} → nothing" for word in reference))
    differing = [part for part in laid_along(reference, found) if part.errors]
    wrong = [
        f"{' '.join(reference[part.first : part.last]) or 'nothing'} → "
        f"{' '.join(found[part.start : part.end]) or 'nothing'}"
        for part in differing
    ]
    return WordErrors(sum(part.errors for part in differing) / len(reference), tuple(wrong))


def laid_along(reference: Sequence[str], words: Sequence[str]) -> list[Beside]:
    """Both laid along each other (Levenshtein by words, as for the WER), in order; neither may be empty.

    Words that are written as one in one text and apart in the other ("light house") are the same.
    """
    import jiwer

    found: list[Beside] = []
    for c in jiwer.process_words(" ".join(reference), " ".join(words)).alignments[0]:
        part = Beside(c.ref_start_idx, c.ref_end_idx, c.hyp_start_idx, c.hyp_end_idx, 0)
        if c.type != "equal":
            part = _differing(part)
            if found and found[-1].errors:
                before = found.pop()
                part = Beside(before.first, part.last, before.start, part.end, before.errors + part.errors)
        found.append(part)
    return [_same_if_joined(part, reference, words) for part in found]


def _differing(part: Beside) -> Beside:
    errors = max(part.last - part.first, part.end - part.start)
    return Beside(part.first, part.last, part.start, part.end, errors)


def _same_if_joined(part: Beside, reference: Sequence[str], words: Sequence[str]) -> Beside:
    same = "".join(reference[part.first : part.last]) == "".join(words[part.start : part.end])
    return Beside(part.first, part.last, part.start, part.end, 0) if same else part
