"""What of a call through a link is no matter of chance or load: asserted live. Times are ms of one monotonic clock.

Whether three figures agree within their tolerances is a matter of chance (WebRTC's jitter is read at a few moments of a
short call) and of the host (whoever is slow reads late): that is asserted on fixed recordings
(tests/listen/network_proof/test_applied.py) and counted over a night's calls. Live stands what follows from the seed and
from causality: each packet's fate and plan is what the seed gives its number, nothing leaves before its plan, nobody hears
sooner than the relay sent, and all that WebRTC counted is in the relay's log.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from harness.listen.metrics.network import APPLIED
from harness.listen.metrics.transport import snapshots_of
from harness.listen.network_proof.applied import LEAST_PACKETS, NAMES
from harness.listen.network_proof.rtp import round_trips_ms
from harness.listen.read.reading import Capture, read_capture
from harness.model.measurement import Measurement
from harness.network.fate import Fate, FateModel, Impairment
from harness.network.log import DELIVERED, Row, Way
from harness.network.record import LinkRecord

ROUNDED_MS = 0.002  # the log's times have three decimals
CLOCKS_MS = 0.2  # the kernel's time of arrival is of another clock, read beside ours
SAYS_MS = 1.0  # WebRTC tells a round trip in whole milliseconds
FIGURES = ("the relay's log", "the echo", "WebRTC")


def went_through_the_link(folder: Path, measurement: Measurement) -> None:
    """Of a whole call."""
    applied, heard = measurement.metrics[APPLIED], read_capture(folder)
    assert heard.link is not None, heard.missing
    assert all(name in applied.reason for name in FIGURES), applied.reason
    assert "too little to tell" not in applied.reason, "each figure was taken"
    assert applied.value == float("DOES NOT AGREE" not in applied.reason), applied.reason
    for way in NAMES:
        own = sorted((row for row in heard.packets if row.way == way), key=lambda row: row.n)
        assert sum(row.kind == "rtp" for row in own) >= LEAST_PACKETS, f"media went {way} through the link"
        nothing_left_too_soon(own)
        if heard.link.kind == "user":
            fates_are_those_of_the_seed(heard.link, own, way)
    the_echo_came_as_the_log_says(heard.link, heard.packets)
    webrtc_counted_nothing_else(heard)


def nothing_left_too_soon(rows: Sequence[Row]) -> None:
    for row in rows:
        if row.departed_ms is not None and row.planned_ms is not None:
            assert row.departed_ms >= row.planned_ms - ROUNDED_MS >= row.arrived_ms - 2 * ROUNDED_MS, row


def fates_are_those_of_the_seed(record: LinkRecord, rows: Sequence[Row], way: Way) -> None:
    """Each packet's fate and plan. One that came ahead of a change may have been taken before it or after it."""
    profile = record.profile
    begun: list[tuple[float, Impairment]] = [
        (float("-inf"), (profile.up if way == "up" else profile.down).impairment()),
        *((done.at_ms, new) for done in record.done if (new := done.up if way == "up" else done.down) is not None),
    ]
    models = [(at_ms, _model(record, impairment, way)) for at_ms, impairment in begun]
    by_number = {row.n: row for row in rows}
    now = 0
    for n in range(max(by_number) + 1):
        row = by_number.get(n)  # one that still waited at the end has no line, and its draw all the same
        size, arrived_ms = (row.size_bytes, row.arrived_ms) if row is not None else (100, 0.0)
        fates = [model.decide(size, arrived_ms) for _, model in models]
        if row is None:
            continue
        now = max(now, sum(at_ms <= arrived_ms for at_ms, _ in models) - 1)
        while not _is_told(fates[now], row):
            now += 1
            assert now < len(fates), (row, fates)


def _model(record: LinkRecord, impairment: Impairment, way: Way) -> FateModel:
    assert impairment.bandwidth_kbps is None, "a queue remembers what came before a change: compare it elsewhere"
    model = FateModel(
        impairment, record.seed, "uplink" if way == "up" else "downlink", reliable=record.profile.udp_blocked
    )
    for done in record.done:
        if done.for_ms is not None and way in done.ways:
            model.cut(done.at_ms, done.at_ms + done.for_ms)
    return model


def _is_told(fate: Fate, row: Row) -> bool:
    if fate.due_ms is None or row.planned_ms is None:
        return fate.cause == row.fate
    told = row.fate == ("ok" if fate.copies == 1 else "twice") or row.fate.startswith("unsent")
    return told and abs(fate.due_ms - row.planned_ms) <= ROUNDED_MS


def the_echo_came_as_the_log_says(record: LinkRecord, rows: Sequence[Row]) -> None:
    """What the log lost never came; what it sent came after it left, and all of it that left before something that came."""
    assert any(echo.back_ms is not None for echo in record.echo), "the echo ran"
    ends = {
        "up": [(echo.n, echo.sent_ms, echo.served_ms) for echo in record.echo],
        "down": [(echo.n, echo.served_ms, echo.back_ms) for echo in record.echo],
    }
    for way, told in ends.items():
        logged = {row.seq: row for row in rows if row.kind == "echo" and row.way == way}
        came_ms = {n: end for n, _, end in told if end is not None}
        last_ms = max((logged[n].departed_ms or 0.0 for n in came_ms if n in logged), default=0.0)
        for n, start, end in told:
            row = logged.get(n)
            if row is None:
                assert end is None, f"echo {n} came {way} past the relay"
            elif row.fate not in DELIVERED:
                assert end is None, f"echo {n} came {way} though the relay dropped it"
            elif end is not None:
                assert row.planned_ms is not None  # departure is noted after sending, and may be later than this end
                assert start is not None
                assert end - start >= row.planned_ms - row.arrived_ms - CLOCKS_MS, (n, way)
            else:  # one socket gives what it holds in the order in which it came
                assert row.departed_ms is not None
                assert row.departed_ms >= last_ms, f"echo {n} never came {way}, though a later one did"


def webrtc_counted_nothing_else(heard: Capture) -> None:
    """Received packets are the log's, and a round trip takes at least what the shortest in the log took."""
    log_trips = [ms for flow in {row.flow for row in heard.packets} for _, ms in round_trips_ms(heard.packets, flow)]
    passed: dict[str, int] = {}
    for row in heard.packets:
        if row.way == "down" and row.kind == "rtp" and row.fate in DELIVERED:
            passed[row.ident] = passed.get(row.ident, 0) + 1 + (row.fate == "twice")
    snapshots = snapshots_of(heard)
    counted: dict[str, float] = {}
    for snapshot in snapshots:
        counted |= {name.rpartition("/")[2]: counters.packets_received for name, counters in snapshot.streams.items()}
        if snapshot.rtt_ms is not None and log_trips:
            assert snapshot.rtt_ms >= min(log_trips) - SAYS_MS, "media that goes around the link is quicker"
    assert any(counted.values()), "something was received"
    for source, received in counted.items():
        if source.isdigit():
            assert received <= passed.get(f"{int(source):08x}", 0), f"{source} received what did not pass the relay"
    for earlier, later in pairwise(snapshots):
        assert earlier.t_mono_ms <= later.t_mono_ms
