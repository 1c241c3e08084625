"""The plan of a night: YAML → record, with file, line and key in every error.

A part is a suite or a list of cases, spoken `turns` times, in one lane, through one microphone, over one network;
or a step: the proof of the ears, the calibration. The command line decides a `user` that the part leaves open.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import NightPlanError, UsageError
from harness.model.case import SUITE_PATTERN
from harness.model.plan import Lane, MicMode
from harness.network.profile import load_profile
from harness.yaml_file import Lines, Location, explain, read_yaml

DEFAULT_PLAN = Path(__file__).parent / "plans" / "default.yaml"
ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Keep(_Strict):
    """What happens to recordings of passed calls. Failures and baselines are kept whole, whatever is set here."""

    flac_after_days: float | None = Field(default=0, ge=0)  # None: never
    numbers_after_days: float | None = Field(default=14, ge=0)  # None: never
    disk_limit_gb: float | None = Field(default=20, gt=0)  # of the folder of runs; None: no limit
    reserve_mb: float = Field(default=500, ge=0)  # free space below which no further call is begun


class Part(_Strict):
    """One line of the plan."""

    id: str = Field(pattern=ID)
    suite: str | None = Field(default=None, pattern=SUITE_PATTERN)  # as of `earwitness run`
    tags: list[str] | None = Field(default=None, min_length=1)  # of the suite, only cases that have one of these
    cases: list[str] | None = Field(default=None, min_length=1)
    proof: Literal["fast"] | None = None
    calibration: Literal["fast"] | None = None
    user: Lane | None = None  # None: as the command says
    mic: MicMode = "scheduled"
    network: str | None = None
    link: Literal["auto", "user", "netem"] = "auto"
    network_seed: int = 1
    turns: int | None = Field(default=None, ge=1, le=1000)  # a case; None: the plan's
    baseline: bool = False  # its recordings are kept whole

    @property
    def is_step(self) -> bool:
        return self.proof is not None or self.calibration is not None

    @model_validator(mode="after")
    def _one_thing(self) -> Part:
        kinds = [k for k in ("suite", "cases", "proof", "calibration") if getattr(self, k) is not None]
        if len(kinds) != 1:
            found = ", ".join(kinds) or "none"
            raise ValueError(f"needs exactly one of suite, cases, proof, calibration; has {found}")
        if self.tags is not None and self.suite is None:
            raise ValueError("tags chooses among the cases of a suite; give suite, as in suite: all")
        if self.is_step:
            calls_alone = {"mic", "network", "link", "network_seed", "turns", "baseline"} & self.model_fields_set
            if calls_alone:
                raise ValueError(f"{kinds[0]} takes no {', '.join(sorted(calls_alone))}; it has its own calls")
        if self.user == "bot" and self.mic == "device":
            raise ValueError("mic: device needs user: browser; a bot has no microphone")
        return self


class NightPlan(_Strict):
    """A night. `turns`: how often each case is spoken, unless its part sets it."""

    name: str = Field(default="night", pattern=ID)
    turns: int = Field(default=20, ge=1, le=1000)
    parts: list[Part] = Field(min_length=1)
    keep: Keep = Keep()

    def turns_of(self, part: Part) -> int:
        return part.turns if part.turns is not None else self.turns


def read_plan(path: Path) -> NightPlan:
    """Raises NightPlanError with file, line and what is wrong."""
    data, lines = read_yaml(path, NightPlanError, "name, turns, parts, keep")
    try:
        plan = NightPlan.model_validate({"name": path.stem, **data})
    except ValidationError as error:
        where, message = explain(error, _known_at)
        raise NightPlanError(path, lines.of(where), message) from error
    _check_parts(path, plan, lines)
    return plan


def _check_parts(path: Path, plan: NightPlan, lines: Lines) -> None:
    seen: set[str] = set()
    for index, part in enumerate(plan.parts):
        if part.id in seen:
            raise NightPlanError(path, lines.of(("parts", index, "id")), f"part {part.id!r} stands twice")
        seen.add(part.id)
        if part.network is not None:
            try:
                load_profile(part.network)
            except UsageError as error:
                said = str(error).removeprefix("--network ")
                raise NightPlanError(path, lines.of(("parts", index, "network")), f"network: {said}") from error


#: Keys under which a mapping of one known kind stands.
MODELS: dict[Any, type[BaseModel]] = {"parts": Part, "keep": Keep}


def _known_at(location: Location) -> list[str]:
    model = next((MODELS[part] for part in reversed(location) if part in MODELS), NightPlan)
    return list(model.model_fields)
