"""`earwitness calibrate`: known delays through real WebRTC, one lane after the other, alone and side by side.

Each session plays all of the beacon's calls (`harness.prove.beacon_case`). When nothing is live any more, it
measures every capture and writes `calibration.json` and `calibration_report.md` with their pictures into runs/<run_id>/.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness.errors import EarwitnessError, UsageError
from harness.live.bench import Bench, open_bench
from harness.live.governor import open_governor
from harness.model.capture import Manifest, read_manifest, write_atomic
from harness.model.inside import inside
from harness.model.machine import machine_class
from harness.model.plan import AgentSpec, BuiltCase, Lane, PageSpec, Plan
from harness.prove.beacon_case import D0_MS, BeaconCall, build_calls
from harness.prove.beacon_listening import BeaconTurn, hear_call
from harness.prove.calibration import Calibrated
from harness.prove.calibration_record import Calibration, Setting, summarise
from harness.prove.calibration_report import write_report
from harness.prove.calibration_shifts import shifts_of
from harness.run.jobs import LaneShifts, keep_shifts
from harness.run.plan import new_run_id

PLAYED = "calibration_played.json"  # which captures belong to which setting
RECORD = "calibration.json"
LANES: dict[str, tuple[Lane, ...]] = {"browser": ("browser",), "bot": ("bot",), "both": ("browser", "bot")}


@dataclass(frozen=True)
class CalibrationPlan:
    """What to play: `turns` a session, in each lane, with each number of sessions at once."""

    run_id: str
    run_dir: Path
    turns: int = 60
    lanes: tuple[Lane, ...] = ("browser", "bot")
    sessions: tuple[int, ...] = (1, 2, 3)
    seed: int = 1
    page: PageSpec = field(default_factory=PageSpec)


@dataclass(frozen=True)
class Played:
    """One call as it was played. `folder` holds its capture."""

    folder: Path
    manifest: Manifest
    d_ms: tuple[float, ...]


Heard = tuple[Lane, int, list[Played], tuple[float, float]]  # lane, sessions at once, calls, load before and after


def make_calibration(
    runs: Path, *, turns: int, user: str, sessions: str, seed: int, page: PageSpec | None = None
) -> CalibrationPlan:
    """A plan with a new run folder, which is made here. Raises UsageError."""
    if user not in LANES:
        raise UsageError(f"--user {user!r}: browser, bot or both")
    try:
        at_once = tuple(dict.fromkeys(int(part) for part in sessions.split(",")))
    except ValueError:
        at_once = ()
    if not at_once or min(at_once) < 1:
        raise UsageError(f"--sessions {sessions!r}: numbers from 1 on, with commas between them")
    run_id = new_run_id()
    run_dir = runs / run_id
    try:
        run_dir.mkdir(parents=True, exist_ok=False)
    except OSError as error:
        raise UsageError(f"--runs {runs}: cannot make {run_dir}: {error.strerror}") from error
    return CalibrationPlan(run_id, run_dir, turns, LANES[user], at_once, seed, page or PageSpec())


def beacon_agent(plan: CalibrationPlan, plans: Path) -> AgentSpec:
    captures = plan.run_dir.resolve() / "captures"
    argv = [sys.executable, "-P", "-m", "bots.beacon", "--plans", str(plans.resolve()), "--captures", str(captures)]
    return AgentSpec("command", shlex.join(argv), instrumented=True)


async def _session(
    bench: Bench, calls: Sequence[BeaconCall], first: int, on_played: Callable[[Played], None]
) -> list[Played]:
    """Play all calls from call `first` on, so that sessions side by side say different things."""
    played = []
    for index in range(len(calls)):
        if bench.broken is not None:  # what was played until then is measured
            break
        call = calls[(first + index) % len(calls)]
        folder, manifest = await bench.attempt(call.built)
        played.append(Played(folder, manifest, call.d_ms))
        on_played(played[-1])
    return played


async def play_setting(
    bench: Bench, calls: Sequence[BeaconCall], sessions: int, on_played: Callable[[Played], None]
) -> list[Played]:
    """`sessions` at once, each playing all calls."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_session(bench, calls, n, on_played)) for n in range(sessions)]
    return [played for task in tasks for played in task.result()]


@asynccontextmanager
async def _staged(bench: Bench, sessions: int) -> AsyncIterator[None]:
    """Run sessions side by side as `earwitness run --jobs` does, so that the figures hold for it."""
    if sessions == 1:
        yield
        return
    async with open_governor(sessions) as bench.staging:
        try:
            yield
        finally:
            bench.staging = None


def hear_setting(lane: Lane, sessions: int, played: Sequence[Played], load: tuple[float, float]) -> Setting:
    """All measured turns of one lane with one number of sessions."""
    turns: list[BeaconTurn] = []
    problems: list[str] = []
    for item in played:
        if item.manifest.detail:
            problems.append(f"{item.manifest.trace_id}: {item.manifest.status}: {item.manifest.detail}")
        try:
            turns += hear_call(item.folder, item.d_ms, D0_MS)
        except EarwitnessError as error:
            problems.append(str(error))
            turns += [
                BeaconTurn(item.manifest.trace_id, n, D0_MS, d, doubt=f"no capture: {error}")
                for n, d in enumerate(item.d_ms)
            ]
    return Setting(lane, sessions, turns, problems, load)


