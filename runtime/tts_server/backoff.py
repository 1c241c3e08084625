"""How long to wait before a dead process is started again. Pure.

The wait grows exponentially from `first_s` to `most_s`; a life of at least `stable_s` resets it. No jitter: one
supervisor with one worker is no herd.
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
