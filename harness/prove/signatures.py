"""Which gates each known fault trips, counted from the trials, and how surely that tells the faults apart.

Faults that sound alike (one hole or many, faster or slower) share one signature and one label.

A signature counts audible, valid trials at a fault's stated limit or beyond, in calls and over recordings. The check leaves
out one call at a time: the signatures of all other calls label its replies.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.judge.nearest_fault import SOUND_GATES, Signature, nearest_faults
from harness.model.capture import write_atomic
from harness.prove.catalogue import BY_ID, CATALOGUE, called
from harness.prove.trials import CLEAN, Trial

SIGNATURES_JSON = "signatures.json"
LEAST_TRIALS = 10
KNOWN_GATES = frozenset(gate.id for gate in SOUND_GATES)


@dataclass(frozen=True)
class Labelled:
    """One fault's labels. `right`: its own (that of all faults that sound alike) came first; `taken_for`: others that did."""

    fault: str
    n: int
    right: int
    unlabelled: int
    taken_for: tuple[tuple[str, int], ...]


def _of_sound(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that a signature counts."""
    return [
        t
        for t in trials
        if t.fault != CLEAN
        and t.audible
        and t.believed
        and KNOWN_GATES & set(BY_ID[t.fault].gates)
        and t.severity in BY_ID[t.fault].severities_from_limit()
    ]


def count_signatures(trials: Sequence[Trial]) -> list[Signature]:
    return _counted(_tally(_of_sound(trials)))


Tally = dict[str, tuple[int, Counter[str]]]


def _tally(trials: Sequence[Trial]) -> Tally:
    found: Tally = {}
    for trial in trials:
        name = called(trial.fault)
        n, fired = found.get(name, (0, Counter()))
        fired.update(KNOWN_GATES & set(trial.fired))
        found[name] = (n + 1, fired)
    return found


def _counted(tally: Tally) -> list[Signature]:
    return [Signature(fault, n, dict(fired)) for fault, (n, fired) in sorted(tally.items()) if n >= LEAST_TRIALS]


def label_each(trials: Sequence[Trial]) -> list[Labelled]:
    """Label every trial by the signatures of other calls."""
    mine = _of_sound(trials)
    whole, by_call = _tally(mine), defaultdict(list)
    for trial in mine:
        by_call[trial.trace_id].append(trial)
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for own in by_call.values():
        others = _counted(_without(whole, _tally(own)))
        seen: dict[frozenset[str], str] = {}
        for trial in own:
            fired = frozenset(trial.fired)
            if fired not in seen:
                found = nearest_faults(fired, others)
                seen[fired] = found[0].fault if found else ""
            answers[trial.fault][seen[fired]] += 1
    rows = []
    for fault in (f.id for f in CATALOGUE if f.id in answers):
        labels = answers[fault]
        label = called(fault)
        wrong = tuple((name, count) for name, count in labels.most_common() if name not in (label, ""))
        rows.append(Labelled(fault, sum(labels.values()), labels[label], labels[""], wrong))
    return rows


def _without(whole: Tally, part: Tally) -> Tally:
    return {
        fault: (n - part[fault][0], fired - part[fault][1]) if fault in part else (n, fired)
        for fault, (n, fired) in whole.items()
    }


def write_signatures(folder: Path, signatures: Sequence[Signature]) -> None:
    """`signatures.json`, as `harness/judge` keeps it. Raises OSError."""
    record = {s.fault: {"n": s.n, "fired": dict(sorted(s.fired.items()))} for s in signatures}
    write_atomic(folder / SIGNATURES_JSON, (json.dumps(record, indent=1) + "\n").encode())


def label_lines(rows: Sequence[Labelled]) -> list[str]:
    if not rows:
        return ["No trials to tell apart."]
    n, right = sum(row.n for row in rows), sum(row.right for row in rows)
    lines = [
        f"The label is right for {right} of {n} replies ({100 * right / n:.0f} %), each labelled without its own call.",
        "",
        "| fault | replies | labelled right | without a label | taken for |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        others = ", ".join(f"{name} {count}" for name, count in row.taken_for)
        lines.append(f"| {row.fault} | {row.n} | {row.right} | {row.unlabelled} | {others} |")
    return lines
