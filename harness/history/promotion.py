"""Promotion: USER_KPI goes from WARN to FAIL at its baseline's P95 + 50 ms (H-151, H-152).

`promote` is the only writer of a limit. It requires a calibration that says CALIBRATED on the same class of machine, turns that
are all to be believed, no flaky case, MIN_TURNS turns, and MIN_NIGHTS consecutive nights that keep the limit themselves. It
refuses a limit above what its runs allowed USER_KPI (900 ms, unless they had a limit of their own), and, without `loosen`, one
above the limit in force.
"""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from harness.errors import UsageError
from harness.history.baselines import (
    BaselineRecord,
    LogEntry,
    newest_of_each,
    read_baseline,
    read_log,
    samples_of_baseline,
    write_log,
)
from harness.history.environment import ACCEPTABLE, case_differences, differences
from harness.history.reading import left_out
from harness.judge.gates import BY_ID
from harness.judge.promoted import ALLOWANCE_MS, KpiLimit
from harness.judge.statistics import ENOUGH_FOR_P95, distribution
from harness.model.machine import machine_class

KPI = "user_kpi_raw_ms"
HIGHEST_MS = BY_ID["user_kpi"].threshold
MIN_TURNS = ENOUGH_FOR_P95
RECOMMENDED_TURNS = 30
MIN_NIGHTS = 3


@dataclass(frozen=True)
class Promotion:
    """The limit of a baseline, and everything that stands against it."""

    baseline: BaselineRecord
    limit_ms: float | None
    n_turns: int
    p95_ms: float | None
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def examine(session: Session, name: str, calibration: Path | None, *, loosen: bool = False) -> Promotion:
    """Check all preconditions at once, so that one call lists everything missing. Raises UsageError for an unknown name."""
    baseline = read_baseline(session, name)
    samples = [s for s in samples_of_baseline(session, baseline) if s.metric == KPI]
    spread = distribution([s.value for s in samples])
    if baseline.environment["lane"] != "browser":
        return Promotion(baseline, None, 0, None, ("USER_KPI is measured in the browser lane only",), ())
    problems: list[str] = []
    notes: list[str] = []
    if spread.n < MIN_TURNS:
        problems.append(f"{spread.n} turns; a P95 needs {MIN_TURNS}, {RECOMMENDED_TURNS} are recommended")
    elif spread.n < RECOMMENDED_TURNS:
        notes.append(f"{spread.n} turns, {RECOMMENDED_TURNS} are recommended")
    unbelieved = left_out(session, baseline.runs, KPI)
    if unbelieved:
        problems.append(f"{unbelieved} turns of its runs have no USER_KPI that is to be believed")
    problems += _calibrated(calibration, baseline)
    limit_ms = round(spread.p95 + ALLOWANCE_MS, 1) if spread.p95 is not None else None
    if limit_ms is not None:
        nights: dict[str, list[float]] = defaultdict(list)
        day = {run: started[:10] for run, started in zip(baseline.runs, baseline.about["started"], strict=True)}
        for sample in samples:
            nights[day[sample.run_id]].append(sample.value)
        problems += _nights(nights, limit_ms)
        highest_ms = baseline.about.get("highest_ms", HIGHEST_MS)
        if limit_ms > highest_ms:
            problems.append(f"P95 + {ALLOWANCE_MS:g} is {limit_ms:g} ms, above {highest_ms:g} ms")
        in_force = limit_in_force(session, baseline.name)
        if in_force is not None and in_force.limit_ms is not None and limit_ms > in_force.limit_ms:
            said = f"loosens {in_force.limit_ms:g} ms of v{in_force.version} to {limit_ms:g} ms"
            (notes if loosen else problems).append(said if loosen else f"{said}; only with --loosen")
    return Promotion(baseline, limit_ms, spread.n, spread.p95, tuple(problems), tuple(notes))


