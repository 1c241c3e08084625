"""Were the networks of these calls what their profiles say? All calls of a profile together, each direction.

    python benchmarks/networks_applied.py FOLDER… [--again FOLDER…]

FOLDER: runs, nights, or captures; every capture below that was played over a link counts. The relay's logs stand against the
profile (mean delay within max(2 ms, 5 %); loss within the model's own interval, 99 % for all rows together), WebRTC's
statistics against the same estimators over the logs (within 3 ms or 20 %), call by call. `--again`: the same calls played
once more; by the same seed a packet of the same number must have had the same fate, by another seed it must not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

from harness.listen.network_proof.applied import (
    BY_CHANCE,
    LOG_TOLERANCE,
    LOG_TOLERANCE_MS,
    RTC_TOLERANCE,
    RTC_TOLERANCE_MS,
    left_to_chance,
)
from harness.listen.read.reading import Capture, read_capture
from harness.model.capture import MANIFEST, MEASUREMENT
from harness.model.measurement import Measurement
from harness.network.fate import Impairment, delay_moments_ms
from harness.network.log import Row, Way
from harness.network.loss import loss_interval

FAMILY_LEVEL = 0.99
OFF_BY_MS = 0.002  # the log has three digits, and two of them are subtracted
PAIRS: dict[tuple[Way, str], tuple[str, str]] = {
    ("down", "round trip"): ("network_rtt_webrtc_ms", "network_rtt_log_ms"),
    ("up", "jitter"): ("network_jitter_up_webrtc_ms", "network_jitter_up_log_ms"),
    ("down", "jitter"): ("network_jitter_webrtc_ms", "network_jitter_log_ms"),
}


@dataclass
class Pool:
    """All calls over one profile."""

    impairments: dict[Way, Impairment]
    calls: int = 0
    turns: int = 0
    proven: int = 0
    delays_ms: dict[Way, list[float]] = field(default_factory=lambda: {"up": [], "down": []})
    decided: dict[Way, int] = field(default_factory=lambda: {"up": 0, "down": 0})
    lost: dict[Way, int] = field(default_factory=lambda: {"up": 0, "down": 0})
    pairs: dict[tuple[Way, str], list[tuple[float, float]]] = field(
        default_factory=lambda: {pair: [] for pair in PAIRS}
    )
    late_ms: list[float] = field(default_factory=list)


def captures_below(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        for manifest in sorted(folder.rglob(MANIFEST)):
            if "broken_off" not in manifest.parts:
                yield manifest.parent


def add(pools: dict[str, Pool], capture: Capture, measured: Measurement) -> None:
    """Calls whose network was changed in mid-call are left out: they have no one profile."""
    link = capture.link
    if link is None or link.done:
        return
    profile = link.profile
    ways: dict[Way, Impairment] = {"up": profile.up.impairment(), "down": profile.down.impairment()}
    pool = pools.setdefault(profile.name, Pool(ways))
    pool.calls += 1
    pool.turns += sum(turn.utterance is not None for turn in measured.turns)
    value = {name: metric.value for name, metric in measured.metrics.items()}
    pool.proven += value.get("netem_actually_applied") == 1
    if (late_ms := value.get("network_lateness_p99_ms")) is not None:
        pool.late_ms.append(float(late_ms))
    for pair, (their_name, our_name) in PAIRS.items():
        theirs, ours = value.get(their_name), value.get(our_name)
        if theirs is not None and ours is not None:
            pool.pairs[pair].append((theirs, ours))
    for row in capture.packets:
        if row.delay_ms is not None:
            pool.delays_ms[row.way].append(row.delay_ms)
        if left_to_chance(row):
            pool.decided[row.way] += 1
            pool.lost[row.way] += row.fate in BY_CHANCE


def rows(pools: dict[str, Pool]) -> list[list[str]]:
    level = 1 - (1 - FAMILY_LEVEL) / (2 * len(pools))
    told = []
    for name, pool in pools.items():
        for way in ("up", "down"):
            told.append(_row(name, way, pool, level))
    return told


def _row(name: str, way: Way, pool: Pool, level: float) -> list[str]:
    impairment = pool.impairments[way]
    wanted_ms, _ = delay_moments_ms(impairment)
    found_ms = fmean(pool.delays_ms[way]) if pool.delays_ms[way] else float("nan")
    fits = abs(found_ms - wanted_ms) <= max(LOG_TOLERANCE_MS, LOG_TOLERANCE * wanted_ms)
    n, lost = pool.decided[way], pool.lost[way]
    low, high = loss_interval(impairment, n, level)
    cells = [
        name,
        {"up": "uplink", "down": "downlink"}[way],
        f"{pool.proven} of {pool.calls}, {pool.turns}",
        f"{found_ms:.2f} of {wanted_ms:.2f} ms{'' if fits else ' NO'}",
        f"{lost} of {n}; {low} to {high}{'' if low <= lost <= high else ' NO'}",
    ]
    cells += [_pairs(pool.pairs[way, what]) if (way, what) in PAIRS else "" for what in ("round trip", "jitter")]
    cells.append(f"{max(pool.late_ms):.2f} ms" if pool.late_ms and way == "down" else "")
    return cells


def _pairs(pairs: Sequence[tuple[float, float]]) -> str:
    """Medians over calls, and in how many calls the two are as near as they must be."""
    if not pairs:
        return "–"
    near = sum(abs(theirs - ours) <= max(RTC_TOLERANCE_MS, RTC_TOLERANCE * ours) for theirs, ours in pairs)
    theirs, ours = median(a for a, _ in pairs), median(b for _, b in pairs)
    return f"{theirs:.1f} of {ours:.1f} ms; {near} of {len(pairs)}"


HEADINGS = (
    "profile", "", "calls proven, turns", "delay: log, profile", "lost, interval", "round trip: WebRTC, log; calls within",
    "jitter: WebRTC, log; calls within", "relay's own lateness, worst P99",
)  # fmt: skip


def fates(packets: Sequence[Row], way: Way) -> dict[int, tuple[bool, float | None]]:
    """Packet number → (lost by chance, what the link meant to add, in ms)."""
    return {
        row.n: (
            row.fate in BY_CHANCE,
            None if row.planned_ms is None else row.planned_ms - row.arrived_ms - row.queued_ms,
        )
        for row in packets
        if row.way == way and row.kind != "echo"
    }


def same(one: Capture, other: Capture) -> tuple[int, int]:
    """(packet numbers that both calls have and that met the same fate, all that both have)."""
    alike = total = 0
    for way in ("up", "down"):
        mine, theirs = fates(one.packets, way), fates(other.packets, way)
        for n in mine.keys() & theirs.keys():
            (lost_a, plan_a), (lost_b, plan_b) = mine[n], theirs[n]
            total += 1
            planned = plan_a is None or plan_b is None or abs(plan_a - plan_b) <= OFF_BY_MS
            alike += lost_a == lost_b and planned
    return alike, total


def compare(first: Sequence[Path], again: Sequence[Path]) -> list[str]:
    """One line a kind of pair: the same seed, and another one over the same profile."""
    counts = {"the same seed": [0, 0, 0], "another seed": [0, 0, 0]}
    others = [read_capture(folder) for folder in captures_below(again)]
    for folder in captures_below(first):
        one = read_capture(folder)
        if one.link is None:
            continue
        for other in others:
            if other.link is None or other.link.profile != one.link.profile or not one.link.profile.impairs:
                continue
            count = counts["the same seed" if other.link.seed == one.link.seed else "another seed"]
            alike, total = same(one, other)
            count[0] += 1
            count[1] += alike
            count[2] += total
    return [
        f"{name}: {pairs} pairs of calls, {alike} of {total} packets met the same fate"
        for name, (pairs, alike, total) in counts.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--again", type=Path, nargs="+", default=[])
    given = parser.parse_args()
    pools: dict[str, Pool] = {}
    for folder in captures_below(given.folders):
        if (folder / MEASUREMENT).is_file():
            measured = Measurement.model_validate_json((folder / MEASUREMENT).read_bytes())
            add(pools, read_capture(folder), measured)
    if not pools:
        raise SystemExit("no call over a link in these folders")
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS))
    table = rows(pools)
    for cells in table:
        print("| " + " | ".join(cells) + " |")
    for line in compare(given.folders, given.again) if given.again else []:
        print(f"\n{line}")
    proven = all(pool.proven == pool.calls for pool in pools.values())
    return 0 if proven and not any(cell.endswith(" NO") for cells in table for cell in cells) else 1


if __name__ == "__main__":
    sys.exit(main())
