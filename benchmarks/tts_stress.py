"""200 rounds of rude clients against our own TTS server (R-62): what broke, what was polluted, what grew.

    python benchmarks/tts_stress.py [--rounds 200] [--seed 1] [--concurrency 4]

Exit status: 0 nothing broke; 1 otherwise. Memory is printed, and held to MOST_KIB_A_ROUND.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import numpy as np

from harness.tts_regression.server import tts_server
from harness.tts_regression.stress import StressResult, stress

MOST_KIB_A_ROUND = 20.0  # 4 MiB over 200 rounds


async def measure(rounds: int, seed: int, concurrency: int, block: int) -> tuple[StressResult, int]:
    """What was found, and how many crash dumps there are."""
    with tempfile.TemporaryDirectory(prefix="tts-stress-") as name:
        folder = Path(name)
        async with tts_server(folder, concurrency=concurrency, spare=True) as url:
            found = await stress(url, rounds, seed, block)
        return found, len(list((folder / "crashes").glob("crash-*.json")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--block", type=int, default=10, help="rounds between two readings of the memory")
    asked = parser.parse_args()
    found, dumps = asyncio.run(measure(asked.rounds, asked.seed, asked.concurrency, asked.block))
    slopes = found.slopes_kib()
    print(f"{found.rounds} rounds {found.by_how}, {found.compared} whole requests compared with quiet ones")
    print(f"polluted {len(found.polluted)} {found.polluted[:3]}")
    print(f"unexplained {len(found.unexplained)} {found.unexplained[:3]}")
    print(
        f"kills {found.kills}, restarts {found.restarts}, dumps {dumps}, requests lost to the kill {found.lost_to_the_kill}"
    )
    print(f"killed → first sound of the next request: {found.back_after_ms or float('nan'):.0f} ms")
    if found.cancel_ms:
        p50, p95 = np.percentile(found.cancel_ms, [50, 95])
        print(f"cancel → silent, answered: P50 {p50:.1f}, P95 {p95:.1f} ms (n {len(found.cancel_ms)})")
    print(f"memory of each worker, KiB a round: {[round(slope, 2) for slope in slopes.values()]}")
    print("  " + ", ".join(f"{at}: {kib:.0f}" for _, at, kib in found.rss_kib))
    print(f"in progress at the end: {found.in_progress_at_end}")
    fine = not found.polluted and not found.unexplained and found.kills == found.restarts == dumps
    fine = fine and found.in_progress_at_end == 0 and all(slope <= MOST_KIB_A_ROUND for slope in slopes.values())
    print("in order" if fine else "NOT in order")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
