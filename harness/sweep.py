"""`earwitness sweep`: the same cases over networks that differ in one thing, value after value, each a run of its own.

Everything of a run (media server, agent, browser) is opened anew at each value; each value has its own folder in the
sweep's, with the profile it used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from pydantic import ValidationError

from harness.errors import UsageError
from harness.judge.sweep import Sweep, knee, point
from harness.link.profile import Direction, Profile, load_profile
from harness.model.capture import write_atomic
from harness.model.plan import BuiltCase
from harness.settings import Settings
from harness.suite import make_plan, new_run_id, run_plan

SWEEP = "sweep.json"
MOST_VALUES = 200
#: Option → (key of a profile, unit).
PARAMETERS: Mapping[str, tuple[str, str]] = {
    "loss": ("loss_percent", "%"),
    "delay": ("delay_ms", "ms"),
    "jitter": ("jitter_ms", "ms"),
    "bandwidth": ("bandwidth_kbps", "kbit/s"),
    "queue": ("queue_ms", "ms"),
}


@dataclass(frozen=True)
class Axis:
    """What is varied."""

    parameter: str
    values: tuple[float, ...]

    @property
    def key(self) -> str:
        return PARAMETERS[self.parameter][0]

    @property
    def unit(self) -> str:
        return PARAMETERS[self.parameter][1]


def parse_axis(given: Mapping[str, str | None]) -> Axis:
    """From options like --loss 0:10:1 (first:last:step) or 0,2,5. Raises UsageError."""
    asked = {name: text for name, text in given.items() if text is not None}
    if len(asked) != 1:
        options = ", ".join(f"--{name}" for name in PARAMETERS)
        raise UsageError(f"a sweep varies one thing: give exactly one of {options}")
    ((name, text),) = asked.items()
    try:
        if ":" in text:
            first, last, step = (float(part) for part in text.split(":"))
            if step <= 0 or last < first:
                raise ValueError("the step must be above 0 and the last value not below the first")
            count = int((last - first) / step + 1e-9) + 1
            values = tuple(round(first + k * step, 9) for k in range(min(count, MOST_VALUES + 1)))
        else:
            values = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--{name} {text}: expected FIRST:LAST:STEP or VALUE,VALUE,… ({error})") from error
    if len(values) > MOST_VALUES:
        raise UsageError(f"--{name} {text}: more than {MOST_VALUES} values")
    return Axis(name, values)


def profile_at(base: Profile, axis: Axis, value: float) -> Profile:
    """`base` with one thing set, each way. Raises UsageError where that is no possible network."""

    def set_in(way: Direction) -> Direction:
        return Direction.model_validate({**way.model_dump(), axis.key: value})

    name = f"{base.name}-{axis.parameter}-{value:g}"
    try:
        changed = {"name": name, "uplink": set_in(base.up), "downlink": set_in(base.down)}
        return Profile.model_validate({**base.model_dump(), **changed})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise UsageError(f"--{axis.parameter}: {value:g} {axis.unit} is no possible network: {first}") from error


def make_profiles(settings: Settings, axis: Axis) -> list[Profile]:
    """All networks of the sweep, before anything starts. Raises UsageError, ProfileError."""
    base = load_profile(settings.network) if settings.network is not None else load_profile("wifi_good")
    return [profile_at(base, axis, value) for value in axis.values]


async def run_sweep(
    settings: Settings, built: tuple[BuiltCase, ...], axis: Axis, on_note: Callable[[str], None]
) -> tuple[Sweep, Path]:
    """The sweep and its folder. An interruption leaves the values that were done."""
    profiles = make_profiles(settings, axis)
    folder = settings.runs / f"sweep-{new_run_id()}"
    cases = {item.case.id: item.case for item in built}
    points = []
    try:
        for value, profile in zip(axis.values, profiles, strict=True):
            place = folder / f"{axis.parameter}-{value:g}"
            place.mkdir(parents=True)
            network = place / "profile.yaml"
            network.write_text(yaml.safe_dump(profile.model_dump(exclude_defaults=True), sort_keys=False))
            plan = make_plan(replace(settings, runs=place, network=str(network)), built)
            summary = await run_plan(plan, settings)
            found = point(value, summary, cases, plan.run_dir.relative_to(folder).as_posix())
            points.append(found)
            latency = "–" if found.latency_ms.median is None else f"{found.latency_ms.median:.0f} ms"
            on_note(f"{axis.parameter} {value:g} {axis.unit}: {latency}, {found.failed} of {found.measured} fail")
            if summary.exit_code == 130:
                raise asyncio.CancelledError
    finally:
        at, gates = knee(points)
        sweep = Sweep(
            parameter=axis.parameter, unit=axis.unit, cases=list(cases), lane=settings.lane,
            points=points, knee=at, knee_gates=gates,
        )  # fmt: skip
        if points:
            from reports.sweep import write_sweep  # matplotlib loads only where something is drawn

            write_atomic(folder / SWEEP, sweep.model_dump_json(indent=2).encode())
            write_sweep(sweep, folder)
    return sweep, folder