def promote(
    session: Session, name: str, calibration: Path | None, reason: str, *, loosen: bool = False
) -> tuple[Promotion, LogEntry]:
    """Write the limit. Raises UsageError with everything that stands against it."""
    if not reason.strip():
        raise UsageError("--reason: say why; it goes into the log")
    found = examine(session, name, calibration, loosen=loosen)
    if found.problems:
        raise UsageError(f"baseline {found.baseline.title}: not promoted: {'; '.join(found.problems)}")
    detail: dict[str, Any] = {
        "p95_ms": found.p95_ms,
        "turns": found.n_turns,
        "runs": list(found.baseline.runs),
        "calibration": str(calibration),
        "notes": list(found.notes),
    }
    write_log(session, found.baseline, "promote", reason, found.limit_ms, detail)
    session.flush()
    return found, read_log(session, found.baseline.name)[-1]


def limit_in_force(session: Session, name: str) -> LogEntry | None:
    """The last promotion of this name."""
    return next((e for e in reversed(read_log(session, name)) if e.action == "promote"), None)


def limit_for(
    session: Session, environment: Mapping[str, str], cases: Mapping[str, str | None]
) -> tuple[KpiLimit | None, list[str]]:
    """The limit that judges a run of these cases (the strictest of several), and why others do not."""
    found: list[KpiLimit] = []
    notes: list[str] = []
    for baseline in newest_of_each(session):
        entry = limit_in_force(session, baseline.name)
        if entry is None or entry.limit_ms is None:
            continue
        promoted = read_baseline(session, f"{entry.name}@{entry.version}")
        if environment["lane"] != promoted.environment["lane"]:
            continue
        # another version of browser or server does not turn the limit back into a warning: that would loosen
        refused, _ = differences(environment, promoted.environment, ACCEPTABLE)
        refused += case_differences(cases, promoted.cases)
        if refused:
            notes.append(
                f"the USER_KPI limit of baseline {promoted.title} ({entry.limit_ms:g} ms) was not applied: "
                + "; ".join(str(d) for d in refused)
            )
        else:
            found.append(KpiLimit(entry.limit_ms, promoted.title))
    return min(found, key=lambda limit: limit.limit_ms, default=None), notes


def _calibrated(path: Path | None, baseline: BaselineRecord) -> list[str]:
    """What is wrong with the calibration. `path`: a run folder of `earwitness calibrate`, or its calibration.json."""
    if path is None:
        return ["no calibration was named: --calibration RUN_DIR of `earwitness calibrate`"]
    file = path / "calibration.json" if path.is_dir() else path
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        verdict, host = record["verdict"], record["host"]
        lanes = {setting["lane"] for setting in record["settings"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"--calibration {file}: cannot be read ({error.__class__.__name__}: {error})"]
    problems = []
    if verdict != "CALIBRATED" or record.get("interrupted"):
        problems.append(f"{file}: says {verdict}" + (", and was interrupted" if record.get("interrupted") else ""))
    if baseline.environment["lane"] not in lanes:
        problems.append(f"{file}: the browser lane was not calibrated")
    where = {machine_class(known) for known in baseline.about["hosts"]}
    if machine_class(host) not in where:
        problems.append(f"{file}: machine class is {machine_class(host)}, the baseline's is {', '.join(sorted(where))}")
    return problems


def _nights(nights: dict[str, list[float]], limit_ms: float) -> list[str]:
    """What is missing of MIN_NIGHTS consecutive dates (UTC) within the limit."""
    inside = [day for day in sorted(nights) if _of_night(nights[day]) <= limit_ms]
    longest = _consecutive(inside)
    if longest >= MIN_NIGHTS:
        return []
    return [
        f"{longest} consecutive nights inside {limit_ms:g} ms, {MIN_NIGHTS} are needed "
        f"(nights: {', '.join(f'{day} {_of_night(values):.0f} ms' for day, values in sorted(nights.items())) or 'none'})"
    ]


def _of_night(values: Sequence[float]) -> float:
    """A night's P95; below 20 turns its maximum."""
    found = distribution(values)
    number = found.p95 if found.n >= ENOUGH_FOR_P95 else found.max
    assert number is not None
    return number


def _consecutive(days: Sequence[str]) -> int:
    """Length of the longest run of consecutive dates."""
    longest = row = 0
    before: datetime.date | None = None
    for day in (datetime.date.fromisoformat(d) for d in days):
        row = row + 1 if before is not None and day - before == datetime.timedelta(days=1) else 1
        longest, before = max(longest, row), day
    return longest
