"""A circuit breaker: an engine that failed rests, then one request tries it again (R-96). Pure but for its clock.

A CLOSED breaker lets everything through; after `failures_to_open` failures in a row it is OPEN and lets nothing through for
`rest_s`; then it lets one request at a time through (HALF_OPEN): success closes the breaker, failure opens it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass
class CircuitBreaker:
    rest_s: float = 30.0
    failures_to_open: int = 1
    now_s: Callable[[], float] = time.monotonic
    state: BreakerState = BreakerState.CLOSED
    why: str = ""  # why it is open
    _in_a_row: int = 0
    _until_s: float = 0.0

    def allows(self) -> bool:
        """Whether a request may be sent now; if so, the caller then reports `succeeded`, `failed` or `given_up`."""
        if self.state is BreakerState.OPEN and self.now_s() >= self._until_s:
            self.state = BreakerState.HALF_OPEN
            return True
        return self.state is BreakerState.CLOSED

    def succeeded(self) -> None:
        self.state, self._in_a_row, self.why = BreakerState.CLOSED, 0, ""

    def failed(self, why: str) -> None:
        self._in_a_row += 1
        if self.state is BreakerState.HALF_OPEN or self._in_a_row >= self.failures_to_open:
            self.open(why)

    def given_up(self) -> None:
        """The request was cancelled without a result: the next one may try."""
        if self.state is BreakerState.HALF_OPEN:
            self.state, self._until_s = BreakerState.OPEN, self.now_s()

    def open(self, why: str) -> None:
        self.state, self.why, self._in_a_row = BreakerState.OPEN, why, 0
        self._until_s = self.now_s() + self.rest_s
