"""How many sessions a run may have at once: the number asked for, or with `auto` what calibration has shown for this machine.

`earwitness calibrate` measures known delays with one, two, three … sessions at once. The cache keeps its outcome, one entry
per machine class and lane: sessions → how much later than alone a turn's known delay is measured, at the median and at the
95th percentile, in ms. `auto` is the largest number up to which every measured shift at P95 is at most LIMIT_MS, either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import UsageError
from harness.model.capture import write_atomic
from harness.model.machine import this_machine
from harness.provide.cache import cache_dir, locked
from harness.settings import Settings

SHIFTS_FILE = "side_by_side.json"
LIMIT_MS = 10.0  # the limit
FEWEST_TURNS = 20  # fewer turns have no meaningful P95
MEASURE = "`earwitness calibrate --user {lane}` on a quiet machine measures it"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shift(_Frozen):
    """How much later than alone known delays are measured with `sessions` at once."""

    sessions: int
    turns: int
    p50_ms: float
    p95_ms: float


class LaneShifts(_Frozen):
    """The shifts of one machine class in one lane, against `turns` turns of sessions alone."""

    machine: str
    lane: str
    run_id: str
    measured_at: str
    turns: int
    shifts: list[Shift]


class ShiftsFile(_Frozen):
    version: int = 1
    entries: list[LaneShifts] = []


@dataclass(frozen=True)
class Jobs:
    """`jobs` sessions at once, and `why`."""

    jobs: int
    why: str


def decide_jobs(settings: Settings) -> Jobs:
    """Raises UsageError for less than one."""
    if settings.jobs != "auto":
        if settings.jobs < 1:
            raise UsageError(f"--jobs {settings.jobs}: a number from 1 on, or auto")
        return Jobs(settings.jobs, "as asked for")
    machine = this_machine(settings.machine_class)
    return auto_jobs(known_shifts(machine, settings.lane), machine, settings.lane)


def auto_jobs(known: LaneShifts | None, machine: str, lane: str) -> Jobs:
    """The largest number of sessions at which nothing was shifted by more than the limit; 1 where that is not known."""
    measure = MEASURE.format(lane=lane)
    if known is None:
        return Jobs(1, f"auto: nothing is known of sessions side by side on {machine}, {lane} lane; {measure}")
    if known.turns < FEWEST_TURNS:
        return Jobs(1, f"auto: only {known.turns} turns were calibrated alone, {FEWEST_TURNS} are needed; {measure}")
    best, stopped = 1, ""
    for shift in sorted(known.shifts, key=lambda s: s.sessions):
        if shift.turns < FEWEST_TURNS:
            stopped = f"{shift.sessions} were calibrated over {shift.turns} turns only"
            break
        if abs(shift.p95_ms) > LIMIT_MS:
            stopped = (
                f"{shift.sessions} shift a known delay by {shift.p95_ms:+.1f} ms at P95, more than {LIMIT_MS:g} ms"
            )
            break
        best = shift.sessions
    return Jobs(best, f"auto: {stopped or 'no more were calibrated'}, run {known.run_id}")


def known_shifts(machine: str, lane: str) -> LaneShifts | None:
    return next((e for e in _read(_place()).entries if (e.machine, e.lane) == (machine, lane)), None)


def keep_shifts(found: LaneShifts) -> Path:
    """Replace the entry of this machine and lane. Raises OSError."""
    with locked(SHIFTS_FILE):
        place = _place()
        others = [e for e in _read(place).entries if (e.machine, e.lane) != (found.machine, found.lane)]
        write_atomic(place, ShiftsFile(entries=[*others, found]).model_dump_json(indent=1).encode())
    return place


def _place() -> Path:
    return cache_dir() / SHIFTS_FILE


def _read(place: Path) -> ShiftsFile:
    """The cached shifts; empty if the file is missing or of another version."""
    try:
        return ShiftsFile.model_validate_json(place.read_bytes())
    except (OSError, ValidationError):
        return ShiftsFile()
