"""Who is who in the room, beside the user: the agent, a second agent, others. Pure bookkeeping.

The agent is the participant that speaks; until somebody does, it is, in this order, the one that was invited, that has an
audio track, that LiveKit calls an agent. A participant that publishes for another (an avatar's worker) counts as that other.
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


@dataclass
class Roster:
    """All participants but the user and the probes. `named`: the agent's identity, if it was given."""

    named: str | None = None
    invited: str | None = None
    seats: dict[str, Seat] = field(default_factory=dict)

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

    def published(self, identity: str) -> None:
        self.seats.setdefault(identity, Seat(identity, order=len(self.seats))).has_audio = True

    def sounded(self, identity: str, ms: float) -> None:
        """It was louder than VOICE_DBFS for `ms` more."""
        self.seats.setdefault(identity, Seat(identity, order=len(self.seats))).voiced_ms += ms

    @property
    def speakers(self) -> list[str]:
        """Who spoke, in the order of joining; whoever speaks for another counts as that other."""
        voiced = [s for s in sorted(self.seats.values(), key=lambda s: s.order) if s.voiced_ms >= VOICE_MS]
        return list(dict.fromkeys(s.on_behalf_of or s.identity for s in voiced))

    @property
    def agent(self) -> str | None:
        """The identity of the agent, as far as it is known yet."""
        if self.named is not None:
            return self.named
        if self.speakers:
            return self.speakers[0]
        if self.invited is not None:
            return self.invited
        seats = sorted(self.seats.values(), key=lambda s: (not s.has_audio, not s.is_agent_kind, s.order))
        return (seats[0].on_behalf_of or seats[0].identity) if seats else None

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
        return self.speakers[1] if self.named is None and len(self.speakers) > 1 else None
