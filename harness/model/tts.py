"""`tts.json`: what a regression run of a TTS engine found. The report is rendered from it alone."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.model.measurement import Metric
from harness.model.status import Status
from harness.model.verdict import GateResult

TTS_SCHEMA_VERSION = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pin(_Frozen):
    """Who speaks, and how: what two runs must share to be compared."""

    engine: str
    version: str | None  # None: the endpoint does not report it, and none was given
    model: str | None
    voice: str
    rate_hz: int
    parameters: dict[str, float | str | bool] = Field(default_factory=dict)


class RunOfSentence(_Frozen):
    """One synthesis. `sha256`: of its samples; None if it broke off."""

    sha256: str | None
    duration_ms: float | None
    metrics: dict[str, Metric]


class SentenceResult(_Frozen):
    sentence_id: str
    text: str
    runs: list[RunOfSentence]
    metrics: dict[str, Metric]  # over its runs
    wav: str | None = None  # of the first run, relative to the run folder
    golden_sha256: str | None = None


class TtsRun(_Frozen):
    schema_version: int = TTS_SCHEMA_VERSION
    run_id: str
    started_at: str
    wall_s: float
    form: Literal["fast", "full"]
    target: str
    pin: Pin
    golden: str | None  # its folder; None: there is none
    status: Status
    exit_code: int
    headline: str
    gates: list[GateResult]
    sentences: list[SentenceResult]
    notes: list[str] = Field(default_factory=list)
