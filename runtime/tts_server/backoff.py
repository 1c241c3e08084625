"""How long to wait before a process that died is started again. Pure.

Exponential from `first_s`, at most `most_s`; a life of at least `stable_s` wipes what was before. No jitter: one supervisor
has one worker, there is no herd.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Backoff:
    first_s: float = 0.1
    factor: float = 2.0
    most_s: float = 10.0
    stable_s: float = 20.0
    _next_s: float | None = None

    def after(self, lived_s: float) -> float:
        """Seconds to wait after a life of `lived_s`."""
        wait_s = self.first_s if self._next_s is None or lived_s >= self.stable_s else self._next_s
        self._next_s = min(self.most_s, wait_s * self.factor)
        return wait_s
