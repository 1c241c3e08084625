"""Play the zoo: `python -m tests.zoo [--lane bot] [--quick] [--out FILE.md] [NAME …]`. Exit status 1 if a row is not right.

`--docs` plays nothing and writes the tables of docs/reference/strangers.md anew.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from harness.processes.ending import end_process_of
from tests.zoo.play import Played, open_zoo
from tests.zoo.row import BOTH, Lane, Row
from tests.zoo.table import DOCS, ROWS, disagreements, docs_with_rows, played_table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these strangers")
    parser.add_argument("--lane", choices=BOTH, help="bot or browser; both if not given")
    parser.add_argument("--quick", action="store_true", help="those that `make test` plays")
    parser.add_argument("--times", type=int, default=1, help="how often each is played")
    parser.add_argument("--latency", action="store_true", help="assert latencies and what they decide (a quiet host)")
    parser.add_argument("--runs", type=Path, default=Path("runs/zoo"), help="where the recordings go")
    parser.add_argument("--out", type=Path, help="write the table to this file as well")
    parser.add_argument("--docs", action="store_true", help="write the tables of docs/reference/strangers.md anew")
    options = parser.parse_args()
    unknown = set(options.names) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"no stranger is called {', '.join(sorted(unknown))}; known: {', '.join(r.name for r in ROWS)}")
    return options


def _chosen(options: argparse.Namespace) -> list[tuple[Row, Lane]]:
    rows = [r for r in ROWS if (not options.names or r.name in options.names) and (r.quick or not options.quick)]
    lanes = [options.lane] if options.lane else list(BOTH)
    return [(row, lane) for _ in range(options.times) for lane in lanes for row in rows if lane in row.lanes]


async def _play(options: argparse.Namespace) -> list[Played]:
    played = []
    async with open_zoo(options.runs) as zoo:
        for row, lane in _chosen(options):
            one = await zoo.play(row, lane, latency=options.latency)
            played.append(one)
            wrong = one.wrong(latency=options.latency)
            print(f"{row.name} {lane}: {'; '.join(wrong) or 'right'} ({one.wall_s:.0f} s, {one.folder})", flush=True)
    return played


def main() -> None:
    options = _options()
    if options.docs:
        DOCS.write_text(docs_with_rows(DOCS.read_text()))
        return
    played = asyncio.run(_play(options))
    table = played_table(played, latency=options.latency)
    between = [f"lanes differ: {line}" for line in disagreements(played, 60.0 if options.latency else None)]
    text = "\n".join([table, *between]) + "\n"
    print(text)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text)
    sys.exit(1 if between or any(one.wrong(latency=options.latency) for one in played) else 0)


if __name__ == "__main__":
    end_process_of(main)
