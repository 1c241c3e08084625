"""What comes from the room as data: events that fit the schema, not more of them than anybody sends who means well.

What is refused is logged, the first ones each, a flood as a number: neither its length nor its wording is the sender's to
choose. Pure; seconds of the caller's clock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from harness.model.events import Event, EventError, parse_event

log = logging.getLogger(__name__)

EVENTS_PER_S = 50.0  # a probe sends about five an attempt
BURST = 200.0
LINES = 5  # refusals that are logged one by one in each period
PERIOD_S = 10.0
REASON_CHARS = 200
SENDER_CHARS = 60


def _one_line(text: str, limit: int) -> str:
    """Printable, on one line: a sender must not be able to write lines of our log."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[: limit + 1])[:limit]


@dataclass
class Inbox:
    """One room's. `take` gives an event or None; `rejected` counts what was refused."""

    room: str
    rejected: int = 0
    _left: float = BURST
    _then_s: float | None = None
    _period_s: float | None = None
    _in_period: int = field(default=0)

    def take(self, payload: bytes, sender: str, now_s: float) -> Event | None:
        """None: not an event, or one of a flood."""
        if not self._has_room(now_s):
            self._refuse(sender, "too many events", now_s)
            return None
        try:
            return parse_event(payload)
        except EventError as error:
            self._refuse(sender, str(error), now_s)
            return None

    def _has_room(self, now_s: float) -> bool:
        passed_s = 0.0 if self._then_s is None else now_s - self._then_s
        self._left, self._then_s = min(BURST, self._left + passed_s * EVENTS_PER_S), now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

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
