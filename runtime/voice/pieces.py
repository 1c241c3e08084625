"""A sentence of phonemes in pieces that the text encoder takes at once. Pure.

The encoder's time grows with the sentence, and the first sound waits for it: 8 ms for the twenty characters that a reply begins
with, 36 for twenty digits, which are five seconds of speech. What is longer than MOST_PHONEMES (what sixty letters are) is cut
after a clause, else between words, else anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from runtime.voice.espeak_phonemes import CLAUSE_ENDS

MOST_PHONEMES = 80
LEAST_PHONEMES = 20  # a cut before is no gain


def pieces(sentence: str, most: int = MOST_PHONEMES) -> Iterator[str]:
    """Joined, they are the sentence, less the spaces between them."""
    while len(sentence) > most:
        head = sentence[: most + 1]
        after_clause = max(head.rfind(f"{mark} ") for mark in CLAUSE_ENDS) + 1
        cut = after_clause if after_clause >= LEAST_PHONEMES else head.rfind(" ")
        cut = cut if cut >= LEAST_PHONEMES else most
        yield sentence[:cut].rstrip()
        sentence = sentence[cut:].lstrip()
    if sentence:
        yield sentence
