"""The words that got lost between two listeners of the same speech: understood by the first, and not by the second. Pure.

A recogniser misunderstands some words of any voice, and of a robotic one many, some of them by chance. A word that it understands
in what was published, however often it hears it, and never in what arrived is the way's doing; any other says nothing of the way.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.listen.words.compare import laid_along
from harness.model.phrases import words_in


def lost_words(said: str, published: Sequence[str], heard: Sequence[str]) -> tuple[str, ...]:
    """Words of `said` that every one of `published` has and none of `heard`, in their order.

    Several texts are what was understood of the same sound, heard again. Where `said` has no
    word, words of the first of `published`.
    """
    reference = words_in(said) or words_in(published[0] if published else "")
    understood = [found_of(reference, words_in(text)) for text in published]
    arrived = [found_of(reference, words_in(text)) for text in heard]
    return tuple(
        word
        for k, word in enumerate(reference)
        if all(found[k] for found in understood) and not any(found[k] for found in arrived)
    )


def found_of(reference: Sequence[str], words: Sequence[str]) -> list[bool]:
    """Which words of `reference` stand in `words`."""
    found = [False] * len(reference)
    if reference and words:
        for part in laid_along(reference, words):
            found[part.first : part.last] = [not part.errors] * (part.last - part.first)
    return found
