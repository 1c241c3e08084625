"""How many turns of a run were DEGRADED, by which engine and why. Counts only: no status depends on it (R-96)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from harness.model.degraded import LABEL, DegradedBy, engine_and_why
from harness.model.verdict import AttemptVerdict

EXAMPLES = 5


def degraded_by(attempts: Iterable[AttemptVerdict]) -> list[DegradedBy]:
    """The most frequent first. A turn counts once under each engine that did not do its part."""
    traces: dict[tuple[str, str], list[str]] = {}
    for attempt in attempts:
        for turn in attempt.degraded:
            for key in dict.fromkeys(engine_and_why(note) for note in turn.notes):
                traces.setdefault(key, []).append(attempt.trace_id)
    return [_row(engine, why, found, len(found)) for (engine, why), found in _ordered(traces)]


def added_up(rows: Iterable[DegradedBy]) -> list[DegradedBy]:
    """The rows of several parts, summed by engine and reason."""
    traces: dict[tuple[str, str], list[str]] = {}
    turns: Counter[tuple[str, str]] = Counter()
    for row in rows:
        traces.setdefault((row.engine, row.why), []).extend(row.examples)
        turns[row.engine, row.why] += row.turns
    ordered = sorted(traces.items(), key=lambda item: (-turns[item[0]], item[0]))
    return [_row(engine, why, found, turns[engine, why]) for (engine, why), found in ordered]


def degraded_in_words(attempts: Sequence[AttemptVerdict]) -> str:
    """ "3 turns DEGRADED (tts 2, llm 1)"; "" if there is none."""
    turns = [turn for attempt in attempts for turn in attempt.degraded]
    if not turns:
        return ""
    engines = Counter(engine for turn in turns for engine in turn.engines)
    named = ", ".join(f"{engine} {count}" if len(turns) > 1 else engine for engine, count in engines.most_common())
    return f"{len(turns)} {'turn' if len(turns) == 1 else 'turns'} {LABEL} ({named})"


def _ordered(traces: dict[tuple[str, str], list[str]]) -> list[tuple[tuple[str, str], list[str]]]:
    return sorted(traces.items(), key=lambda item: (-len(item[1]), item[0]))


def _row(engine: str, why: str, traces: list[str], turns: int) -> DegradedBy:
    return DegradedBy(engine=engine, why=why, turns=turns, examples=list(dict.fromkeys(traces))[:EXAMPLES])
