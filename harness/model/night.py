"""A night as it is recorded in `night.json`: what was asked for, with what, and the results.

Shares are hits of n with their exact 95 % interval (Clopper-Pearson); times are s, sizes bytes, latencies ms.
NIGHT_SCHEMA_VERSION history: 1 first version; 2 DEGRADED turns and the browser's own recordings of a part.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.model.degraded import DegradedBy
from harness.model.inside import Inner, OneName
from harness.model.status import Status
from harness.model.verdict import Distribution

NIGHT_SCHEMA_VERSION = 2
PartKind = Literal["cases", "proof", "calibration"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Share(_Frozen):
    """`hits` of `n`; low and high are None where n is 0."""

    hits: int
    n: int
    low: float | None = None
    high: float | None = None

    @property
    def value(self) -> float | None:
        return self.hits / self.n if self.n else None


class PlannedPart(_Frozen):
    """One part of the plan. `run_id` names its run, `folder` is relative to the night's."""

    id: str
    kind: PartKind
    about: str  # "fast suite × 20, browser, 4g_ok"
    lane: Literal["browser", "bot"]
    mic: Literal["scheduled", "device", "bot"]
    network: str = "none"
    turns: int = 0
    cases: list[str] = Field(default_factory=list)
    run_id: OneName = ""
    folder: Inner = ""
    baseline: bool = False
    left_out: str = ""  # why it is not played at all

    @property
    def planned(self) -> int:
        return self.turns * len(self.cases)


class Flake(_Frozen):
    """A case that failed and passed in one part; all attempts are kept."""

    part: str
    case: str
    passed: int
    attempts: int
    failed: list[str]  # trace ids


class Failure(_Frozen):
    """How many attempts went wrong in one way. `kind`: a capture's status, or a gate with its status."""

    kind: str
    count: int
    examples: list[str]  # trace ids


class WebmCase(_Frozen):
    """The browser's own recording of one call of a case against ear.wav. `reason`: what differs, or why nothing is compared."""

    case: str
    trace_id: OneName
    status: Status
    reason: str = ""
    lag_ms: float | None = None  # its sample 0 in ear.wav; it begins with the agent's track
    drift_ms: float | None = None
    level_db: float | None = None  # against ear.wav, over the replies
    hole_ear_ms: float | None = None  # the longest within a reply
    hole_webm_ms: float | None = None
    dropouts_ear: int | None = None
    dropouts_webm: int | None = None
    kpi_shift_ms: float | None = None  # the largest of the replies
    correlation: float | None = None


class PartResult(_Frozen):
    """The result of one part. A step (proof, calibration) has its figures in its own report: only its status is here."""

    id: str
    status: Status
    exit_code: int
    headline: str
    played: int = 0
    planned: int = 0
    passed: Share | None = None  # attempts; none is ever repeated to pass, so each is a first attempt
    applied: Share | None = None  # of complete calls over a profile: it was proven to be applied
    complete: Share | None = None  # captures that ended in order
    joined: Share | None = None  # the user's, the agent's and the probe's records, by one trace_id
    pre_rtc: Share | None = None  # only agents that write it
    audible: Share | None = None  # of attempts due a reply: it is audible and the right one
    timed: Share | None = None  # turns whose first latency was measured and is to be believed
    crashes: dict[str, int] = Field(default_factory=dict)
    flaky: list[Flake] = Field(default_factory=list)
    failures: list[Failure] = Field(default_factory=list)
    latency_ms: Distribution | None = None  # USER_KPI; bot lane: end of turn → first audio
    concealed: Distribution | None = None  # share of samples
    longest_hole_ms: float | None = None
    talk_over: int | None = None
    degraded: list[DegradedBy] = Field(default_factory=list)
    degraded_turns: int = 0
    webm: list[WebmCase] = Field(default_factory=list)  # of cases that no earlier part recorded
    report: Inner = ""  # relative to the night's folder
    errors: list[str] = Field(default_factory=list)
    not_in_history: str = ""


class Acceptance(_Frozen):
    """One row of what a night must show (H-113)."""

    name: str
    shown: str
    wanted: str
    status: Status


class NightResult(_Frozen):
    finished_at: str
    complete: bool
    stopped: str  # "" or why it ended early, beginning with a name
    status: Status
    exit_code: int
    headline: str
    acceptance: list[Acceptance]
    parts: list[PartResult]
    wall_s: float  # over all sessions
    sessions: int  # 1 + how often it was resumed
    disk_bytes: int | None
    peak_memory_bytes: int | None
    notes: list[str] = Field(default_factory=list)


class Night(_Frozen):
    """`night.json`. `options`: settings that were not the default, without secrets."""

    schema_version: int = NIGHT_SCHEMA_VERSION
    night_id: str
    started_at: str
    plan: dict[str, Any]
    options: dict[str, Any]
    environment: dict[str, str]
    parts: list[PlannedPart]
    result: NightResult | None = None
