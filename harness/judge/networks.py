"""What one network did to a conversation, metric by metric, to stand beside another's. Pure; no statistics between columns.

A turn counts if it answers something the user said and its number is to be believed; a call whose network was not proven
to have been applied counts nowhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.judge.network import APPLIED
from harness.judge.statistics import ENOUGH_FOR_P95, distribution
from harness.model.measurement import Measurement
from harness.model.networks import Figure, NetworkColumn
from harness.model.verdict import Summary

CLEAN = ("wifi_good", "none")  # the links that do nothing to packets, the preferred one first


@dataclass(frozen=True)
class Row:
    metric: str
    title: str
    unit: str


_BOTH = (
    Row("concealed_ratio", "concealed samples of a reply", "share"),
    Row("decelerated_ms", "stretched by the jitter buffer, a reply", "ms"),
    Row("accelerated_ms", "shortened by the jitter buffer, a reply", "ms"),
    Row("recovery_ms", "recovery after an outage: its end → the reply goes on", "ms"),
)
ROWS: Mapping[str, tuple[Row, ...]] = {
    "browser": (
        Row("user_kpi_raw_ms", "USER_KPI: user's last word → agent audible at the ear", "ms"),
        Row("barge_in_to_silence_ms", "barge-in: interruption → silence at the ear", "ms"),
        Row("max_gap_ear_ms", "longest hole of a reply, at the ear", "ms"),
        Row("dropout_count_ear", "audible dropouts of a reply, at the ear", ""),
        *_BOTH,
    ),
    "bot": (
        Row("eot_to_first_audio_ms", "end of turn → first audio at the second listener", "ms"),
        Row("barge_in_to_silence_ms", "barge-in: interruption → silence", "ms"),
        Row("max_gap_ms", "longest hole of a reply", "ms"),
        Row("dropout_count", "audible dropouts of a reply", ""),
        *_BOTH,
    ),
}


def make_column(
    run_id: str,
    link: str,
    started_at: str,
    values: Mapping[str, Sequence[float]],
    lane: str,
    *,
    turns: int,
    unproven: int,
) -> NetworkColumn:
    """`values`: metric → one number a turn."""
    return NetworkColumn(
        run_id=run_id,
        link=link,
        started_at=started_at,
        turns=turns,
        unproven=unproven,
        figures=[_figure(row.metric, values.get(row.metric, ())) for row in ROWS[lane]],
    )


def _figure(metric: str, values: Sequence[float]) -> Figure:
    found = distribution(list(values))
    p95 = found.p95 if found.n >= ENOUGH_FOR_P95 else None
    return Figure(metric=metric, n=found.n, median=found.p50, p95=p95, max=found.max)


def column_of(summary: Summary, cases: Collection[str]) -> NetworkColumn:
    """The column of one run's summary, over `cases`."""
    measured = [
        attempt.measurement
        for case in summary.cases
        if case.case_id in cases
        for attempt in case.attempts
        if attempt.measurement is not None
    ]
    proven = [m for m in measured if is_proven(m)]
    turns = [turn for m in proven if m.validity.ok for turn in m.turns if turn.utterance is not None]
    wanted = [row.metric for row in ROWS[summary.lane]]
    values: dict[str, list[float]] = {}
    counted = 0  # turns with any number that is to be believed
    for turn in turns:
        known = [(name, turn.metrics[name]) for name in wanted if name in turn.metrics]
        believed = [(name, metric.value) for name, metric in known if metric.value is not None and not metric.invalid]
        counted += bool(believed)
        for name, value in believed:
            values.setdefault(name, []).append(value)
    return make_column(
        summary.run_id, summary.link, summary.started_at, values, summary.lane,
        turns=counted, unproven=len(measured) - len(proven),
    )  # fmt: skip


def is_proven(measurement: Measurement) -> bool:
    """True as well without a link that could apply anything."""
    applied = measurement.metrics.get(APPLIED)
    return applied is None or applied.value == 1


def clean_first(columns: Iterable[NetworkColumn]) -> list[NetworkColumn]:
    """The clean link ahead, the rest as they come."""
    return sorted(columns, key=lambda column: CLEAN.index(column.link) if column.link in CLEAN else len(CLEAN))
