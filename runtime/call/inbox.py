"""Data from the room: events that fit the schema, at no more than a well-meaning sender's rate.

Each sender has its own limit, so that one sender's flood costs no other its events. The log names the first refusals one by
one and counts a flood: a sender chooses neither the log's length nor its wording. Pure; seconds of the caller's clock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from harness.model.events import Event, EventError, parse_event

log = logging.getLogger(__name__)

EVENTS_PER_S = 50.0  # a probe sends about five an attempt
BURST = 200.0
SENDERS = 50  # in one room at a time
LINES = 5  # refusals logged one by one in each period
PERIOD_S = 10.0
REASON_CHARS = 200
SENDER_CHARS = 60


def _one_line(text: str, limit: int) -> str:
    """Printable, on one line: a sender must not write lines of our log."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[: limit + 1])[:limit]


@dataclass
class Inbox:
    """One room's inbox. `take` gives an event or None; `rejected` counts refusals."""

    room: str
    rejected: int = 0
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)  # sender → (events left, when)
    _period_s: float | None = None
    _in_period: int = field(default=0)

    def take(self, payload: bytes, sender: str, now_s: float) -> Event | None:
        """None: no event, or part of a flood."""
        if not self._may_send(sender, now_s):
            self._refuse(sender, "too many events", now_s)
            return None
        try:
            return parse_event(payload)
        except EventError as error:
            self._refuse(sender, str(error), now_s)
            return None

    def _may_send(self, sender: str, now_s: float) -> bool:
        if sender not in self._left and len(self._left) >= SENDERS:
            self._forget_the_quiet(now_s)
            if len(self._left) >= SENDERS:
                return False
        left, then_s = self._left.get(sender, (BURST, now_s))
        left = min(BURST, left + (now_s - then_s) * EVENTS_PER_S)
        may = left >= 1.0
        self._left[sender] = (left - 1.0 if may else left, now_s)
        return may

    def _forget_the_quiet(self, now_s: float) -> None:
        quiet = [who for who, (_, then_s) in self._left.items() if (now_s - then_s) * EVENTS_PER_S >= BURST]
        for who in quiet:
            del self._left[who]

    def _refuse(self, sender: str, reason: str, now_s: float) -> None:
        self.rejected += 1
        if self._period_s is None or now_s - self._period_s >= PERIOD_S:
            if self._in_period > LINES:
                log.warning("room %s: %d more events were rejected", self.room, self._in_period - LINES)
            self._period_s, self._in_period = now_s, 0
        self._in_period += 1
        if self._in_period <= LINES:
            who, why = _one_line(sender, SENDER_CHARS), _one_line(reason, REASON_CHARS)
            log.warning("room %s: an event of %s was rejected: %s", self.room, who or "nobody", why)
