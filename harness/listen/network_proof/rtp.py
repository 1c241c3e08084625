"""WebRTC's own estimators, computed over the relay's log: round trips of STUN, jitter and loss of a received stream. Pure.

Jitter and loss as RFC 3550 (A.3, A.8) and as libwebrtc counts them: only packets in order change the jitter, loss is the
number expected by sequence number minus all that came. LiveKit's media server counts every packet into the jitter, as it
comes. The RTP clock of Opus runs at 48 kHz.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.network.log import DELIVERED, Row, Way

CLOCK_PER_MS = 48.0
RECEIVER_REPORT = "201"  # RFC 3550, 6.4.2
RESTART = 50  # libwebrtc takes a larger step of the sequence number for a stream that began anew, and counts no loss
SEQ_MOD, TS_MOD = 1 << 16, 1 << 32


@dataclass(frozen=True)
class Stream:
    """The packets that one source sent down one flow, in the order in which they left the relay; lost ones are absent."""

    flow: int
    ident: str
    delivered: tuple[Row, ...]

    def lost_by(self, t_mono_ms: float) -> int:
        """Packets expected by sequence number minus received, up to `t_mono_ms`; a gap of RESTART counts as none."""
        lost, highest = 0, None
        for row, seq in zip(self.delivered, unwrapped(self.delivered), strict=True):
            if _left(row) > t_mono_ms:
                break
            ahead = seq - highest if highest is not None else 1
            if ahead > 0:
                lost += ahead - 1 if ahead <= RESTART else 0
                highest = seq
            else:  # it was counted as lost, and came after all
                lost -= 1
            lost -= row.fate == "twice"
        return max(0, lost)


def _left(row: Row) -> float:
    assert row.departed_ms is not None
    return row.departed_ms


def main_stream(rows: Sequence[Row], sources: Collection[str] = (), way: Way = "down") -> Stream | None:
    """The stream of one direction with the most packets, among `sources`, those in the statistics (all, if none is named)."""
    counts = Counter(
        (row.flow, row.ident)
        for row in rows
        if row.way == way and row.kind == "rtp" and (not sources or row.ident in sources)
    )
    if not counts:
        return None
    (flow, ident), _ = counts.most_common(1)[0]
    own = [r for r in rows if (r.way, r.kind, r.flow, r.ident) == (way, "rtp", flow, ident) and r.fate in DELIVERED]
    return Stream(flow, ident, tuple(sorted(own, key=_left)))


def unwrapped(rows: Sequence[Row]) -> list[int]:
    """Sequence numbers that go on where 16 bits begin again."""
    found: list[int] = []
    for row in rows:
        assert row.seq is not None
        before = found[-1] if found else row.seq
        found.append(before + (row.seq - before + SEQ_MOD // 2) % SEQ_MOD - SEQ_MOD // 2)
    return found


def rfc3550_jitter_ms(stream: Stream, *, in_order: bool = True) -> list[tuple[float, float]]:
    """(time, jitter) after each packet. `in_order`: an overtaken packet is left out, as libwebrtc does."""
    course: list[tuple[float, float]] = []
    jitter, highest = 0.0, -1
    before: Row | None = None
    for row, seq in zip(stream.delivered, unwrapped(stream.delivered), strict=True):
        if in_order and before is not None and seq <= highest:
            continue
        if before is not None:
            assert row.rtp_ts is not None
            assert before.rtp_ts is not None
            sent = (row.rtp_ts - before.rtp_ts + TS_MOD // 2) % TS_MOD - TS_MOD // 2
            jitter += (abs(_left(row) - _left(before) - sent / CLOCK_PER_MS) - jitter) / 16
            course.append((_left(row), jitter))
        before, highest = row, seq
    return course


def receiver_reports_ms(rows: Sequence[Row], flow: int) -> list[tuple[float, float]]:
    """(written, received) of each receiver report that reached the participant over `flow`, in the order of arrival."""
    reports = [r for r in rows if (r.way, r.kind, r.ident, r.flow) == ("down", "rtcp", RECEIVER_REPORT, flow)]
    return sorted(((r.arrived_ms, r.departed_ms) for r in reports if r.departed_ms is not None), key=lambda r: r[1])


def round_trips_ms(rows: Sequence[Row], flow: int) -> list[tuple[float, float]]:
    """(when it was complete, round trip) of each STUN request of the participant's on `flow` that was answered."""
    asked: dict[str, float] = {}
    trips: list[tuple[float, float]] = []
    for row in rows:
        if row.flow != flow:
            continue
        if row.way == "up" and row.kind == "stun_request":
            asked.setdefault(row.ident, row.arrived_ms)
        elif row.way == "down" and row.kind == "stun_response" and row.departed_ms is not None and row.ident in asked:
            trips.append((row.departed_ms, row.departed_ms - asked.pop(row.ident)))
    return sorted(trips)
