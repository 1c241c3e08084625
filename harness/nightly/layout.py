"""From a night's plan to its parts as they are played: cases, lane, network, turns, and each part's run id.

The layout is decided when the night begins, and kept in night.json, which a resumed night follows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.model.case import Case
from harness.model.night import PartKind, PlannedPart
from harness.model.redaction import redacted
from harness.nightly.folder import PARTS
from harness.nightly.plan_file import NightPlan, Part
from harness.run.cases import select_cases
from harness.run.plan import new_run_id
from harness.settings import SECRET_SETTINGS, Settings

NO_MICROPHONE = "a bot has no microphone; this part needs the browser"


def lay_out(plan: NightPlan, settings: Settings, cases: Sequence[tuple[Path, Case]]) -> list[PlannedPart]:
    """Raises UsageError for a missing case or suite, and for a plan of which nothing can be played."""
    taken: set[str] = set()
    parts = [_planned(plan, part, settings, cases, taken) for part in plan.parts]
    if all(part.left_out for part in parts):
        raise UsageError("nothing of this plan can be played: " + "; ".join(f"{p.id}: {p.left_out}" for p in parts))
    return parts


def _planned(
    plan: NightPlan, part: Part, settings: Settings, cases: Sequence[tuple[Path, Case]], taken: set[str]
) -> PlannedPart:
    lane = part.user or settings.lane
    mic = "bot" if lane == "bot" else part.mic
    where = lane if lane == "bot" else f"{lane}, {mic}"
    left_out = NO_MICROPHONE if lane == "bot" and part.mic == "device" else ""
    run_id = next(name for name in iter(new_run_id, "") if name not in taken)
    taken.add(run_id)
    if part.is_step:
        kind: PartKind = "proof" if part.proof is not None else "calibration"
        about = f"{kind}, fast form, {lane}"
        folder = f"{PARTS}/{part.id}"
        return PlannedPart(id=part.id, kind=kind, about=about, lane=lane, mic=mic, run_id=run_id, folder=folder)
    chosen = [case.id for _, case in select_cases(cases, part.suite or "all", part.cases or [], part.tags or ())]
    turns = plan.turns_of(part)
    what = f"{part.suite} suite" if part.suite is not None else f"{len(chosen)} cases"
    what += f" tagged {' or '.join(part.tags)}" if part.tags else ""
    return PlannedPart(
        id=part.id,
        kind="cases",
        about=f"{what} × {turns}, {where}" + (f", {part.network}" if part.network is not None else ""),
        lane=lane,
        mic=mic,
        network=_name(part.network),
        turns=0 if left_out else turns,
        cases=chosen,
        run_id=run_id,
        folder=f"{PARTS}/{part.id}/{run_id}",
        baseline=part.baseline,
        left_out=left_out,
    )


def _name(network: str | None) -> str:
    if network is None:
        return "none"
    from harness.network.profile import load_profile

    return load_profile(network).name


def settings_of(part: Part, planned: PlannedPart, settings: Settings, night: Path) -> Settings:
    """A run's settings for the part. The history stays in place, though the runs lie deeper."""
    place = settings.history_place()
    return replace(
        settings,
        suite=part.suite or "all",
        tag=tuple(part.tags or ()),
        lane=planned.lane,
        mic=part.mic,
        attempts=1,
        jobs=1,  # one call after the other: a night compares latencies
        repeat=planned.turns,
        network=part.network,
        link=part.link,
        network_seed=part.network_seed,
        history=str(place) if place is not None else "off",
        runs=night / PARTS / part.id,
    )


def options_to_keep(settings: Settings) -> dict[str, Any]:
    """The settings that differ from the defaults, as JSON; keys and secrets are left out."""
    default, kept = Settings(), {}
    for field in dataclasses.fields(Settings):
        value = getattr(settings, field.name)
        if field.name not in SECRET_SETTINGS and value != getattr(default, field.name):
            kept[field.name] = (
                str(value) if isinstance(value, Path) else redacted(value) if isinstance(value, str) else value
            )
    return kept


def networks_of(plan: NightPlan) -> Iterable[str]:
    return [part.network for part in plan.parts if part.network is not None]


def cases_of(parts: Iterable[PlannedPart]) -> list[str]:
    """All their cases, each once."""
    return list(dict.fromkeys(name for part in parts if not part.left_out for name in part.cases))


def plan_parts(plan: NightPlan) -> Mapping[str, Part]:
    return {part.id: part for part in plan.parts}
