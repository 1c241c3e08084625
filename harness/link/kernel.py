"""One direction through the kernel's qdisc: which packets are inside, which came out, and which must be lost.

The kernel does not report what it did to a packet, so each goes in with its number ahead of it. The number says which packet
came out, the kernel's arrival time at the exit says when, and a packet that has not come within its patience is lost.
Standard library alone. Times are ms of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.link.lane import Lane, Opening, open_lane
from harness.link.sockets import mono_ms, received
from harness.network.fate import Impairment
from harness.network.log import Row

NUMBER = struct.Struct("!I")
SPREAD_SD = 5.0  # the longest tail of netem's tables, a Pareto distribution's, ends at 4
SLACK_MS = 300.0  # for the host; a younger packet has no fate yet when the call ends

Send = Callable[[bytes], Any]


@dataclass
class Inside:
    """A packet on its way. `queue_full`: the bottleneck's model says so; it is the cause of a loss."""

    row: Row
    send: Send
    until_ms: float
    queue_full: bool
    copies: int = 0


class KernelWay:
    """Not thread-safe. Lanes of earlier impairments stay, for packets may still be in them."""

    def __init__(self, way_in: Sequence[str], impairment: Impairment, qdisc: Sequence[str]) -> None:
        """Raises OSError if the kernel or its privileges do not allow it."""
        self._way_in = way_in
        self.lane = open_lane(way_in, qdisc).lane()
        self._impairment = impairment
        self._inside: dict[int, Inside] = {}

    def begin(self, qdisc: Sequence[str]) -> Opening:
        """Another lane, to be given to `change` when its door is readable. Raises OSError."""
        return open_lane(self._way_in, qdisc)

    def change(self, impairment: Impairment, lane: Lane) -> None:
        """Apply `impairment` from the next packet on."""
        self.lane, self._impairment = lane, impairment

    def enter(self, data: bytes, row: Row, send: Send, *, queue_full: bool) -> Row | None:
        """The packet's row, if the kernel refused it."""
        what = self._impairment
        longest_ms = what.delay_ms + SPREAD_SD * what.jitter_ms + row.queued_ms + SLACK_MS
        if what.bandwidth_kbps is not None:
            longest_ms += what.queue_ms
        try:
            self.lane.entrance.send(NUMBER.pack(row.n) + data)
        except OSError as error:
            return replace(row, planned_ms=None, departed_ms=None, fate=f"unsent {type(error).__name__}")
        self._inside[row.n] = Inside(row, send, row.arrived_ms + longest_ms, queue_full)
        return None

    def leave(self, lane: Lane) -> None:
        """Send on what has come out of `lane`."""
        for data, _, left_ms in received(lane.exit):
            inside = self._inside.get(NUMBER.unpack_from(data)[0])
            if inside is None:  # the log has it as lost: to send it on would make the log false
                continue
            fate = "ok" if inside.copies == 0 else "twice"
            try:
                inside.send(data[NUMBER.size :])
            except OSError as error:
                fate = f"unsent {type(error).__name__}"
            inside.copies += 1
            if inside.copies == 1:
                left_ms = max(left_ms, inside.row.arrived_ms)  # both are known to the tenth of a ms
                inside.row = replace(inside.row, planned_ms=left_ms, departed_ms=mono_ms(), fate=fate)
            elif not inside.row.fate.startswith("unsent"):
                inside.row = replace(inside.row, fate=fate)

    def settled(self, now_ms: float) -> Iterator[Row]:
        """The rows of packets whose patience is over, oldest first."""
        done = [number for number, inside in self._inside.items() if inside.until_ms <= now_ms]
        for number in done:
            yield _row(self._inside.pop(number))

    def rest(self) -> Iterator[Row]:
        """At the end: rows of packets that came out. Those still inside have no fate."""
        for inside in self._inside.values():
            if inside.copies:
                yield _row(inside)
        self._inside.clear()


def _row(inside: Inside) -> Row:
    if inside.copies:
        return inside.row
    return replace(
        inside.row, queued_ms=0.0, planned_ms=None, departed_ms=None, fate="queue" if inside.queue_full else "loss"
    )
