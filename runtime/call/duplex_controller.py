"""The conversation's state: LISTENING, THINKING, SPEAKING, INTERRUPTING, from one table of legal transitions. Pure.

INTERRUPTING is silence in mid-reply: while the barge-in is undecided (HELD; FALSE_ALARM resumes speaking), and while the
cascade is cancelled.

The listener gets each transition with its cause and time; a transition that is not in the table is a program error and
resets to LISTENING (R-14).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    LISTENING = "LISTENING"
    THINKING = "THINKING"
    SPEAKING = "SPEAKING"
    INTERRUPTING = "INTERRUPTING"


class Cause(StrEnum):
    END_OF_TURN = "end_of_turn"
    FIRST_PUBLISH = "first_publish"
    REPLY_PLAYED = "reply_played"
    NO_REPLY = "no_reply"  # nothing to say, or an engine failed
    USER_RESUMED = "user_resumed"  # the user went on before the reply began
    HELD = "possible_barge_in"  # the reply is held, not yet given up
    FALSE_ALARM = "false_alarm"  # a backchannel after all: the reply goes on
    BARGE_IN = "barge_in"
    BUTTON = "user_button"  # the person stopped it by hand
    CASCADE_CANCELLED = "cascade_cancelled"
    LEAVING = "leaving"


TRANSITIONS: dict[tuple[State, Cause], State] = {
    (State.LISTENING, Cause.END_OF_TURN): State.THINKING,
    (State.THINKING, Cause.FIRST_PUBLISH): State.SPEAKING,
    (State.THINKING, Cause.NO_REPLY): State.LISTENING,
    (State.THINKING, Cause.USER_RESUMED): State.LISTENING,
    (State.THINKING, Cause.BUTTON): State.LISTENING,
    (State.THINKING, Cause.LEAVING): State.LISTENING,
    (State.SPEAKING, Cause.REPLY_PLAYED): State.LISTENING,
    (State.SPEAKING, Cause.NO_REPLY): State.LISTENING,
    (State.SPEAKING, Cause.HELD): State.INTERRUPTING,
    (State.SPEAKING, Cause.BARGE_IN): State.INTERRUPTING,
    (State.SPEAKING, Cause.BUTTON): State.INTERRUPTING,
    (State.SPEAKING, Cause.LEAVING): State.INTERRUPTING,
    (State.INTERRUPTING, Cause.FALSE_ALARM): State.SPEAKING,
    (State.INTERRUPTING, Cause.BARGE_IN): State.INTERRUPTING,
    (State.INTERRUPTING, Cause.BUTTON): State.INTERRUPTING,
    (State.INTERRUPTING, Cause.LEAVING): State.INTERRUPTING,
    (State.INTERRUPTING, Cause.NO_REPLY): State.LISTENING,
    (State.INTERRUPTING, Cause.CASCADE_CANCELLED): State.LISTENING,
}


class IllegalTransitionError(Exception):
    """A cause that is illegal in the present state."""


@dataclass
class DuplexController:
    """`now_ms` reads the clock; `on_transition(t_ms, state, cause)` gets every transition."""

    now_ms: Callable[[], float]
    on_transition: Callable[[float, State, Cause], None]
    state: State = State.LISTENING
    history: list[tuple[float, str, str]] = field(default_factory=list)

    def knows(self, cause: Cause) -> bool:
        return (self.state, cause) in TRANSITIONS

    def go(self, cause: Cause) -> State:
        """Raises IllegalTransitionError, after the reset."""
        key = (self.state, cause)
        legal = key in TRANSITIONS
        self.state = TRANSITIONS[key] if legal else State.LISTENING
        t_ms = self.now_ms()
        self.history.append((t_ms, self.state.value, cause.value))
        self.on_transition(t_ms, self.state, cause)
        if not legal:
            raise IllegalTransitionError(f"{cause} in state {key[0]}")
        return self.state
