"""What the ledger says of capture folders that are taken to be clean: its floors, and what it would raise a false alarm over.

    python -m benchmarks.ledger_floors RUN/captures/* ...

Each capture is heard again. For each lane and listener: how many replies, the worst value of each judged metric, the lowest
likeness over 100 ms, and every reply that a gate of the ledger would fail or warn over.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from harness.errors import UsageError
from harness.judge.nearest_fault import unlisted_firings
from harness.listen.measure import listen
from harness.model.measurement import Measurement, Turn

SUFFIXES = {"post_rtc": ("",), "ear": ("_ear", "_between")}
JUDGED = ("lost_longest{}_ms", "foreign_longest{}_ms", "repeated{}_ms", "moved_count{}")
LIKENESS = "likeness_min{}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("captures", nargs="+", type=Path)
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    alarms: list[str] = []
    replies = 0
    for folder in parser.parse_args().captures:
        try:
            measured = listen(folder)
        except UsageError as error:
            print(f"left out: {error}")
            continue
        for turn in measured.turns:
            replies += bool(turn.ledger)
            fired = unlisted_firings(turn)
            alarms += [f"{folder.name}, reply {turn.reply_seq}: {', '.join(sorted(fired))}"] if fired else []
            for ring, name, value in _judged(measured, turn):
                values[measured.lane, ring, name].append(value)
    print(f"{replies} replies with a ledger, {len(alarms)} with an alarm")
    for (lane, ring, name), found in sorted(values.items()):
        low = name.startswith("likeness")
        print(f"{lane:8} {ring:9} {name:28} n {len(found):5}  {'lowest' if low else 'highest'} "
              f"{min(found) if low else max(found):.3f}")  # fmt: skip
    print(*alarms, sep="\n")


def _judged(measured: Measurement, turn: Turn) -> Iterator[tuple[str, str, float]]:
    for ring in turn.ledger:
        for suffix in SUFFIXES[ring]:
            for pattern in (*JUDGED, LIKENESS):
                metric = turn.metrics.get(pattern.format(suffix))
                if metric is not None and metric.value is not None and not metric.invalid:
                    yield ring, pattern.format(suffix), metric.value


if __name__ == "__main__":
    main()
