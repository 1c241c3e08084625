"""What sessions side by side cost: wall time against distortion, the same suite with one session at a time and with several.

    python benchmarks/side_by_side.py --user browser --suite fast --jobs 2,3,4
    python benchmarks/side_by_side.py --user bot --suite mini --jobs 2 --repeat 2

Every turn is paired with the same turn (case, attempt, utterance) of the run with one session at a time; a shift is its latency
(USER_KPI, in the bot lane end of turn → first audio) less that one. A second run with one at a time shows how far two runs
differ by themselves, which no figure below it can undercut. Turns that are INVALID in either run are counted, and not paired.
Needs a quiet machine: `host busy` says how often the governor found it was not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from harness.model.verdict import Summary
from harness.settings import load_settings

METRICS = {"browser": "user_kpi_raw_ms", "bot": "eot_to_first_audio_ms"}
Key = tuple[str, int, int]  # case, attempt, utterance


@dataclass(frozen=True)
class Row:
    """One run. Shifts in ms against the first one; None where nothing could be paired."""

    what: str
    jobs: int
    run_id: str
    wall_s: float | None
    status: str
    turns: int
    invalid: int
    holds: int | None
    pairs: int
    p50_ms: float | None
    p95_ms: float | None
    p95_abs_ms: float | None


def latencies(summary: Summary) -> tuple[dict[Key, float], int]:
    """(latency of each turn that is to be believed, how many are not)."""
    found: dict[Key, float] = {}
    invalid = 0
    for case in summary.cases:
        for attempt in case.attempts:
            measured = attempt.measurement
            for turn in measured.turns if measured is not None else ():
                metric = turn.metrics.get(METRICS[summary.lane])
                if turn.utterance is None or metric is None or metric.value is None:
                    continue
                assert measured is not None
                if metric.invalid or not measured.validity.ok:
                    invalid += 1
                else:
                    found[case.case_id, attempt.attempt, turn.utterance] = metric.value
    return found, invalid


def compare(what: str, summary: Summary, alone: Mapping[Key, float]) -> Row:
    own, invalid = latencies(summary)
    shifts = [own[key] - alone[key] for key in own if key in alone]
    p50, p95 = (float(v) for v in np.percentile(shifts, [50, 95])) if shifts else (None, None)
    record = summary.side_by_side
    return Row(
        what=what,
        jobs=record.jobs if record is not None else 1,
        run_id=summary.run_id,
        wall_s=summary.wall_s,
        status=summary.status,
        turns=len(own) + invalid,
        invalid=invalid,
        holds=record.holds if record is not None else None,
        pairs=len(shifts),
        p50_ms=p50,
        p95_ms=p95,
        p95_abs_ms=float(np.percentile(np.abs(shifts), 95)) if shifts else None,
    )


async def measure(arguments: argparse.Namespace) -> list[Row]:
    from harness.provide.cache import cache_dir
    from harness.run.cases import build_cases, load_checked_cases, select_cases
    from harness.run.open import run_plan
    from harness.run.plan import make_plan

    flags = {"lane": arguments.user, "suite": arguments.suite, "runs": arguments.runs, "repeat": arguments.repeat}
    base = load_settings(flags | {"history": "off"})
    built = build_cases(select_cases(load_checked_cases([base.cases]), base.suite, []), cache_dir() / "cases")
    rows: list[Row] = []
    alone: dict[Key, float] = {}
    for index, jobs in enumerate([1, 1, *arguments.jobs]):
        settings = load_settings(flags | {"history": "off", "jobs": jobs})
        summary = await run_plan(make_plan(settings, built), settings)
        if index == 0:
            alone, _ = latencies(summary)
        what = ("one at a time", "one at a time, again")[index] if index < 2 else f"{jobs} side by side"
        rows.append(compare(what, summary, {} if index == 0 else alone))
        print(line(rows[-1]), flush=True)
    return rows


HEADINGS = (
    "run",
    "wall",
    "status",
    "turns",
    "INVALID",
    "host busy",
    "pairs",
    "shift P50",
    "shift P95",
    "P95 of its size",
)


def line(row: Row) -> str:
    def ms(value: float | None) -> str:
        return "–" if value is None else f"{value:+.1f} ms"

    wall = "–" if row.wall_s is None else f"{row.wall_s:.0f} s"
    holds = "–" if row.holds is None else str(row.holds)
    cells: Sequence[object] = (
        row.what, wall, row.status, row.turns, row.invalid, holds, row.pairs, ms(row.p50_ms), ms(row.p95_ms),
        ms(row.p95_abs_ms).lstrip("+"),
    )  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--user", choices=sorted(METRICS), default="browser")
    parser.add_argument("--suite", default="fast")
    parser.add_argument("--jobs", type=lambda text: [int(part) for part in text.split(",")], default=[2, 3])
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/side_by_side"))
    arguments = parser.parse_args()
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS))
    rows = asyncio.run(measure(arguments))
    place = arguments.runs / "side_by_side.json"
    place.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    print(f"\n{place}")


if __name__ == "__main__":
    main()
