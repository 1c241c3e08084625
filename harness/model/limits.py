"""The limits a run judges by where they are not the shipped ones: a profile, the user's own, what the path itself costs.

They are kept in the run's folder (`limits.json`) and in its summary, so that a rejudged run is judged by the limits it was made
with. A value has the unit of its gate (`harness.judge.table`); a floor is ms.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LIMITS = "limits.json"
LimitProfile = Literal["shipped", "field"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Floor(_Frozen):
    """What the path adds to an agent that takes no time, by the medians of a calibration. None: that lane was not calibrated."""

    run_id: str  # of the calibration
    ear_ms: float | None = None  # browser lane, at the ear
    browser_probe_ms: float | None = None  # browser lane, at the second listener
    bot_probe_ms: float | None = None


class Limits(_Frozen):
    """`own` replaces the profile's limit, gate by gate; `floor` is allowed on top of both."""

    profile: LimitProfile = "shipped"
    own: dict[str, float] = Field(default_factory=dict)
    floor: Floor | None = None

    @property
    def shipped(self) -> bool:
        return self == SHIPPED


SHIPPED = Limits()


def read_limits(run_dir: Path) -> Limits:
    """The limits the run in `run_dir` began with; the shipped ones if it kept none. Raises OSError, ValueError."""
    path = run_dir / LIMITS
    return Limits.model_validate_json(path.read_bytes()) if path.exists() else SHIPPED
