"""Begin or resume a night: its plan, its folder, its environment, before any call.

A night resumes with its own plan and options, and only if code, ears, agent, page, Chromium, server and cases are
the ones it began with.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.model.case import Case
from harness.model.night import Night, PlannedPart
from harness.model.plan import BuiltCase
from harness.model.redaction import MARK, redacted
from harness.nightly.environment import differences, night_environment
from harness.nightly.folder import PARTS, find_night, read_night, write_night
from harness.nightly.layout import cases_of, lay_out, networks_of, options_to_keep
from harness.nightly.plan_file import NightPlan
from harness.provide.cache import cache_dir
from harness.run.cases import build_cases, load_checked_cases, select_cases
from harness.run.plan import new_run_id
from harness.settings import Settings, load_settings


@dataclass(frozen=True)
class Begun:
    """A night that is ready to be played."""

    folder: Path
    night: Night
    plan: NightPlan
    settings: Settings
    cases: Mapping[str, BuiltCase]


def check_settings(settings: Settings) -> None:
    """Raises UsageError for what a run would refuse too."""
    if settings.network is not None:
        raise UsageError("--network: a night's plan names its networks itself, a part at a time")
    settings.check(network=False)


def _check_history(settings: Settings) -> None:
    """Make or migrate the history, or refuse it, before the first call. Raises UsageError, HistoryError."""
    place = settings.history_place()
    if place is not None:
        from harness.history.run_history import check_history  # SQLAlchemy loads only where a history is kept

        check_history(place)


def plan_night(plan: NightPlan, settings: Settings) -> tuple[list[PlannedPart], list[tuple[Path, Case]]]:
    """The plan's parts, and all known cases. Raises UsageError, CaseError."""
    cases = load_checked_cases([settings.cases], settings.run_limits())
    return lay_out(plan, settings, cases), cases


def begin_night(plan: NightPlan, settings: Settings) -> Begun:
    """A new night; its folder is made here. Raises UsageError, ProvisionError, HistoryError."""
    parts, cases = plan_night(plan, settings)
    if settings.runs.exists() and not settings.runs.is_dir():
        raise UsageError(f"--out {settings.runs}: is a file; give a folder")
    _check_history(settings)
    built = _built(cases, parts)
    environment = night_environment(settings, built.values(), networks_of(plan), browser=_needs_browser(parts))
    night_id = f"night-{new_run_id()}"
    folder = settings.runs / night_id
    try:
        (folder / PARTS).mkdir(parents=True, exist_ok=False)
    except OSError as error:
        raise UsageError(f"--out {settings.runs}: cannot make {folder}: {error.strerror}") from error
    night = Night(
        night_id=night_id,
        started_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        plan=plan.model_dump(mode="json", exclude_unset=True),
        options=options_to_keep(settings),
        environment=environment,
        parts=parts,
    )
    write_night(folder, night)
    return Begun(folder, night, plan, settings, built)


def take_up(name: str, out: Path | None) -> Begun:
    """Resume an interrupted night. Raises UsageError, with every difference that forbids it, HistoryError."""
    folder = find_night(load_settings({"runs": out}).runs, name)
    night = read_night(folder)
    plan = NightPlan.model_validate(night.plan)
    settings = load_settings(_flags(night))
    built = _built(load_checked_cases([settings.cases], settings.run_limits()), night.parts)
    now = night_environment(settings, built.values(), networks_of(plan), browser=_needs_browser(night.parts))
    found = differences(now, night.environment)
    if found:
        raise UsageError(
            f"--resume {night.night_id}: began with something else, and one night does not mix two versions: "
            f"{'; '.join(found)}. Restore it, or begin a new night"
        )
    _check_history(settings)
    return Begun(folder, night, plan, settings, built)


def _needs_browser(parts: Sequence[PlannedPart]) -> bool:
    return any(part.lane == "browser" and not part.left_out for part in parts)


def _flags(night: Night) -> dict[str, Any]:
    """The night's options, with every default by name, so that today's environment cannot change them. An option kept
    without its secret comes from the environment or `earwitness.toml` again. Raises UsageError.
    """
    given = dict(night.options)
    default = Settings()
    for name in ("lane", "agent", "suite", "mic", "strict", "attempts", "repeat", "link", "network_seed"):
        given.setdefault(name, getattr(default, name))
    for name, kept in given.items():
        if not isinstance(kept, str) or MARK not in kept:
            continue
        today = getattr(load_settings({}), name)
        if not isinstance(today, str) or redacted(today) != kept:
            raise UsageError(
                f"--resume {night.night_id}: its option {name} ({kept}) held a secret, which is not kept; "
                f"set EARWITNESS_{name.upper()} to it as it was, or begin a new night with the secret in the environment"
            )
        given[name] = today
    return given


def _built(cases: Sequence[tuple[Path, Case]], parts: Sequence[PlannedPart]) -> dict[str, BuiltCase]:
    names = cases_of(parts)
    chosen = select_cases(cases, "all", names) if names else []
    return {item.case.id: item for item in build_cases(chosen, cache_dir() / "cases")} if chosen else {}
