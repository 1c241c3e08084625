"""The verdict: gates, cases, the run. `Summary` is `summary.json`, from which every report is rendered.

SUMMARY_SCHEMA_VERSION history: 1 first version; 2 a gate names the reply to look at (`worst_reply_seq`) and what it
would have been where it blocks (`would_be`); 3 what changed since earlier runs (`changes`); 4 how sessions were kept apart
(`side_by_side`), and this run beside one over the clean link (`changes.networks`); 5 which turns were DEGRADED
(`degraded` of an attempt); 6 limits of one's own (`limits`, and `shipped` and `limit_note` of a gate).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.model.capture import AgentUnderTest, PageUnderTest
from harness.model.case import Tier
from harness.model.changes import Changes
from harness.model.degraded import DegradedTurn
from harness.model.inside import Inner, OneName
from harness.model.limits import SHIPPED, Limits
from harness.model.measurement import Measurement
from harness.model.side_by_side import SideBySide
from harness.model.status import CaptureStatus, Status

SUMMARY_SCHEMA_VERSION = 6
READABLE = frozenset({3, 4, 5, 6})  # each of these reads as the newest: later fields have defaults


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GateResult(_Frozen):
    """One gate over a set of turns (a case's, or the run's)."""

    gate_id: str
    title: str
    ring: str
    blocking: bool
    value: float | None
    shown: str  # the value as printed, with its unit ("max of 12: 431 ms")
    threshold: float
    op: Literal["<=", "<", "==", ">="]
    unit: str
    n: int
    status: Status
    reason: str = ""
    worst_trace_id: str | None = None  # where to look
    worst_reply_seq: int | None = None  # None: the call as a whole
    would_be: Status | None = None  # a WARN's status where the gate blocks
    shipped: float | None = None  # the threshold that ships, where another one judges
    limit_note: str = ""  # whose threshold it is then: "yours; shipped 650"


class AttemptVerdict(_Frozen):
    trace_id: OneName
    attempt: int
    capture_status: CaptureStatus
    detail: str
    status: Status
    gates: list[GateResult]
    measurement: Measurement | None
    folder: Inner  # relative to the run folder
    pictures: list[Inner] = Field(default_factory=list)  # relative to the run folder
    degraded: list[DegradedTurn] = Field(default_factory=list)  # turns in which an engine's reserve worked
    wall_s: float | None = None


class CaseVerdict(_Frozen):
    case_id: OneName
    title: str
    tier: Tier
    status: Status
    reason: str = ""
    attempts: list[AttemptVerdict]


class Distribution(_Frozen):
    """Percentiles by linear interpolation (numpy's default), with n beside them. None where n is 0."""

    n: int
    p50: float | None
    p95: float | None
    p99: float | None
    min: float | None
    max: float | None


class TurnTaking(_Frozen):
    """USER_KPI over the run: raw and clamped at 0, and the talk-over that clamping would hide."""

    raw_ms: Distribution
    clamped_ms: Distribution
    talk_over_count: int
    talk_over_ms: Distribution


class Summary(_Frozen):
    schema_version: int = SUMMARY_SCHEMA_VERSION
    run_id: OneName
    started_at: str
    finished_at: str | None
    complete: bool  # False: interrupted or broken off; the rest covers what was run
    status: Status
    exit_code: int
    headline: str  # one sentence a reviewer can decide by
    suite: str
    lane: Literal["browser", "bot"]
    mic: Literal["scheduled", "device", "bot"]
    agent: AgentUnderTest
    page: PageUnderTest
    link: str
    turn_taking: TurnTaking
    gates: list[GateResult]  # blocking and warning, over the run
    cases: list[CaseVerdict]
    waterfall_median: str | None = None  # trace_id:reply_seq of the median turn
    waterfall_slowest: str | None = None
    unexplained_ms: Distribution | None = None
    first_attempt_pass_rate: float | None = None
    errors: list[str] = Field(default_factory=list)  # of the harness
    not_measured: list[str] = Field(default_factory=list)
    environment: dict[str, Any] = Field(default_factory=dict)
    limits: Limits = SHIPPED  # what judged the run, where that is not what ships
    side_by_side: SideBySide | None = None  # None: one session after the other
    changes: Changes | None = None  # None: no history is kept, or it holds nothing to compare with
    wall_s: float | None = None
