"""How many changes that no catalogue lists the ears let pass. Run by hand:

    python benchmarks/open_world.py [VOICE=]CAPTURE_OR_RUN… [--kinds a,b] [--places pre,post,ear] [--jobs 1] [--out DIR] [--clean]

Each kind of change in `benchmarks/changes`, at two severities and each place, is laid into recorded clean calls and heard by
the ears of today. Writes rows.jsonl and open_world.md. `--clean` changes nothing and counts false alarms: in each call as
it was recorded, and encoded again and laid in, which is the method's own control.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from benchmarks.changes.all_kinds import ALL, BY_ID
from benchmarks.changes.judged import Fired, Row, fired_on, rows_of
from benchmarks.changes.kind import PLACES, SEVERITIES, Kind, Place
from benchmarks.changes.laying import Call, call_of, changed, places_of, unchanged
from benchmarks.changes.tables import clean_page, page, summary_lines
from harness.errors import UsageError
from harness.judge.table import BY_ID as GATES
from harness.listen.measure import measure
from harness.listen.read.reading import read_capture
from harness.model import capture
from harness.model.measurement import Measurement

Given, Found = TypeVar("Given"), TypeVar("Found")
Source = tuple[str, Path]  # (voice, capture folder)
BLAME_WANTED = 0.95


@lru_cache(maxsize=1)
def ready(folder: Path) -> tuple[Call, Measurement, dict[int | None, Fired]]:
    """A call and what the ears make of it unchanged; kept for the next kind, in each process of the pool."""
    call = call_of(read_capture(folder))
    case = call.scene.capture.case
    assert case is not None
    before = measure(unchanged(call))
    return call, before, fired_on(case, before)


def hear(task: tuple[Source, str, tuple[Place, ...]]) -> list[Row]:
    """All severities and places of one kind in one call."""
    (voice, folder), kind_id, places = task
    call, before, usually = ready(folder)
    case = call.scene.capture.case
    assert case is not None
    rows = []
    for place in (place for place in places_of(call) if place in places):
        for severity in SEVERITIES:
            heard, struck = changed(call, BY_ID[kind_id], severity, place)
            rows += rows_of(BY_ID[kind_id], severity, place, voice, case, measure(heard), struck, (before, usually))
    return rows


def sound_gates(fired: Fired) -> set[str]:
    """Of the gates that fire, those that judge how a reply sounds."""
    return {gate for gate in fired.blocking | fired.warning if GATES[gate].of_sound}


def hear_clean(source: Source) -> list[dict[str, object]]:
    """What fires on a call as it was recorded, and laid in without a change; one a reply and form."""
    voice, folder = source
    call, laid, usually = ready(folder)
    case, recorded = call.scene.capture.case, measure(call.scene.capture)
    assert case is not None
    found: list[dict[str, object]] = []
    for form, heard, fired in (("recorded", recorded, fired_on(case, recorded)), ("laid in", laid, usually)):
        for index, turn in enumerate(heard.turns):
            own = fired.get(turn.reply_seq, Fired())
            own = own.joined(fired.get(None, Fired())) if index == 0 else own  # of the call: once
            found.append(
                {
                    "voice": voice, "form": form, "lane": heard.lane, "trace_id": heard.trace_id,
                    "reply": turn.reply_seq, "valid": heard.validity.ok, "blocking": sorted(own.blocking),
                    "warning": sorted(own.warning), "lacking": sorted(own.lacking),
                }
            )  # fmt: skip
    return found


def sources_in(given: Sequence[str]) -> list[Source]:
    """Capture folders, or all those of a run, with the voice that stands before "=". Raises UsageError if there is none."""
    found: list[Source] = []
    for text in given:
        voice, _, path = text.rpartition("=")
        folders = sorted({manifest.parent for manifest in Path(path).rglob(capture.MANIFEST)})
        if not folders:
            raise UsageError(f"{path}: no capture is in it; give runs/<run_id> or runs/<run_id>/captures/<trace_id>")
        found += [(voice or "unnamed", folder) for folder in folders]
    return found


def usable(sources: Sequence[Source], *, clean: bool) -> list[Source]:
    """Those with a reply that can be changed; `clean`: where no gate of sound fires without one. Says why one is left out."""
    kept = []
    for source in sources:
        try:
            if clean:
                why = why_not_clean(source[1])
                if why:
                    raise ValueError(f"{source[1]}: it is not clean ({why}), so nothing in it shows a change")
            else:
                call_of(read_capture(source[1]))
        except (UsageError, ValueError) as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        kept.append(source)
    return kept


def why_not_clean(folder: Path) -> str:
    _, before, usually = ready(folder)
    fired = sorted({gate for fired in usually.values() for gate in sound_gates(fired)})
    return ", ".join(fired) or "; ".join(before.validity.reasons)


def kinds_named(names: str) -> tuple[Kind, ...]:
    """Raises UsageError."""
    unknown = [name for name in names.split(",") if name and name not in BY_ID]
    if unknown:
        raise UsageError(f"--kinds: unknown {', '.join(unknown)}; known: {', '.join(BY_ID)}")
    return tuple(BY_ID[name] for name in names.split(",") if name) or ALL


def in_pool(do: Callable[[Given], Found], tasks: Sequence[Given], jobs: int, *, at_once: int) -> Iterator[Found]:
    """In order. `at_once`: neighbouring tasks that one process does, since they share a call."""
    if jobs == 1:
        yield from map(do, tasks)
        return
    with ProcessPoolExecutor(max_workers=jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(do, tasks, chunksize=at_once)


def heard_in_pool(
    sources: Sequence[Source], kinds: Sequence[Kind], places: tuple[Place, ...], jobs: int
) -> Iterator[Row]:
    tasks = [(source, kind.id, places) for source in sources for kind in kinds]
    for number, rows in enumerate(in_pool(hear, tasks, jobs, at_once=len(kinds)), start=1):
        print(f"\r{number}/{len(tasks)} {tasks[number - 1][1]:<26}", end="", file=sys.stderr, flush=True)
        yield from rows
    print(file=sys.stderr)


def reached(rows: Sequence[Row]) -> bool:
    """Nothing that is due passes silently, and the blame is right for 95 % of what is due."""
    due = [row for row in rows if row.due]
    blamed = Counter(row.blame for row in due)
    return bool(due) and not any(row.outcome == "silent" for row in due) and blamed["right"] >= BLAME_WANTED * len(due)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="+", metavar="[VOICE=]PATH", help="capture folders or runs, with their voice")
    parser.add_argument("--kinds", default="", help="only these, with commas between; default: all")
    parser.add_argument("--places", default=",".join(PLACES), help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="processes that listen")
    parser.add_argument("--out", type=Path, default=Path("open_world"), help="default: %(default)s")
    parser.add_argument("--clean", action="store_true", help="change nothing and count false alarms")
    given = parser.parse_args()
    try:
        sources, kinds = usable(sources_in(given.captures), clean=not given.clean), kinds_named(given.kinds)
    except UsageError as error:
        parser.error(str(error))
    places = tuple(place for place in PLACES if place in given.places.split(","))
    given.out.mkdir(parents=True, exist_ok=True)
    if given.clean:
        replies = [reply for found in in_pool(hear_clean, sources, given.jobs, at_once=1) for reply in found]
        (given.out / "clean.jsonl").write_text("".join(json.dumps(reply) + "\n" for reply in replies))
        (given.out / "clean.md").write_text(clean_page(replies))
        print(clean_page(replies))
        return 1 if any(reply["blocking"] for reply in replies) else 0
    rows = []
    with (given.out / "rows.jsonl").open("w") as file:
        for row in heard_in_pool(sources, kinds, places, given.jobs):
            file.write(json.dumps(asdict(row)) + "\n")
            rows.append(row)
    (given.out / "open_world.md").write_text(page(rows))
    print("\n".join(summary_lines(rows)))
    return 0 if reached(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
