"""The ways for media in the signalling: the server's candidates are turned to the relay, all others left out.

Pure: SDP lines and the candidates of trickle ICE, as text (RFC 8839; TCP: RFC 6544). `Doors` gives the relay's port for
an address of the server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from harness.link.sockets import Address

RELAY_HOST = "127.0.0.1"
SDP_LINE = "a=candidate:"
Transport = Literal["udp", "tcp", "tcp_from_udp"]
Doors = dict[tuple[Address, Transport], int]  # (the server's address, how it is reached) → the relay's port


@dataclass(frozen=True)
class Candidate:
    """One candidate. `rest`: what follows its type."""

    foundation: str
    component: str
    protocol: str
    priority: str
    host: str
    port: int
    rest: tuple[str, ...]

    @property
    def address(self) -> Address:
        return self.host, self.port

    def text(self) -> str:
        """As it stands after "candidate:"."""
        head = (self.foundation, self.component, self.protocol, self.priority, self.host, str(self.port))
        return " ".join((*head, *self.rest))


def parse(text: str) -> Candidate | None:
    """Parse the text after "candidate:"; None if it is no candidate (an end-of-candidates is an empty text)."""
    parts = text.removeprefix("candidate:").split()
    if len(parts) < 8 or not parts[5].isdigit():
        return None
    foundation, component, protocol, priority, host, port, *rest = parts
    return Candidate(foundation, component, protocol.lower(), priority, host, int(port), tuple(rest))


@dataclass(frozen=True)
class Policy:
    """What passes: UDP, or TCP alone. `convert`: the relay speaks TCP for a server that offers none."""

    udp_blocked: bool = False
    convert: bool = False

    def door(self, candidate: Candidate) -> Transport | None:
        """The transport by which this candidate of the server's is reached; None if it is left out."""
        if not self.udp_blocked:
            return "udp" if candidate.protocol == "udp" else None
        if self.convert:
            return "tcp_from_udp" if candidate.protocol == "udp" else None
        return "tcp" if candidate.protocol == "tcp" else None

    def turned(self, candidate: Candidate, doors: Doors) -> Candidate | None:
        """The candidate as the participant gets it."""
        transport = self.door(candidate)
        if transport is None:
            return None
        port = doors.get((candidate.address, transport))
        if port is None:
            return None
        turned = replace(candidate, host=RELAY_HOST, port=port)
        if transport == "tcp_from_udp":
            turned = replace(turned, protocol="tcp", rest=(*candidate.rest, "tcptype", "passive"))
        return turned


def candidates_of_sdp(sdp: str) -> Iterator[Candidate]:
    for line in sdp.splitlines():
        if line.startswith(SDP_LINE):
            candidate = parse(line.removeprefix(SDP_LINE))
            if candidate is not None:
                yield candidate


def turn_sdp(sdp: str, policy: Policy, doors: Doors) -> str:
    """The server's SDP with its candidates turned to the relay."""
    lines = []
    for line in sdp.split("\r\n"):
        if line.startswith(SDP_LINE):
            candidate = parse(line.removeprefix(SDP_LINE))
            turned = policy.turned(candidate, doors) if candidate is not None else None
            if turned is None:
                continue
            line = SDP_LINE + turned.text()
        lines.append(line)
    return "\r\n".join(lines)


def without_candidates(sdp: str) -> str:
    """The participant's SDP without candidates: the server learns no way around the relay, only the relay's address."""
    return "\r\n".join(line for line in sdp.split("\r\n") if not line.startswith(SDP_LINE))


def candidate_of_trickle(init: str) -> Candidate | None:
    """The candidate in livekit's JSON of an RTCIceCandidateInit."""
    return parse(json.loads(init).get("candidate", ""))


def turn_trickle(init: str, policy: Policy, doors: Doors) -> str | None:
    """The JSON turned to the relay; None if it is left out; unchanged without a candidate."""
    given = json.loads(init)
    candidate = parse(given.get("candidate", ""))
    if candidate is None:
        return init
    turned = policy.turned(candidate, doors)
    return None if turned is None else json.dumps({**given, "candidate": f"candidate:{turned.text()}"})
