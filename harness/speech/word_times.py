"""When each written word sounds: from phonemes with their times to the words of a text. Pure.

Speech runs words together ("of the" is one group of phonemes) and writes numbers out, so groups cannot be counted off against
words. Each word's own phonemes, spoken alone, are laid along those of the whole text (longest matching blocks); a phoneme that
matches none goes with the one before it in its group, a group that matches none with the word left over at its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.voice.piper import Sounded


@dataclass(frozen=True)
class Word:
    text: str
    start: int
    end: int


MARKS = ".,:;?!"


def times_of_words(tokens: Sequence[tuple[str, str]], sounded: Sequence[Sounded]) -> tuple[Word, ...]:
    """`tokens`: each written word with its phonemes alone. A word of which nothing is found is left out."""
    alone = [
        (phoneme, n) for n, (_, phonemes) in enumerate(tokens) for phoneme in phonemes if phoneme not in MARKS + " "
    ]
    heard = [(n, one) for n, one in enumerate(sounded) if one.phoneme not in MARKS + " "]
    matcher = SequenceMatcher(None, [p for p, _ in alone], [one.phoneme for _, one in heard], autojunk=False)
    owner: dict[int, int] = {}
    for block in matcher.get_matching_blocks():
        owner |= {heard[block.b + k][0]: alone[block.a + k][1] for k in range(block.size)}
    spans: dict[int, tuple[int, int]] = {}
    for group, word in _owners(_groups(sounded), owner, len(tokens)):
        current = word
        for n in group:
            current = owner.get(n, current)
            start, end = spans.get(current, (sounded[n].start, 0))
            spans[current] = (min(start, sounded[n].start), max(end, sounded[n].end))
    return tuple(Word(tokens[n][0], *spans[n]) for n in sorted(spans))


def _owners(groups: list[list[int]], owner: dict[int, int], n_words: int) -> list[tuple[list[int], int]]:
    """Each group with the word that it begins with. Groups without a match ("a" alone is another sound) take the words that are
    left over between their neighbours' if there are as many, and are dropped otherwise.
    """
    found: list[tuple[list[int], int]] = []
    unknown: list[list[int]] = []
    last = -1
    for group in [*groups, []]:
        known = [owner[n] for n in group if n in owner]
        if group and not known:
            unknown.append(group)
            continue
        upto = known[0] if known else n_words
        if len(unknown) == upto - last - 1:
            found += zip(unknown, range(last + 1, upto), strict=True)
        unknown = []
        if known:
            found.append((group, known[0]))
            last = known[-1]
    return found


def _groups(sounded: Sequence[Sounded]) -> list[list[int]]:
    """Indices of phonemes between spaces, marks left out."""
    groups: list[list[int]] = [[]]
    for n, one in enumerate(sounded):
        if one.phoneme == " ":
            groups.append([])
        elif one.phoneme not in MARKS:
            groups[-1].append(n)
    return [group for group in groups if group]
