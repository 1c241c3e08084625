"""The words that got lost between two listeners of the same speech: understood by the first, and not by the second. Pure.

A recogniser misunderstands some words of any voice, and of a robotic one many. A word that it understood in what was published
and does not find in what arrived is the way's doing; one that it misunderstands in both says nothing of the way.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.listen.words.normal import words_in


def lost_words(said: str, published: str, heard: str) -> tuple[str, ...]:
    """Words of `said` that `published` has and `heard` lacks, in their order. Without `said`, of `published`."""
    reference = words_in(said or published)
    understood = found_of(reference, words_in(published))
    arrived = found_of(reference, words_in(heard))
    return tuple(word for word, was, still in zip(reference, understood, arrived, strict=True) if was and not still)


def found_of(reference: Sequence[str], words: Sequence[str]) -> list[bool]:
    """Which words of `reference` stand in `words`, both laid along each other (Levenshtein by words, as for the WER).

    Words that are written as one in one text and apart in the other ("light house") are the same.
    """
    import jiwer

    if not reference or not words:
        return [False] * len(reference)
    found = [False] * len(reference)
    aligned = jiwer.process_words(" ".join(reference), " ".join(words))
    for chunk in _joined(aligned.alignments[0]):
        (first, last), (start, end), equal = chunk
        if equal or "".join(reference[first:last]) == "".join(words[start:end]):
            found[first:last] = [True] * (last - first)
    return found


Chunk = tuple[tuple[int, int], tuple[int, int], bool]


def _joined(chunks: Sequence) -> list[Chunk]:
    """The alignment's chunks as (of the reference, of the words, equal), those that differ joined where they meet."""
    joined: list[Chunk] = []
    for c in chunks:
        ours, theirs, equal = (c.ref_start_idx, c.ref_end_idx), (c.hyp_start_idx, c.hyp_end_idx), c.type == "equal"
        if joined and not equal and not joined[-1][2]:
            before = joined[-1]
            joined[-1] = ((before[0][0], ours[1]), (before[1][0], theirs[1]), False)
        else:
            joined.append((ours, theirs, equal))
    return joined
