"""The words that got lost between two listeners of the same speech: understood by the first, and not by the second. Pure.

A recogniser misunderstands some words of any voice, and of a robotic one many, some of them by chance. A word that it understands
in what was published, however often it hears it, and never in what arrived is the way's doing; any other says nothing of the way.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.phrases import words_in


def lost_words(said: str, published: Sequence[str], heard: Sequence[str]) -> tuple[str, ...]:
    """Words of `said` that every one of `published` has and none of `heard`, in their order.

    Several texts are what was understood of the same sound, heard again. Without `said`, words of the first of `published`.
    """
    reference = words_in(said or (published[0] if published else ""))
    understood = [found_of(reference, words_in(text)) for text in published]
    arrived = [found_of(reference, words_in(text)) for text in heard]
    return tuple(
        word
        for k, word in enumerate(reference)
        if all(found[k] for found in understood) and not any(found[k] for found in arrived)
    )


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