async def calibrate(
    plan: CalibrationPlan,
    *,
    on_note: Callable[[str], None] = lambda note: None,
    on_played: Callable[[str, Played], None] = lambda setting, played: None,
) -> Calibration:
    """Play, measure, write. An interruption ends the playing; what was played until then is measured and reported.

    Raises ProvisionError, HarnessError, OSError.
    """
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    on_note("speech")
    plans = plan.run_dir / "beacon"
    heard: list[Heard] = []
    interrupted = False
    try:
        for lane in plan.lanes:
            calls = await asyncio.to_thread(build_calls, plan.turns, plan.seed, plans, f"beacon_{lane}")
            live = Plan(
                plan.run_id,
                plan.run_dir,
                _cases(calls),
                "calibrate",
                lane,
                "scheduled",
                beacon_agent(plan, plans),
                plan.page,
            )
            async with open_bench(live, on_note=on_note) as bench:
                for sessions in plan.sessions:
                    name = f"{lane}, {sessions} at once"
                    on_note(name)
                    done: list[Played] = []
                    before = os.getloadavg()[0]
                    heard.append((lane, sessions, done, (before, before)))
                    async with _staged(bench, sessions):
                        await play_setting(bench, calls, sessions, partial(_note, done, on_played, name))
                    heard[-1] = (lane, sessions, done, (before, os.getloadavg()[0]))
    except asyncio.CancelledError:
        interrupted = True
    _write_played(plan, started_at, heard, interrupted)
    on_note("listening")
    return await asyncio.to_thread(hear_again, plan.run_dir)


def _write_played(plan: CalibrationPlan, started_at: str, heard: Sequence[Heard], interrupted: bool) -> None:
    """Write what was played, so that it can be measured at any time. Raises OSError."""
    settings = [
        {
            "lane": lane,
            "sessions": sessions,
            "load": load,
            "calls": [{"trace_id": item.manifest.trace_id, "d_ms": item.d_ms} for item in done],
        }
        for lane, sessions, done, load in heard
    ]
    about = {"run_id": plan.run_id, "started_at": started_at, "seed": plan.seed, "interrupted": interrupted}
    write_atomic(plan.run_dir / PLAYED, json.dumps({"version": 1, **about, "settings": settings}, indent=1).encode())


def hear_again(run_dir: Path) -> Calibration:
    """Measure a played calibration from its captures; record and report are (over)written.

    Raises UsageError if `run_dir` holds none, OSError.
    """
    path = run_dir / PLAYED
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        heard = [_read_setting(run_dir, setting) for setting in raw["settings"]]
        run_id, started_at, seed, interrupted = (raw[k] for k in ("run_id", "started_at", "seed", "interrupted"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not a calibration that was played: {error}") from error
    settings = [hear_setting(*item) for item in heard]
    manifests = [item.manifest for _, _, done, _ in heard for item in done]
    calibration = summarise(run_id, started_at, seed, D0_MS, settings, manifests, interrupted)
    write_atomic(run_dir / RECORD, calibration.to_json().encode())
    write_report(calibration, run_dir)
    return calibration


def _read_setting(run_dir: Path, raw: dict[str, Any]) -> Heard:
    played = []
    for call in raw["calls"]:
        folder = inside(run_dir / "captures", call["trace_id"])
        played.append(Played(folder, read_manifest(folder), tuple(call["d_ms"])))
    before, after = raw["load"]
    return raw["lane"], raw["sessions"], played, (before, after)


def keep_side_by_side(calibration: Calibration, machine: str | None = None) -> list[LaneShifts]:
    """Keep its shifts of sessions side by side for `--jobs auto`. `machine`: the user's own name for it. Raises OSError."""
    known = shifts_of(calibration, machine or machine_class(calibration.host))
    for found in known:
        keep_shifts(found)
    return known


def _note(done: list[Played], tell: Callable[[str, Played], None], name: str, played: Played) -> None:
    done.append(played)
    tell(name, played)


def _cases(calls: Sequence[BeaconCall]) -> tuple[BuiltCase, ...]:
    return tuple(call.built for call in calls)


def exit_code(calibration: Calibration) -> int:
    """0 all calibrated; 1 biased or uncorrelated; 3 not measured; 130 interrupted. Only single sessions decide."""
    if calibration.interrupted:
        return 130
    verdicts = calibration.verdicts()
    if Calibrated.UNCORRELATED in verdicts or Calibrated.BIASED in verdicts:
        return 1
    return 3 if not verdicts or Calibrated.NO_DATA in verdicts else 0


def one_line(setting: str, played: Played) -> str:
    """The line printed after each call."""
    return f"  {setting}: {played.manifest.trace_id} {played.manifest.status} {played.manifest.detail}".rstrip()
