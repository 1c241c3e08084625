"""Take finished run folders into the history: runs that did not write themselves, or that another machine measured.

The verdict is the one in `summary.json`; a run that was killed before it wrote one is judged from its captures. Taking a run
in twice changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from harness.errors import EarwitnessError, UsageError
from harness.history.database import History
from harness.history.environment import case_hash, ears_version
from harness.history.recording import AttemptInfo, RunInfo, finish_run, record_attempt
from harness.judge.verdict import judge_attempt
from harness.listen.measure import listen, write_measurement
from harness.model.capture import CASE, MANIFEST, MEASUREMENT, TRUTH, Manifest, read_manifest
from harness.model.case import Case, Truth
from harness.model.degraded import degraded_in
from harness.model.limits import Limits
from harness.model.measurement import Measurement
from harness.model.verdict import AttemptVerdict, Summary
from harness.options.own_limits import limits_of

SUMMARY = "summary.json"
CAPTURES = "captures"


@dataclass(frozen=True)
class Ingested:
    """The result of one run folder. `problems`: captures left out, and why."""

    run_id: str
    attempts: Counter[str] = field(default_factory=Counter)  # added, replaced, unchanged
    problems: tuple[str, ...] = ()


def ingest_run(
    history: History,
    run_dir: Path,
    *,
    again: bool = False,
    machine: str | None = None,
    on_capture: Callable[[str], None] = lambda trace_id: None,
) -> Ingested:
    """One run folder. `again`: measure its recordings anew, with today's code. Raises UsageError, HistoryError."""
    summary = read_summary(run_dir)
    limits = limits_of(run_dir)
    problems: list[str] = []
    attempts = Counter[str]()
    run: RunInfo | None = None
    for folder in _captures(run_dir):
        on_capture(folder.name)
        try:
            manifest = read_manifest(folder)
            verdict = _verdict(folder, manifest, None if again else summary, limits, again=again)
        except (EarwitnessError, OSError, ValidationError) as error:
            problems.append(f"{folder}: {_one_line(error)}")
            continue
        run = run or _run_info(run_dir, manifest, summary, limits, again=again, machine=machine)
        written = record_attempt(history, run, AttemptInfo(verdict, manifest.case_id, hash_of(folder)))
        attempts[written] += 1
    if run is None:
        raise UsageError(f"{run_dir}: nothing to take in" + "".join(f"; {problem}" for problem in problems[:3]))
    if summary is not None:
        finish_run(history, summary, ears=run.ears)
    return Ingested(run.manifest.run_id, attempts, tuple(problems))


def read_summary(run_dir: Path) -> Summary | None:
    """None if the run wrote none. Raises UsageError for one that cannot be read."""
    path = run_dir / SUMMARY
    try:
        return Summary.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise UsageError(f"{path}: cannot be read: {_one_line(error)}") from error


def hash_of(folder: Path) -> str | None:
    """`case_hash` of this capture's case; None where its truth was not kept."""
    try:
        return case_hash(Truth.model_validate_json((folder / TRUTH).read_bytes()))
    except (OSError, ValidationError):
        return None


def _captures(run_dir: Path) -> Iterator[Path]:
    folder = run_dir / CAPTURES
    if not folder.is_dir():
        raise UsageError(f"{run_dir}: no run folder (it has no {CAPTURES}/)")
    yield from sorted(path for path in folder.iterdir() if (path / MANIFEST).is_file())


def _run_info(
    run_dir: Path, manifest: Manifest, summary: Summary | None, limits: Limits, *, again: bool, machine: str | None
) -> RunInfo:
    recorded = (summary.environment.get("versions") or {}).get("ears") if summary is not None else None
    return RunInfo(
        manifest=manifest,
        started_at=summary.started_at if summary is not None else manifest.started_at,
        suite=summary.suite if summary is not None else "unknown",
        folder=str(run_dir.resolve()),
        ears=ears_version() if again else recorded,
        machine=machine,
        limits=limits,
    )


def _verdict(
    folder: Path, manifest: Manifest, summary: Summary | None, limits: Limits, *, again: bool
) -> AttemptVerdict:
    """The run's own verdict, else a new one. Raises UsageError, OSError, ValidationError."""
    for judged in summary.cases if summary is not None else ():
        for attempt in judged.attempts:
            if attempt.trace_id == manifest.trace_id:
                return attempt
    case = Case.model_validate_json((folder / CASE).read_bytes())
    if again:
        measurement = listen(folder)
        write_measurement(folder, measurement)
    elif (folder / MEASUREMENT).is_file():
        measurement = Measurement.model_validate_json((folder / MEASUREMENT).read_bytes())
    else:
        raise UsageError("was not measured; `earwitness history add --again` hears it first")
    return judge_attempt(case, manifest, measurement, folder.name, degraded_in(folder), limits)


def _one_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)
