"""What engines leave with the turn they work for: which of them fell back, and in which voice the reply is spoken.

Kept in a context variable, so that an engine shared by all rooms knows whose turn it is without being told at each call; the
tasks that a turn starts inherit it.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass
class TurnScope:
    """`degraded`: one line for everything that was not done as configured; a turn with any is DEGRADED.

    `slow`: what the slow lane told of the utterance, {"skipped": why} if it could not; None if there is none, or not yet.
    """

    degraded: list[str] = field(default_factory=list)
    slow: dict[str, Any] | None = None
    states: dict[int, Any] = field(default_factory=dict)  # of an engine in this turn, by the engine's id

    def note(self, what: str) -> None:
        if what not in self.degraded:
            self.degraded.append(what)


_SCOPE: ContextVar[TurnScope | None] = ContextVar("earwitness_turn_scope", default=None)


def begin_turn() -> TurnScope:
    """At the start of a turn's task; what it starts from here on belongs to this turn."""
    scope = TurnScope()
    _SCOPE.set(scope)
    return scope


def current_turn() -> TurnScope:
    """The scope of the turn that is running; outside of any, one of its own that nobody reads."""
    return _SCOPE.get() or TurnScope()
