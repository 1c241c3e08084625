"""Where both sides speak, who spoke into whose words, and how long an agent talks on. Pure: spans in, spans out.

Spans are [start, end) in samples at 48 kHz, in order, of one clock. Who began is who started later: it is they who speak into
the other's words. A barge-in is the user's; the agent talks on to the end of the stretch that was interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.listen.place.onset import Sound

LEAST_MS = 100.0  # of both: less is the uncertainty of two edges found by level
PER_MS = 48


@dataclass(frozen=True)
class Both:
    """`utterance`: index of the user's span. `talked_on_ms`: only where the user began."""

    start: int
    end: int
    began: Literal["user", "agent"]
    utterance: int
    talked_on_ms: float | None
    yielded: bool


def find_overlaps(user: Sequence[Sound], agent: Sequence[Sound]) -> list[Both]:
    """In order of time."""
    found = []
    for index, said in enumerate(user):
        for sound in agent:
            start, end = max(said.start, sound.start), min(said.end, sound.end)
            if end - start < LEAST_MS * PER_MS:
                continue
            barge_in = said.start > sound.start
            found.append(
                Both(
                    start=start,
                    end=end,
                    began="user" if barge_in else "agent",
                    utterance=index,
                    talked_on_ms=(sound.end - said.start) / PER_MS if barge_in else None,
                    yielded=barge_in and sound.end < said.end,
                )
            )
    return sorted(found, key=lambda both: both.start)


def joined(sounds: Sequence[Sound], pause_ms: float) -> list[Sound]:
    """Sounds closer than that are one."""
    one: list[Sound] = []
    for sound in sounds:
        if one and sound.start - one[-1].end < pause_ms * PER_MS:
            one[-1] = Sound(one[-1].start, max(one[-1].end, sound.end))
        else:
            one.append(sound)
    return one
