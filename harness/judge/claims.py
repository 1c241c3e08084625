"""What the agent reports as its latency, against what was heard, over a run: the agreement of two methods. Pure.

Bland and Altman, "Statistical methods for assessing agreement between two methods of clinical measurement", Lancet 1986: each
turn's difference over its mean; the bias is the mean difference, the limits of agreement lie 1.96 standard deviations about it.
Claims that are missing or absurd are counted, and are no part of it; nor is a latency that is not to be believed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.model.measurement import Measurement, Metric, Turn
from harness.model.verdict import Summary

CLAIMED, DIFFERENCE, BEFORE, AFTER = "claimed_latency_ms", "claim_difference_ms", "claim_before_ms", "claim_after_ms"
KPI = {"browser": "user_kpi_raw_ms", "bot": "eot_to_first_audio_ms"}
FEWEST_FOR_LIMITS = 5  # turns; a spread of fewer says little
LIMITS_SD = 1.96


@dataclass(frozen=True)
class ClaimedTurn:
    """A turn whose claim is compared. `before_ms`, `after_ms`: the parts of the difference, where they are known."""

    where: str
    heard_ms: float
    claimed_ms: float
    before_ms: float | None
    after_ms: float | None

    @property
    def difference_ms(self) -> float:
        return self.heard_ms - self.claimed_ms

    @property
    def mean_ms(self) -> float:
        return (self.heard_ms + self.claimed_ms) / 2


@dataclass(frozen=True)
class FaultyClaim:
    """A claim that is missing (`claimed_ms` is None) or absurd."""

    where: str
    claimed_ms: float | None
    why: str


@dataclass(frozen=True)
class Claims:
    """Over a run. `left_out`: turns whose own latency was not measured, or is not to be believed."""

    turns: tuple[ClaimedTurn, ...]
    missing: tuple[FaultyClaim, ...]
    absurd: tuple[FaultyClaim, ...]
    left_out: int

    @property
    def bias_ms(self) -> float | None:
        return float(np.mean([turn.difference_ms for turn in self.turns])) if self.turns else None

    @property
    def limits_ms(self) -> tuple[float, float] | None:
        """The limits of agreement; None for too few turns."""
        bias_ms = self.bias_ms
        if bias_ms is None or len(self.turns) < FEWEST_FOR_LIMITS:
            return None
        spread_ms = LIMITS_SD * float(np.std([turn.difference_ms for turn in self.turns], ddof=1))
        return bias_ms - spread_ms, bias_ms + spread_ms

    @property
    def parts(self) -> list[ClaimedTurn]:
        """The turns in which both parts are known."""
        return [turn for turn in self.turns if turn.before_ms is not None and turn.after_ms is not None]


def claims_of(summary: Summary) -> Claims | None:
    """None where the agent reports no latency at all."""
    turns: list[ClaimedTurn] = []
    missing: list[FaultyClaim] = []
    absurd: list[FaultyClaim] = []
    left_out = 0
    for attempt in (attempt for case in summary.cases for attempt in case.attempts):
        measurement = attempt.measurement
        for turn in measurement.turns if measurement is not None else ():
            claimed, where = turn.metrics.get(CLAIMED), f"{attempt.trace_id}, reply {turn.reply_seq}"
            if measurement is None or claimed is None or claimed.not_applicable:
                continue
            if claimed.value is None:
                missing.append(FaultyClaim(where, None, claimed.reason))
            elif claimed.invalid:
                absurd.append(FaultyClaim(where, claimed.value, claimed.reason))
            else:
                compared = _compared(measurement, turn, claimed.value, where)
                left_out += compared is None
                turns += [compared] if compared is not None else []
    if not (turns or missing or absurd or left_out):
        return None
    return Claims(tuple(turns), tuple(missing), tuple(absurd), left_out)


def _compared(measurement: Measurement, turn: Turn, claimed_ms: float, where: str) -> ClaimedTurn | None:
    heard_ms = _believed(measurement, turn.metrics.get(KPI[measurement.lane]))
    if heard_ms is None:
        return None
    before_ms, after_ms = (_believed(measurement, turn.metrics.get(name)) for name in (BEFORE, AFTER))
    return ClaimedTurn(where, heard_ms, claimed_ms, before_ms, after_ms)


def _believed(measurement: Measurement, metric: Metric | None) -> float | None:
    return metric.value if metric is not None and measurement.validity.ok and not metric.invalid else None
