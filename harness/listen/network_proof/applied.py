"""Was the network really as the profile says? Three figures that must agree, from what was recorded. Pure.

The relay's log against the profile, an echo through the path against the log, and WebRTC's own statistics against the
same estimators over the log. Without all three there is no proof, and the profile's verdict is NOT_APPLIED. Times are
ms, shares 0 to 1. Tolerances: max(2 ms, 5 %) for a delay, and what chance does to a mean; max(3 ms, 20 %) for WebRTC.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median

from harness.listen.network_proof.rtp import Stream, main_stream, receiver_reports_ms, rfc3550_jitter_ms, round_trips_ms
from harness.network.fate import Impairment, delay_moments_ms
from harness.network.log import DELIVERED, Row, Way
from harness.network.loss import loss_interval
from harness.network.record import LinkRecord

LOG_TOLERANCE_MS, LOG_TOLERANCE = 2.0, 0.05
RTC_TOLERANCE_MS, RTC_TOLERANCE = 3.0, 0.20
RTC_TOLERANCE_PACKETS = 3
CHANCE_SD = 2.58  # 99 % of a mean's spread
CHANCE_LEVEL = 0.995  # two directions: 99 % for both together
LEAST_PACKETS = 50
LEAST_ECHOES = 10
LEAST_READINGS = 2
TAKEN_IN_MS = 20.0  # from a report leaving the relay to its figure in getStats()
EDGE_MS = 5.0  # how far the order "outage from now on" may be off the packets' times
NAMES: dict[Way, str] = {"up": "uplink", "down": "downlink"}
BY_CHANCE = ("loss", "burst")
SLOW_END = "longer than the link made it: an end of the call was slow, as on a busy host"
LATE_MS = 5.0  # P99 of the relay's own lateness above which nothing it carried is believed


@dataclass(frozen=True)
class Reading:
    """WebRTC's statistics of the received audio at one moment; counts since the call began."""

    t_mono_ms: float
    rtt_ms: float | None
    jitter_ms: float | None
    received: float | None
    lost: float | None
    source: str = ""  # RTP's source as the log writes it; empty: not known


@dataclass(frozen=True)
class Figure:
    """One figure of three. `agrees` is None where there is too little to tell."""

    name: str
    agrees: bool | None
    text: str


@dataclass(frozen=True)
class Numbers:
    """What was measured; None where nothing was."""

    delay_ms: dict[Way, float | None] = field(default_factory=dict)
    queued_ms: dict[Way, float | None] = field(default_factory=dict)  # mean wait at the bottleneck
    loss: dict[Way, float | None] = field(default_factory=dict)  # of all that came, whatever the cause
    rtt_log_ms: float | None = None
    rtt_echo_ms: float | None = None
    rtt_webrtc_ms: float | None = None
    jitter_log_ms: float | None = None
    jitter_webrtc_ms: float | None = None
    lateness_p99_ms: float | None = None


@dataclass(frozen=True)
class Proof:
    """`figures`: the log, the echo, WebRTC."""

    figures: tuple[Figure, Figure, Figure]
    numbers: Numbers

    @property
    def applied(self) -> bool:
        return all(figure.agrees is True for figure in self.figures)

    def in_words(self) -> str:
        """One line: each figure with whether it agrees."""
        words = {True: "agrees", False: "DOES NOT AGREE", None: "too little to tell"}
        found = [f"{figure.name} {words[figure.agrees]} ({figure.text})" for figure in self.figures]
        late_ms = self.numbers.lateness_p99_ms
        if late_ms is not None and late_ms > LATE_MS:
            found.append(f"the relay itself was {late_ms:.1f} ms late (P99): the host was too busy for it")
        return "; ".join(found)


