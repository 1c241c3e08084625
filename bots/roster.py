"""Who is who in the room, beside the user: the agent, a second agent, others. Pure bookkeeping.

The agent is the participant that speaks; until somebody does, it is, in this order, the one that was invited, that has an
audio track, that LiveKit calls an agent. A participant that publishes for another (an avatar's worker) counts as that other.
One that speaks when the agent has left takes its place: a job that goes to another worker, a receptionist who hands over. Until
it speaks that is whoever came after the agent had left, or is an agent by LiveKit's word. Who spoke beside the agent takes its
place when the agent leaves: it was handed over to.
Times are ms, levels dBFS of 20 ms frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field

VOICE_DBFS = -40.0  # music behind a voice lies below it, a voice above
VOICE_MS = 300.0  # this long in all: a click is no speaker
AGENT_STATE = "lk.agent.state"
ON_BEHALF = "lk.publish_on_behalf"


@dataclass
class Seat:
    """One participant, as long as the call lasts. `present`: it is in the room now."""

    identity: str
    is_agent_kind: bool = False
    on_behalf_of: str = ""
    present: bool = True
    has_audio: bool = False
    voiced_ms: float = 0.0
    order: int = 0
    left_at: int = 0  # how many seats there were when it left last


@dataclass
class Roster:
    """All participants but the user and the probes. `named`: the agent's identity, if it was given."""

    named: str | None = None
    invited: str | None = None
    seats: dict[str, Seat] = field(default_factory=dict)
    _speaker: str | None = None
    _second: str | None = None

    def came(self, identity: str, *, is_agent_kind: bool = False, on_behalf_of: str = "") -> Seat:
        seat = self.seats.get(identity)
        if seat is None:
            seat = self.seats[identity] = Seat(identity, order=len(self.seats))
        seat.is_agent_kind, seat.on_behalf_of, seat.present = is_agent_kind, on_behalf_of, True
        return seat

    def left(self, identity: str) -> None:
        seat = self.seats.get(identity)
        if seat is not None:
            seat.present = False
            seat.left_at = len(self.seats)
        if self._second is not None and self._there(self._second) and not self._there(self._speaker or ""):
            self._speaker, self._second = self._second, None

    def published(self, identity: str) -> None:
        self.seats.setdefault(identity, Seat(identity, order=len(self.seats))).has_audio = True

    def sounded(self, identity: str, ms: float) -> None:
        """It was louder than VOICE_DBFS for `ms` more."""
        seat = self.seats.setdefault(identity, Seat(identity, order=len(self.seats)))
        seat.voiced_ms += ms
        if seat.voiced_ms < VOICE_MS:
            return
        who = seat.on_behalf_of or identity
        if self._speaker is None:
            self._speaker = who
        elif who != self._speaker and self._there(who):  # what was on its way when it left takes nobody's place
            if self._there(self._speaker):
                self._second = self._second or who
            else:
                self._speaker = who

    @property
    def speakers(self) -> list[str]:
        """Who speaks: the agent, and a second one that spoke in its presence. Whoever speaks for another counts as that one."""
        return [who for who in (self._speaker, self._second) if who is not None]

    @property
    def agent(self) -> str | None:
        """The identity of the agent, as far as it is known yet."""
        if self.named is not None:
            return self.named
        first = self._speaker or self.invited
        if first is not None:
            return self._successor(first) or first
        seats = sorted(self.seats.values(), key=lambda s: (not s.has_audio, not s.is_agent_kind, s.order))
        return (seats[0].on_behalf_of or seats[0].identity) if seats else None

    def _there(self, who: str) -> bool:
        return any(seat.present and who in (seat.identity, seat.on_behalf_of) for seat in self.seats.values())

    def _successor(self, who: str) -> str | None:
        """Who may take the place of `who`, which has left, before it has spoken."""
        own = [seat for seat in self.seats.values() if who in (seat.identity, seat.on_behalf_of)]
        if not own or self._there(who):
            return None
        left_at = max(seat.left_at for seat in own)
        here = [seat for seat in self.seats.values() if seat.present]
        new = [s for s in here if s.order >= left_at and (s.has_audio or s.is_agent_kind)]
        waiting = [s for s in here if s.has_audio and s.is_agent_kind]
        found = next(iter(new + waiting), None)
        return None if found is None else found.on_behalf_of or found.identity

    def is_agent(self, identity: str) -> bool:
        seat = self.seats.get(identity)
        return identity == self.agent or (seat is not None and bool(self.agent) and seat.on_behalf_of == self.agent)

    def heard_as_agent(self, identity: str) -> bool:
        """Whether what this participant publishes belongs to what the user hears as the agent."""
        if self.named is None:
            return True
        seat = self.seats.get(identity)
        return identity == self.named or (seat is not None and seat.on_behalf_of == self.named)

    @property
    def agent_present(self) -> bool:
        return any(seat.present and self.is_agent(seat.identity) for seat in self.seats.values())

    @property
    def second_agent(self) -> str | None:
        """Who spoke beside the agent, if no identity is named."""
        return self._second if self.named is None else None
