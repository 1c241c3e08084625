"""A night that is killed (SIGKILL) again and again, and resumed each time: is anything finished lost, or done twice?

    python benchmarks/night_kills.py --plan PLAN.yaml [--kills 20] [--out runs/killed_night] [-- --user bot …]

Each session of the night but the last is killed at a random moment (by seed) after its start, evenly drawn from `--between`
seconds: while it starts, in calls, between them, or while it writes. After each kill nothing it had started may live on after
10 s. At the end: every attempt that stood in the ledger before a kill stands there once, its capture untouched; every planned
attempt was played once; the night's own verdict follows. What comes after `--` goes to `earwitness nightly`.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from harness.model.capture import MANIFEST
from harness.nightly.folder import read_night
from harness.nightly.ledger import LEDGER, Ledger
from harness.nightly.units import Unit

GONE_TIMEOUT_S = 10.0
LAST_TIMEOUT_S = 4 * 3_600.0


@dataclass
class Checks:
    """What went wrong, if anything did. `seen`: attempts in the ledger → when their manifest was written."""

    seen: dict[Unit, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)

    def look(self, night: Path) -> None:
        """Whatever was in the ledger before must be there still, once, with the capture as it was written then."""
        parts = {part.id: night / part.folder for part in read_night(night).parts}
        attempts = [line for line in Ledger(night / LEDGER).read().lines if line.what == "attempt"]
        counts = Counter(line.unit for line in attempts)
        self.lost += [f"{unit} is gone from the ledger" for unit in self.seen.keys() - counts.keys()]
        self.lost += [f"{unit} stands {n} times in the ledger" for unit, n in counts.items() if n > 1]
        for line in attempts:
            manifest = parts[line.part] / "captures" / line.trace_id / MANIFEST
            if not manifest.is_file():
                self.lost.append(f"{line.unit}: {manifest} is gone")
                continue
            written_ns = manifest.stat().st_mtime_ns
            if self.seen.setdefault(line.unit, written_ns) != written_ns:
                self.lost.append(f"{line.unit}: its capture was written anew")


def one_session(arguments: list[str], log: Path, kill_after_s: float | None, checks: Checks) -> int | None:
    """Its exit status, or None if it was killed."""
    with log.open("ab") as out:
        night = subprocess.Popen(
            [sys.executable, "-u", "-m", "harness.commands.main", "nightly", *arguments], stdout=out, stderr=out
        )
        try:
            return night.wait(timeout=LAST_TIMEOUT_S if kill_after_s is None else kill_after_s)
        except subprocess.TimeoutExpired:
            started = psutil.Process(night.pid).children(recursive=True)
            night.kill()
            night.wait()
            _, alive = psutil.wait_procs(started, timeout=GONE_TIMEOUT_S)
            checks.left_behind += [" ".join(process.cmdline())[:100] for process in alive if process.is_running()]
            return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--between", type=float, nargs=2, default=(5.0, 60.0), metavar="S")
    parser.add_argument("--out", type=Path, default=Path("runs/killed_night"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("more", nargs="*", help="options of `earwitness nightly`, after --")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    before = set(given.out.glob("night-*"))
    log, checks, started_s = given.out / "sessions.log", Checks(), time.monotonic()
    night: Path | None = None
    code: int | None = None
    kills = 0
    while code is None:
        kill_after_s = rng.uniform(*given.between) if kills < given.kills else None
        own = ["--resume", night.name] if night is not None else ["--plan", str(given.plan), *given.more]
        code = one_session([*own, "--out", str(given.out)], log, kill_after_s, checks)
        night = next(iter(set(given.out.glob("night-*")) - before), None)
        if code is None:
            kills += 1
            if night is not None:
                checks.look(night)
            done = f"{len(checks.seen)} attempts done" if night is not None else "it had no folder yet"
            print(f"kill {kills} after {kill_after_s:.1f} s: {done}", flush=True)
    if night is None:
        raise SystemExit(f"the night ended with {code} before it had a folder, see {log}")
    checks.look(night)
    return tell(night, checks, kills, code, time.monotonic() - started_s)


def tell(night: Path, checks: Checks, kills: int, code: int, wall_s: float) -> int:
    plan, result = read_night(night), read_night(night).result
    planned = sum(found.planned for found in result.parts) if result is not None else 0
    print(f"\n{night}: {kills} kills, {wall_s:.0f} s, exit status {code}")
    print(f"attempts: {len(checks.seen)} of {planned} planned in {len(plan.parts)} parts")
    print(f"lost or double: {len(checks.lost)}; left behind: {len(checks.left_behind)}")
    for what in [*checks.lost, *checks.left_behind]:
        print(f"  {what}")
    fine = result is not None and result.complete and len(checks.seen) == planned
    return 0 if fine and not checks.lost and not checks.left_behind else 1


if __name__ == "__main__":
    sys.exit(main())