def prove(record: LinkRecord, rows: Sequence[Row], readings: Sequence[Reading]) -> Proof:
    """The three figures of one call."""
    stream = main_stream(rows, {reading.source for reading in readings if reading.source})
    log, echo = _log_figure(record, rows), _echo_figure(record, rows)
    webrtc, numbers = _webrtc_figure(rows, stream, readings)
    whole = {way: [row for row in rows if row.way == way] for way in NAMES}
    return Proof(
        figures=(log, echo, webrtc),
        numbers=Numbers(
            delay_ms={way: _mean([row.delay_ms for row in found]) for way, found in whole.items()},
            queued_ms={
                way: _mean([row.queued_ms for row in found if row.fate in DELIVERED]) for way, found in whole.items()
            },
            loss={
                way: sum(row.fate not in DELIVERED for row in found) / len(found) if found else None
                for way, found in whole.items()
            },
            rtt_echo_ms=_median([e.back_ms - e.sent_ms for e in record.echo if e.back_ms is not None]),
            lateness_p99_ms=lateness_p99_ms(rows),
            **numbers,
        ),
    )


def uplink_jitter_ms(rows: Sequence[Row], readings: Sequence[Reading]) -> tuple[float, float] | None:
    """(what the far end reports, the same over the log): medians over its reports on the user's own audio.

    A report comes late, by as much as the link holds it up, and stays until the next that is not lost: each is read once,
    and belongs to the moment at which it was written.
    """
    stream = main_stream(rows, {reading.source for reading in readings if reading.source}, "up")
    if stream is None:
        return None
    found: list[tuple[float, float | None]] = []
    for (written_ms, came_ms), (_, next_ms) in pairwise(
        [*receiver_reports_ms(rows, stream.flow), (math.inf, math.inf)]
    ):
        shown = (r.jitter_ms for r in readings if came_ms + TAKEN_IN_MS <= r.t_mono_ms < next_ms)
        found.append((written_ms, next(shown, None)))
    pairs = _beside(found, rfc3550_jitter_ms(stream, in_order=False))
    return (median(a for a, _ in pairs), median(b for _, b in pairs)) if pairs else None


