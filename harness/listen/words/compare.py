"""Two texts compared by their words: the word error rate."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.phrases import words_in


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
