"""A call through a link, made in a few lines: what the relay's log, the echo and WebRTC would say of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from harness.listen.network_proof.applied import Proof, Reading, prove
from harness.network.fate import FateModel, Impairment
from harness.network.log import Row, Way
from harness.network.profile import Profile
from harness.network.record import Done, Echo, LinkRecord

T0_MS = 1_000_000.0
SERVER_MS = 0.2


@dataclass
class Call:
    """`really`: what the link does to packets, if not what its profile asks for."""

    profile: Profile
    seconds: float = 20.0
    seed: int = 1
    really: Impairment | None = None
    done: list[Done] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    echo: list[Echo] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._models: dict[Way, FateModel] = {
            "up": FateModel(self.really or self.profile.up.impairment(), self.seed, "uplink"),
            "down": FateModel(self.really or self.profile.down.impairment(), self.seed, "downlink"),
        }
        for done in self.done:
            for way in done.ways:
                if done.for_ms is not None:
                    self._models[way].cut(done.at_ms, done.at_ms + done.for_ms)
        voice: list[tuple[float, float]] = []  # (came, sent) of the agent's packets
        trips: list[tuple[float, float]] = []
        for tick in range(int(self.seconds * 50)):
            now_ms = T0_MS + 20.0 * tick
            self._pass("up", "rtp", now_ms, "0000aaaa", tick, 960 * tick)
            came = self._pass("down", "rtp", now_ms, "0000bbbb", tick, 960 * tick)
            if came is not None:
                voice.append((came, now_ms))
            if tick % 10 == 0:
                self._echo(now_ms, tick // 10)
            if tick % 25 == 0:
                there = self._pass("up", "stun_request", now_ms, f"t{tick}")
                back = self._pass("down", "stun_response", there + SERVER_MS, f"t{tick}") if there else None
                if back is not None:
                    trips.append((back, back - now_ms))
        self.readings = [reading(T0_MS + 1e3 * k, voice, trips) for k in range(1, int(self.seconds) + 3)]
        self.rows.sort(key=lambda row: row.departed_ms or row.arrived_ms)

    def _pass(
        self, way: Way, kind: str, now_ms: float, ident: str, seq: int | None = None, ts: int | None = None
    ) -> float | None:
        fate = self._models[way].decide(100, now_ms)
        row = Row(
            way,
            fate.n,
            0,
            kind,
            100,
            ident,
            seq,
            ts,
            now_ms,
            fate.queued_ms,
            fate.due_ms,
            fate.due_ms,
            fate.cause or "ok",
        )
        self.rows.append(row)
        return fate.due_ms

    def _echo(self, now_ms: float, n: int) -> None:
        there = self._pass("up", "echo", now_ms, "", n)
        back = self._pass("down", "echo", there, "", n) if there is not None else None
        self.echo.append(Echo(n=n, sent_ms=now_ms, served_ms=there, back_ms=back))

    def proof(self) -> Proof:
        return prove(self.record(), self.rows, self.readings)

    def record(self) -> LinkRecord:
        return LinkRecord(
            kind="user",
            profile=self.profile,
            seed=self.seed,
            behind=["user"],
            opened_ms=T0_MS,
            done=self.done,
            echo=self.echo,
        )


def reading(
    t_ms: float, voice: list[tuple[float, float]], trips: list[tuple[float, float]], *, in_order: bool = True
) -> Reading:
    """What a receiver would say at `t_ms`, of packets (came, sent) every 20 ms and of round trips (came, how long).

    `in_order`: as libwebrtc; LiveKit's server takes overtaken packets for its jitter too.
    """
    here = sorted(packet for packet in voice if packet[0] <= t_ms)
    jitter, last = 0.0, None
    for came, sent in here:
        if last is None or sent > last[1] or not in_order:
            jitter += (abs((came - sent) - (last[0] - last[1])) - jitter) / 16 if last is not None else 0.0
            last = (came, sent)
    sent = [packet[1] for packet in here]
    steps = [round((after - before) / 20) for before, after in pairwise(sorted(sent))]
    expected = (
        1 + sum(step if step <= 50 else 1 for step in steps) if sent else 0
    )  # libwebrtc: a larger one is a restart
    rtts = [rtt for came, rtt in sorted(trips) if came <= t_ms]
    return Reading(t_ms, rtts[-1] if rtts else None, jitter, len(here), expected - len(here))
