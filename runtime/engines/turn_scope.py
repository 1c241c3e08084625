"""What engines record with their turn: which of them fell back, and which voice speaks the reply.

A context variable keeps the scope, so that an engine shared by all rooms finds its turn without a parameter; the tasks that a
turn starts inherit it.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass
class TurnScope:
    """`degraded`: one line for everything that was not done as configured; a turn with any is DEGRADED.

    `slow`: the slow lane's record of the utterance, or {"skipped": why}; None without a slow lane, or before it ran.
    """

    degraded: list[str] = field(default_factory=list)
    slow: dict[str, Any] | None = None
    states: dict[int, Any] = field(default_factory=dict)  # engine's id → its state in this turn

    def note(self, what: str) -> None:
        if what not in self.degraded:
            self.degraded.append(what)


_SCOPE: ContextVar[TurnScope | None] = ContextVar("earwitness_turn_scope", default=None)


def begin_turn() -> TurnScope:
    """Begin a scope at the start of a turn's task; tasks it starts from now on share it."""
    scope = TurnScope()
    _SCOPE.set(scope)
    return scope


def current_turn() -> TurnScope:
    """The running turn's scope; outside of any turn, a fresh scope that nobody reads."""
    return _SCOPE.get() or TurnScope()