def _beside(
    readings: Sequence[tuple[float, float | None]], course: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """(what was read, the log's latest value by then), of the readings that have both."""
    pairs = []
    for t_mono_ms, theirs in readings:
        known = [value for t_ms, value in course if t_ms <= t_mono_ms]
        if known and theirs is not None:
            pairs.append((theirs, known[-1]))
    return pairs


def left_to_chance(row: Row) -> bool:
    """The profile's loss decided on this packet: no outage took it, and it was not still waiting at the end."""
    return row.fate != "outage" and not row.fate.startswith("unsent")


def lateness_p99_ms(rows: Sequence[Row]) -> float | None:
    """How late the relay itself was: the 99th percentile of leaving after what was planned."""
    late = sorted(row.lateness_ms for row in rows if row.lateness_ms is not None)
    return late[min(len(late) - 1, math.ceil(0.99 * len(late)) - 1)] if late else None


# the log against the profile


def _log_figure(record: LinkRecord, rows: Sequence[Row]) -> Figure:
    media = [row for row in rows if row.kind == "rtp"]
    name = "the relay's log"
    if len(media) < LEAST_PACKETS:
        return Figure(name, False, f"only {len(media)} media packets came through the link")
    found, agrees = [], True
    for way in NAMES:
        for impairment, part in _stretches(record, rows, way):
            in_order = impairment.keep_order or (record.kind == "netem" and impairment.bandwidth_kbps is not None)
            fine, text = _as_asked(impairment, part, in_order=in_order)
            agrees = agrees and fine
            found.append(f"{NAMES[way]} {text}")
    leaked = _leaked(record, rows)
    if leaked:
        agrees = False
        found.append(f"{leaked} packets passed in an outage")
    return Figure(name, agrees, ", ".join(found))


def _stretches(record: LinkRecord, rows: Sequence[Row], way: Way) -> list[tuple[Impairment, list[Row]]]:
    """The packets of one direction, by the impairment that was in force."""
    profile = record.profile
    begun = [(-math.inf, (profile.up if way == "up" else profile.down).impairment())]
    for done in record.done:
        new = done.up if way == "up" else done.down
        if new is not None:
            begun.append((done.at_ms, new))
    ends = [start for start, _ in begun[1:]] + [math.inf]
    own = [row for row in rows if row.way == way]
    return [
        (impairment, [row for row in own if start + EDGE_MS <= row.arrived_ms < end - EDGE_MS])
        for (start, impairment), end in zip(begun, ends, strict=True)
    ]


def _as_asked(impairment: Impairment, rows: Sequence[Row], *, in_order: bool) -> tuple[bool, str]:
    """Whether delay and loss of these packets are those of the impairment, with the numbers.

    `in_order`: none overtakes another; netem's bottleneck too sends them as they came.
    """
    delays = [row.delay_ms for row in rows if row.delay_ms is not None]
    mean, sd = delay_moments_ms(impairment)
    mean *= 1 - impairment.reorder
    decided = [row for row in rows if left_to_chance(row)]
    lost = sum(row.fate in BY_CHANCE for row in decided)
    low, high = loss_interval(impairment, len(decided), CHANCE_LEVEL)
    loss_fits = low <= lost <= high
    share = 100 * lost / len(decided) if decided else 0.0
    loss_text = f"{share:.2g} % lost of {len(decided)} (99 %: {low} to {high} packets, {lost} found)"
    if not delays:
        return loss_fits, loss_text
    memory = min(impairment.correlation, 0.99)
    # an outlier of 500 packets is chance; so is what a share of overtaking packets does to the mean
    spread = math.hypot(sd, mean * math.sqrt(impairment.reorder * (1 - impairment.reorder)))
    by_chance = CHANCE_SD * spread * math.sqrt((1 + memory) / (1 - memory) / len(delays))
    tolerance = max(LOG_TOLERANCE_MS, LOG_TOLERANCE * mean) + by_chance
    above = tolerance + (2 * impairment.jitter_ms if in_order else 0.0)  # waiting for the one ahead
    found = fmean(delays)
    fits = mean - tolerance <= found <= mean + above
    return fits and loss_fits, f"{found:.1f} ms of {mean:.1f} ± {tolerance:.1f}, {loss_text}"


def _leaked(record: LinkRecord, rows: Sequence[Row]) -> int:
    """Packets that came in an outage and were delivered. A stream's packets wait there, and are counted on leaving."""
    count = 0
    for done in record.done:
        if done.for_ms is None:
            continue
        start, end = done.at_ms + EDGE_MS, done.at_ms + done.for_ms - EDGE_MS
        for row in rows:
            if row.way in done.ways and start <= row.arrived_ms < end and row.fate in DELIVERED:
                count += not record.profile.udp_blocked or (row.planned_ms or 0.0) < end
    return count


# the echo against the log


def _echo_figure(record: LinkRecord, rows: Sequence[Row]) -> Figure:
    name = "the echo"
    logged = {(row.way, row.seq): row for row in rows if row.kind == "echo"}
    longest_ms = max((row.departed_ms - row.arrived_ms for row in rows if row.departed_ms is not None), default=0.0)
    last_ms = (
        max((echo.sent_ms for echo in record.echo), default=0.0) - 2 * longest_ms - 500.0
    )  # still under way at the end
    sent = [echo for echo in record.echo if echo.sent_ms <= last_ms]
    if len(sent) < LEAST_ECHOES:
        return Figure(name, None, f"{len(sent)} probe packets are too few")
    off: dict[Way, list[float]] = {"up": [], "down": []}
    contradictions = 0
    for echo in sent:
        ends: dict[Way, tuple[float | None, float | None]] = {
            "up": (echo.sent_ms, echo.served_ms),
            "down": (echo.served_ms, echo.back_ms),
        }
        for way, (start, end) in ends.items():
            row = logged.get((way, echo.n))
            if start is None:
                continue
            came = row is not None and row.departed_ms is not None and row.fate in DELIVERED
            contradictions += came != (end is not None)
            if row is not None and row.departed_ms is not None and end is not None:
                off[way].append(end - start - (row.departed_ms - row.arrived_ms))
    measured = [echo.back_ms - echo.sent_ms for echo in sent if echo.back_ms is not None]
    lost = 1 - len(measured) / len(sent)
    offs = [median(values) for values in off.values() if values]
    tolerance = max(LOG_TOLERANCE_MS, LOG_TOLERANCE * (median(measured) if measured else 0.0))
    agrees = contradictions == 0 and len(offs) == len(off) and all(abs(value) <= tolerance for value in offs)
    rtt = f"round trip {median(measured):.1f} ms" if measured else "none came back"
    found = f"{rtt}, {100 * lost:.2g} % of {len(sent)} lost on the way, off the log by "
    found += "/".join(f"{value:.2f}" for value in offs) + " ms"
    return Figure(name, agrees, found + (f", {contradictions} packets contradict it" if contradictions else ""))


# WebRTC's statistics against the log


def _webrtc_figure(
    rows: Sequence[Row], stream: Stream | None, readings: Sequence[Reading]
) -> tuple[Figure, dict[str, float | None]]:
    name = "WebRTC"
    if stream is None:
        return Figure(name, None, "no audio was received through the link"), {}
    pairs = _beside([(r.t_mono_ms, r.rtt_ms) for r in readings], round_trips_ms(rows, stream.flow))
    jitters = _beside([(r.t_mono_ms, r.jitter_ms) for r in readings], rfc3550_jitter_ms(stream))
    if len(pairs) < LEAST_READINGS or len(jitters) < LEAST_READINGS:
        return Figure(name, None, f"{len(pairs)} readings of the round trip, {len(jitters)} of the jitter"), {}
    numbers = {
        "rtt_webrtc_ms": median(theirs for theirs, _ in pairs),
        "rtt_log_ms": median(ours for _, ours in pairs),
        "jitter_webrtc_ms": median(theirs for theirs, _ in jitters),
        "jitter_log_ms": median(ours for _, ours in jitters),
    }
    rtt_fits = _fits(numbers["rtt_webrtc_ms"], numbers["rtt_log_ms"])
    jitter_fits = _fits(numbers["jitter_webrtc_ms"], numbers["jitter_log_ms"])
    loss_fits, loss_text = _loss_agrees(stream, readings)
    found = (
        f"round trip {numbers['rtt_webrtc_ms']:.1f} of {numbers['rtt_log_ms']:.1f} ms in the log"
        f"{f' ({SLOW_END})' if not rtt_fits and numbers['rtt_webrtc_ms'] > numbers['rtt_log_ms'] else ''}, "
        f"jitter {numbers['jitter_webrtc_ms']:.1f} of {numbers['jitter_log_ms']:.1f} ms{loss_text}"
    )
    return Figure(name, rtt_fits and jitter_fits and loss_fits, found), dict(numbers)


def _fits(theirs: float, ours: float) -> bool:
    return abs(theirs - ours) <= max(RTC_TOLERANCE_MS, RTC_TOLERANCE * ours)


def _loss_agrees(stream: Stream, readings: Sequence[Reading]) -> tuple[bool, str]:
    """The last reading's count of lost packets against the same count over the log."""
    last = next((r for r in reversed(readings) if r.lost is not None and r.received is not None), None)
    if last is None or last.lost is None:
        return True, ""
    ours = stream.lost_by(last.t_mono_ms)
    fits = abs(last.lost - ours) <= max(RTC_TOLERANCE_PACKETS, RTC_TOLERANCE * ours)
    return fits, f", lost {last.lost:.0f} of {ours} packets in the log"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
