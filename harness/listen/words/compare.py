"""Two texts compared by their words: laid along each other, and the word error rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.model.phrases import words_in

MOST_PARTS = 4  # of one word that is written apart


@dataclass(frozen=True)
class WordErrors:
    """`rate`: (substituted + dropped + added) / words of the reference; above 1 where more was added than said.

    `wrong`: each error in words, as in "nine → iron".
    """

    rate: float
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Beside:
    """[first, last) of the reference beside `words` of the other text; `errors`: 0 where they are the same."""

    first: int
    last: int
    words: tuple[str, ...]
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
        f"{' '.join(reference[part.first : part.last]) or 'nothing'} → {' '.join(part.words) or 'nothing'}"
        for part in differing
    ]
    return WordErrors(sum(part.errors for part in differing) / len(reference), tuple(wrong))


def laid_along(reference: Sequence[str], words: Sequence[str]) -> list[Beside]:
    """Both laid along each other (Levenshtein by words, as for the WER), in order; neither may be empty.

    Words that are written as one in one text and apart in the other ("light house") are the same.
    """
    import jiwer

    words = parted_as(reference, words)
    found: list[Beside] = []
    for c in jiwer.process_words(" ".join(reference), " ".join(words)).alignments[0]:
        there = tuple(words[c.hyp_start_idx : c.hyp_end_idx])
        part = Beside(c.ref_start_idx, c.ref_end_idx, there, 0)
        if c.type != "equal":
            part = replace(part, errors=max(part.last - part.first, len(there)))
            if found and found[-1].errors:
                before = found.pop()
                part = Beside(before.first, part.last, before.words + there, before.errors + part.errors)
        found.append(part)
    return [_same_if_joined(part, reference) for part in found]


def parted_as(reference: Sequence[str], words: Sequence[str]) -> list[str]:
    """`words`, written as one or apart as they are in the reference: else an error beside such a word would count its parts."""
    runs_there = _runs(reference)
    one, there = set(reference), set(runs_there)
    apart = {"".join(run): run for run in runs_there}
    found: list[str] = []
    at = 0
    while at < len(words):
        runs = [tuple(words[at : at + n]) for n in range(MOST_PARTS, 1, -1) if at + n <= len(words)]
        run = next((run for run in runs if "".join(run) in one and run not in there), None)
        if run is not None:
            found.append("".join(run))
        elif words[at] in apart and words[at] not in one:
            found += apart[words[at]]
        else:
            found.append(words[at])
        at += len(run) if run is not None else 1
    return found


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + n]) for n in range(2, MOST_PARTS + 1) for at in range(len(words) - n + 1)]


def _same_if_joined(part: Beside, reference: Sequence[str]) -> Beside:
    same = "".join(reference[part.first : part.last]) == "".join(part.words)
    return replace(part, errors=0) if same else part
