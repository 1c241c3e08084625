"""Networks side by side: what the same cases gave over different links, as numbers. Part of `summary.json` (`changes`).

One column a run. Values are in each row's unit; None where nothing was measured.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Frozen):
    """One metric over the turns of a run that are to be believed."""

    metric: str
    n: int
    median: float | None = None
    p95: float | None = None  # from 20 turns on
    max: float | None = None


class NetworkColumn(_Frozen):
    """A run. `unproven`: attempts whose network was not proven to be applied; they do not count."""

    run_id: str
    link: str  # a profile's name, or "none"
    started_at: str
    turns: int
    unproven: int = 0
    figures: list[Figure] = Field(default_factory=list)


class SideBySide(_Frozen):
    """With `refused` there are no columns; it says why and names the runs."""

    lane: str
    columns: list[NetworkColumn] = Field(default_factory=list)  # the clean link first
    cases: list[str] = Field(default_factory=list)  # the cases in every column
    left_out: list[str] = Field(default_factory=list)
    noted: list[str] = Field(default_factory=list)  # other differences, which allow the comparison
    refused: list[str] = Field(default_factory=list)
