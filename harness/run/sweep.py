"""`earwitness sweep`: the same cases with one parameter varied, each value a run of its own.

The parameter belongs to the network or to the encoding of the reference agent's voice (`sweep_axis`).

Each value opens media server, agent and browser anew, and has its own folder within the sweep's, with the profile it used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import yaml
from pydantic import ValidationError

from harness.errors import UsageError
from harness.judge.limits import limits_text
from harness.judge.sweep import LESS_IS_WORSE, Sweep, Worse, knee, point
from harness.model.capture import write_atomic
from harness.model.plan import BuiltCase
from harness.model.redaction import redacted
from harness.network.profile import Direction, Profile, load_profile
from harness.run.open import run_plan
from harness.run.plan import make_plan, new_run_id
from harness.run.sweep_axis import Axis
from harness.settings import Settings

SWEEP = "sweep.json"


def profile_at(base: Profile, axis: Axis, value: float) -> Profile:
    """`base` with one parameter set in both directions. Raises UsageError for an impossible network.

    A varied codec changes only the name, so that the history keeps its runs apart from those of `base`.
    """

    def set_in(way: Direction) -> Direction:
        return Direction.model_validate({**way.model_dump(), axis.what.key: value})

    name = f"{base.name}-{axis.parameter}-{axis.shown(value)}"
    if axis.what.of == "codec":
        return base.model_copy(update={"name": name})
    try:
        changed = {"name": name, "uplink": set_in(base.up), "downlink": set_in(base.down)}
        return Profile.model_validate({**base.model_dump(), **changed})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise UsageError(f"--{axis.parameter}: {value:g} {axis.unit} is no possible network: {first}") from error


def make_profiles(settings: Settings, axis: Axis) -> list[Profile]:
    """All networks of the sweep, made before anything starts. Raises UsageError, ProfileError."""
    if axis.what.of == "codec" and settings.agent_spec().kind != "reference":
        raise UsageError(
            f"--{axis.parameter} sets the reference agent's encoder; "
            f"with --agent {redacted(settings.agent)!r} it would set nothing"
        )
    base = load_profile(settings.network) if settings.network is not None else load_profile("wifi_good")
    return [profile_at(base, axis, value) for value in axis.values]


async def run_sweep(
    settings: Settings, built: tuple[BuiltCase, ...], axis: Axis, on_note: Callable[[str], None]
) -> tuple[Sweep, Path]:
    """The sweep and its folder. An interruption keeps the finished values."""
    profiles, limits = make_profiles(settings, axis), settings.run_limits()
    folder = settings.runs / f"sweep-{new_run_id()}"
    cases = {item.case.id: item.case for item in built}
    points = []
    try:
        for value, profile in zip(axis.values, profiles, strict=True):
            place = folder / f"{axis.parameter}-{axis.shown(value)}"
            place.mkdir(parents=True)
            network = place / "profile.yaml"
            network.write_text(yaml.safe_dump(profile.model_dump(exclude_defaults=True), sort_keys=False))
            plan = make_plan(replace(settings, runs=place, network=str(network)), built)
            plan = replace(plan, agent=replace(plan.agent, env=axis.agent_env(value)))
            summary = await run_plan(plan, settings, on_sent=on_note)
            run = plan.run_dir.relative_to(folder).as_posix()
            found = point(value, summary, cases, run, codec=axis.parameter if axis.what.of == "codec" else None)
            points.append(found)
            latency = "–" if found.latency_ms.median is None else f"{found.latency_ms.median:.0f} ms"
            done = f"{latency}, {found.failed} of {found.measured} fail"
            outcome = f"NOT_APPLIED ({found.told})" if found.not_applied and not found.measured else done
            on_note(f"{axis.parameter} {axis.shown(value)} {axis.unit}".rstrip() + f": {outcome}")
            if summary.exit_code == 130:
                raise asyncio.CancelledError
    finally:
        worse: Worse = "less" if axis.parameter in LESS_IS_WORSE else "more"
        at, gates = knee(points, worse)
        sweep = Sweep(
            parameter=axis.parameter, unit=axis.unit, cases=list(cases), lane=settings.lane,
            points=points, worse=worse, knee=at, knee_gates=gates,
            limits="" if limits.shipped else limits_text(limits),
        )  # fmt: skip
        if points:
            from reports.render.sweep import write_sweep  # matplotlib loads only where something is drawn

            write_atomic(folder / SWEEP, sweep.model_dump_json(indent=2).encode())
            write_sweep(sweep, folder)
    return sweep, folder
