"""A telephone that rings is no greeting: tones, and nothing else, before anybody has spoken.

A tone keeps its level; a voice does not for a quarter of a second. Two tones of a telephone beat 40 or 50 times a second, so
levels are taken over 50 ms. Powers are mean squares of full scale, each over 10 ms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

LOUD = 10 ** (-50 / 10)
SOUND_HOPS = 3
TONE_HOPS = 25
EDGE_HOPS = 3  # where a tone comes and goes
LEVEL_HOPS = 5
BETWEEN_HOPS = 500  # two rings: 4 s in America and Germany, less elsewhere
WITHIN_DB = 1.5  # its levels, from the lowest to the highest; after Opus a tone's lie within half of it


@dataclass
class Ringing:
    """`alone`: at least one tone has ended, and no other sound was heard."""

    alone: bool = False
    _others: bool = False
    _sound: list[float] = field(default_factory=list)
    _quiet_hops: int = 0

    @property
    def goes_on(self) -> bool:
        """It has rung, nobody has answered, and the next ring may still come."""
        return self.alone and self._quiet_hops < BETWEEN_HOPS

    def feed(self, powers: Iterable[float]) -> None:
        for power in powers:
            if power > LOUD:
                self._sound.append(power)
                self._quiet_hops = 0
                continue
            self._quiet_hops += 1
            if self._sound:
                self._ended()

    def _ended(self) -> None:
        sound, self._sound = self._sound, []
        if len(sound) >= SOUND_HOPS:
            self._others = self._others or not is_tone(sound)
            self.alone = not self._others


def is_tone(sound: list[float]) -> bool:
    if len(sound) < TONE_HOPS:
        return False
    inner = sound[EDGE_HOPS:-EDGE_HOPS]
    powers = [sum(inner[at : at + LEVEL_HOPS]) for at in range(0, len(inner) - LEVEL_HOPS + 1, LEVEL_HOPS)]
    return 10 * math.log10(max(powers) / min(powers)) < WITHIN_DB
