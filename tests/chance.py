"""What chance can do to the tests that make calls: how probable it is that a run of `make test` is red and nothing broken.

`python -m tests.chance` prints the table of docs/why/chance_in_tests.md. Pure: the product's own seeded
fates, its intervals, and arithmetic. A seed makes a thing certain, so its row is counted, not estimated: the share of all
lengths that such a call may have (in packets) at which the assertion would not hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.stats import beta, norm

from harness.live.network import Network
from harness.network.fate import FateModel
from harness.network.profile import load_profile

LIMIT = 1e-3  # of a whole run
PACKETS = range(100, 2_001)  # of one direction of a call of the tests; measured: 170 to 880
TRIPS = 4  # STUN round trips of the shortest call; measured: 6 and 7
NETEM_LEVEL, NETEM_SD = 1 - 2e-6, 4.8  # what tests/link/test_kernel.py holds netem's own chance to
FREE_PORTS, PORTS_TAKEN = 28_000, 10  # ephemeral ports, and how many others take in the second between look and use


@dataclass(frozen=True)
class Chance:
    """One kind of assertion: where it stands, what chance could do, and how probable that is in one run."""

    where: str
    what: str
    how: str
    probability: Callable[[], float]


def seeded_call(network: str, case_id: str = "question_short", attempt: int = 1) -> dict[str, FateModel]:
    """The fates of a test's call, as its link draws them (`--network-seed` 1)."""
    profile = load_profile(network)
    seed = Network(profile, 1, server_offers_tcp=True).seed_for(case_id, attempt)
    return {
        "uplink": FateModel(profile.up.impairment(), seed, "uplink"),
        "downlink": FateModel(profile.down.impairment(), seed, "downlink"),
    }


def nothing_lost() -> float:
    """Share of lengths at which a direction of the bad_wifi call has lost nothing."""
    first = []
    for model in seeded_call("bad_wifi").values():
        first.append(next(n for n in range(PACKETS.stop) if model.decide(100, 20.0 * n).cause == "loss") + 1)
    return sum(n < max(first) for n in PACKETS) / len(PACKETS)


def fates_not_seen() -> float:
    """Share of lengths from 100 on at which seed 7 of tests/link/test_relay.py has not shown all three fates."""
    from harness.network.profile import Direction, Profile

    asked = Direction(delay_ms=5, jitter_ms=5, loss_percent=30, duplicate_percent=10)
    model = FateModel(Profile(name="test", both=asked).up.impairment(), 7, "uplink")
    fates = [model.decide(72, 2.0 * n) for n in range(PACKETS.start)]
    seen = {fate.cause or ("twice" if fate.copies == 2 else "ok") for fate in fates}
    return float(not {"ok", "loss", "twice"} <= seen)


def no_round_trip_known() -> float:
    """WebRTC's round trip is not to be had: every STUN request or answer was lost, in the calls of 4g_ok and bad_wifi."""
    calls = {"4g_ok": 1, "bad_wifi": 2}
    total = 0.0
    for network, n in calls.items():
        profile = load_profile(network)
        passes = (1 - profile.up.impairment().loss) * (1 - profile.down.impairment().loss)
        total += n * (1 - passes) ** TRIPS
    return total


def netem_by_chance() -> float:
    """Loss and mean delay of two directions, where the kernel has netem."""
    return 2 * (1 - NETEM_LEVEL) + 2 * 2 * float(norm.sf(NETEM_SD))


def port_taken() -> float:
    """Somebody else listens on the port on which nobody should."""
    return PORTS_TAKEN / FREE_PORTS / 60  # and only if it speaks LiveKit or holds the port for a minute


def refused_by_proof_at_most(refused: int, calls: int, level: float = 0.95) -> float:
    """Clopper and Pearson's upper bound of the share of calls that the proof of application refuses by chance."""
    return float(beta.ppf(level, refused + 1, calls - refused)) if refused < calls else 1.0


CHANCES = (
    Chance(
        "tests/live/test_link.py, every call",
        "which packets are lost, and how long each waits",
        "the seed's own fates, packet by packet: equal or not",
        lambda: 0.0,
    ),
    Chance(
        "tests/live/test_link.py, bad_wifi in the browser",
        "that a direction loses nothing",
        "the seed's first losses, over all lengths of 100 to 2,000 packets",
        nothing_lost,
    ),
    Chance(
        "tests/live/test_link.py, 4g_ok and bad_wifi",
        "that no STUN round trip comes back, so that WebRTC knows none",
        f"(1 − (1 − p)²)^{TRIPS} of three calls",
        no_round_trip_known,
    ),
    Chance(
        "tests/link/test_relay.py",
        "that 100 packets do not show all of lost, twice, whole",
        "seed 7 of the model",
        fates_not_seen,
    ),
    Chance(
        "tests/link/test_kernel.py, where the kernel has netem",
        "loss and mean delay, which have no seed there",
        "the test's own level: 2 × 2e-6 and 4 × 4.8 standard deviations",
        netem_by_chance,
    ),
    Chance(
        "tests with hypothesis",
        "which examples are drawn",
        "none: derandomised (HYPOTHESIS_PROFILE=explore draws others)",
        lambda: 0.0,
    ),
    Chance(
        "tests/runtime/page, a media server that is not there",
        "that somebody takes the free port meanwhile",
        "10 of 28,000 ports a minute, for a second",
        port_taken,
    ),
)


def whole_run() -> float:
    """That one at least is red: they are independent."""
    return -math.expm1(sum(math.log1p(-chance.probability()) for chance in CHANCES))


def table() -> str:
    rows = ["| where | what chance could do | how computed | a run |", "|---|---|---|---|"]
    for chance in CHANCES:
        p = chance.probability()
        rows.append(f"| {chance.where} | {chance.what} | {chance.how} | {f'{p:.1e}' if p else '0'} |")
    rows.append(f"| **the whole run** | | | **{whole_run():.1e}** |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
