"""Which words belong to which turn of the user: those that came after the turn began, and before the next one did.

Words come to the second listener on the host's clock; turns stand on the same clock through its recordings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.model.transcript import Speaker, Words


@dataclass(frozen=True)
class TurnWords:
    """`understood`: the user, as the agent published it; `said`: what the agent published of its own speech."""

    understood: str = ""
    said: str = ""
    understood_final: bool = True


def words_by_turn(words: Iterable[Words], starts_ms: Sequence[float]) -> list[TurnWords]:
    """One entry a turn, and one before them for what was said ahead of the first. `starts_ms`: the turns' starts, rising."""
    parts: list[dict[Speaker, list[Words]]] = [{} for _ in range(len(starts_ms) + 1)]
    for one in words:
        turn = sum(start <= one.t_first_mono_ms for start in starts_ms)
        parts[turn].setdefault(one.speaker, []).append(one)
    return [
        TurnWords(
            understood=_text(part.get("user", [])),
            said=_text(part.get("agent", [])),
            understood_final=all(one.final for one in part.get("user", [])),
        )
        for part in parts
    ]


def _text(words: Sequence[Words]) -> str:
    return " ".join(one.text for one in words)
