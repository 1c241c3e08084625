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
    """A run. `unproven`: attempts whose network was not proven to have been applied, which do not count here."""

    run_id: str
    link: str  # a profile's name, or "none"
    started_at: str
    turns: int
    unproven: int = 0
    figures: list[Figure] = Field(default_factory=list)


class SideBySide(_Frozen):
    """With `refused` nothing is shown beside anything, and it says why, naming the runs."""

    lane: str
    columns: list[NetworkColumn] = Field(default_factory=list)  # the clean link first
    cases: list[str] = Field(default_factory=list)  # those that every column is made of
    left_out: list[str] = Field(default_factory=list)
    noted: list[str] = Field(default_factory=list)  # what differs besides the network, and is no hindrance
    refused: list[str] = Field(default_factory=list)
