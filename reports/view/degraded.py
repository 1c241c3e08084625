"""DEGRADED turns of a run for its reports: which engine's reserve worked, why, in which turns, and how long those took.

Text is raw: the templates escape it. None where no turn was DEGRADED, or no agent reported it.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.judge.degraded import degraded_by, degraded_in_words
from harness.judge.numbers import show
from harness.judge.statistics import distribution
from harness.model.measurement import Turn
from harness.model.verdict import AttemptVerdict, Summary
from reports.view.heard import doubt, first_latency

SHOWN = 20  # turns; the engines' counts cover all
ENGINES = {"tts": "voice (tts)", "stt": "speech to text (stt)", "llm": "language model (llm)"}


@dataclass(frozen=True)
class DegradedTurnRow:
    case_id: str
    where: str
    latency: str
    why: str


@dataclass(frozen=True)
class DegradedView:
    """`engines`: (engine, why, turns, an attempt). `latency`: that of these and of other turns."""

    headline: str
    engines: tuple[tuple[str, str, str, str], ...]
    latency: str
    turns: tuple[DegradedTurnRow, ...]
    left_out: int


def degraded_view(summary: Summary) -> DegradedView | None:
    attempts = [(case.case_id, attempt) for case in summary.cases for attempt in case.attempts]
    attempted = [attempt for _, attempt in attempts]
    headline = degraded_in_words(attempted)
    if not headline:
        return None
    rows = [
        DegradedTurnRow(
            case_id=case_id,
            where=f"attempt {attempt.attempt}, "
            + (f"reply {turn.reply_seq}" if turn.reply_seq is not None else "no reply came of it"),
            latency=_latency(attempt, turn.reply_seq),
            why="; ".join(turn.notes),
        )
        for case_id, attempt in attempts
        for turn in attempt.degraded
    ]
    return DegradedView(
        headline=headline,
        engines=tuple(
            (ENGINES.get(row.engine, row.engine), row.why, str(row.turns), row.examples[0])
            for row in degraded_by(attempted)
        ),
        latency=_beside_the_others(attempted),
        turns=tuple(rows[:SHOWN]),
        left_out=max(0, len(rows) - SHOWN),
    )


def notes_of(attempt: AttemptVerdict, turn: Turn) -> str:
    """Why a turn was DEGRADED; "" if it was not."""
    return "; ".join(note for found in attempt.degraded if found.reply_seq == turn.reply_seq for note in found.notes)


def _value(attempt: AttemptVerdict, turn: Turn) -> float | None:
    """The turn's first latency, if it is to be believed."""
    if attempt.measurement is None:
        return None
    metric = first_latency(attempt.measurement, turn)
    return None if metric is None or doubt(attempt.measurement, metric) else metric.value


def _latency(attempt: AttemptVerdict, reply_seq: int | None) -> str:
    turns = attempt.measurement.turns if attempt.measurement is not None else []
    value = next((_value(attempt, turn) for turn in turns if turn.reply_seq == reply_seq), None)
    return show(value, "ms") if value is not None else "–"


def _beside_the_others(attempts: list[AttemptVerdict]) -> str:
    values: dict[bool, list[float]] = {True: [], False: []}
    for attempt in attempts:
        for turn in attempt.measurement.turns if attempt.measurement is not None else ():
            value = _value(attempt, turn)
            if value is not None:
                values[bool(notes_of(attempt, turn))].append(value)
    these, others = distribution(values[True]), distribution(values[False])
    beside = f"all others P50 {show(others.p50, 'ms')} (n {others.n})" if others.n else "no other was timed"
    if not these.n:
        return f"None of these turns was timed; {beside}."
    middle = f"these turns P50 {show(these.p50, 'ms')} (n {these.n})"
    return f"Their latencies are counted with the others: {middle}, {beside}."
