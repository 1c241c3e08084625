"""An existing run: read its verdict, or measure its captures again and judge them by today's gate table.

`summary.json` holds the verdict, the capture folders its evidence. No agent is called.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import EarwitnessError, UsageError
from harness.judge.verdict import EXIT_FAIL, EXIT_INTERRUPTED, RunFacts, judge_attempt, judge_case, judge_run
from harness.listen.read.reading import first_problem
from harness.model.capture import CASE, MANIFEST, Manifest, callers, read_manifest
from harness.model.case import Case
from harness.model.degraded import degraded_in
from harness.model.measurement import Measurement
from harness.model.side_by_side import SideBySide
from harness.model.status import Status
from harness.model.verdict import READABLE, SUMMARY_SCHEMA_VERSION, AttemptVerdict, Summary
from harness.options.own_limits import limits_of
from harness.own_faults import note_fault
from harness.run.written_run import SUMMARY, not_measured

CAPTURES = "captures"
MEASURE_ANEW = "`earwitness report --again` hears and judges its captures anew"


def read_summary(run_dir: Path) -> Summary:
    """The verdict of the run in `run_dir`. Raises UsageError, in one line, if it is no run of this version."""
    path = run_dir / SUMMARY
    record = _read_json(run_dir)
    if record is None:
        if _captures_in(run_dir):
            raise UsageError(f"{path} is missing: the run did not end in order; {MEASURE_ANEW}")
        raise UsageError(f"{run_dir}: not a run (it holds no {SUMMARY} and no {CAPTURES}/); give runs/RUN_ID")
    version = record.get("schema_version")
    if version not in READABLE:
        raise UsageError(
            f"{path}: summary schema {version}, this version reads {SUMMARY_SCHEMA_VERSION}; {MEASURE_ANEW}"
        )
    try:
        return Summary.model_validate(record)
    except ValidationError as error:
        raise UsageError(f"{path}: {first_problem(error)}; {MEASURE_ANEW}") from error


def rejudge(run_dir: Path, *, strict: bool, on_capture: Callable[[str], None] = lambda name: None) -> Summary:
    """Measure every capture again (rewriting its measurement.json) and judge it by today's table, with the run's own limits.
    Raises UsageError, OSError.

    What only the run knew (suite, times, errors of the harness) comes from its summary, whatever its schema.
    """
    record = _read_json(run_dir) or {}
    folders = _captures_in(run_dir)
    if not folders:
        raise UsageError(f"{run_dir}: holds no capture ({CAPTURES}/*/{MANIFEST}), so there is nothing to hear")
    from harness.listen.measure import listen, write_measurement  # slow to load: not for an empty run

    limits = limits_of(run_dir)
    manifests: list[Manifest] = []
    cases: dict[str, Case] = {}
    attempts: dict[str, list[AttemptVerdict]] = {}
    errors: list[str] = []
    for folder in folders:
        on_capture(folder.name)
        manifest = read_manifest(folder)
        measurement: Measurement | None = None
        try:
            measurement = listen(folder)
            write_measurement(folder, measurement)
        except (EarwitnessError, OSError):
            raise
        except Exception as error:  # a fault of ours in one capture: the others are still measured
            problem = note_fault(run_dir, f"hearing {folder.name}", error)
            errors.append(f"{manifest.trace_id}: {problem}")
        manifests.append(manifest)
        case = _case_of(folder)
        if isinstance(case, str):
            errors.append(f"{manifest.trace_id}: not judged: {case}")
            continue
        cases[case.id] = case
        where = folder.relative_to(run_dir).as_posix()
        verdict = judge_attempt(case, manifest, measurement, where, degraded_in(folder), limits)
        attempts.setdefault(case.id, []).append(
            verdict if measurement is not None else not_measured(verdict, errors[-1])
        )
    errors = [*_errors_of_the_run(record, manifests), *errors]
    facts = replace(_facts(record, manifests, tuple(errors), strict=strict), limits=limits)
    judged = [judge_case(cases[name], _in_order(attempts[name])) for name in _case_order(record, cases)]
    return judge_run(facts, judged, cases)


def _read_json(run_dir: Path) -> dict[str, Any] | None:
    """The content of summary.json, unchecked; None if there is none. Raises UsageError."""
    if not run_dir.exists():
        raise UsageError(f"{run_dir}: no such folder; give a run (runs/RUN_ID)")
    if not run_dir.is_dir():
        raise UsageError(f"{run_dir}: is a file, not a run's folder; give runs/RUN_ID")
    path = run_dir / SUMMARY
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path}: not JSON ({error}); move it away, then {MEASURE_ANEW}") from error
    if not isinstance(record, dict):
        raise UsageError(f"{path}: not a run's summary; move it away, then {MEASURE_ANEW}")
    return record


def _captures_in(run_dir: Path) -> list[Path]:
    return sorted(manifest.parent for manifest in (run_dir / CAPTURES).glob(f"*/{MANIFEST}"))


def _case_of(folder: Path) -> Case | str:
    """The case as it was spoken then, or why it is not known."""
    try:
        return Case.model_validate_json((folder / CASE).read_bytes())
    except OSError as error:
        return f"{CASE} cannot be read ({error.strerror})"
    except ValidationError as error:
        return f"{CASE}: {first_problem(error)}"


def _in_order(attempts: list[AttemptVerdict]) -> list[AttemptVerdict]:
    return sorted(attempts, key=lambda attempt: attempt.attempt)


def _case_order(record: Mapping[str, Any], cases: Mapping[str, Case]) -> list[str]:
    """The run's own order; then cases its summary lacks, by tier and name."""
    listed = record.get("cases")
    names = [case.get("case_id") for case in listed if isinstance(case, dict)] if isinstance(listed, list) else []
    known = [name for name in dict.fromkeys(map(str, names)) if name in cases]
    return known + sorted((name for name in cases if name not in known), key=lambda name: (cases[name].tier, name))


def _errors_of_the_run(record: Mapping[str, Any], manifests: list[Manifest]) -> list[str]:
    """The errors about no single capture: measuring again finds those about a capture, if they persist."""
    listed = record.get("errors")
    traces = tuple(f"{manifest.trace_id}:" for manifest in manifests)
    return [str(error) for error in listed if not str(error).startswith(traces)] if isinstance(listed, list) else []


def _facts(record: Mapping[str, Any], manifests: list[Manifest], errors: tuple[str, ...], *, strict: bool) -> RunFacts:
    first = manifests[0]

    def text(name: str, default: str) -> str:
        value = record.get(name)
        return value if isinstance(value, str) else default

    finished, wall_s = record.get("finished_at"), record.get("wall_s")
    was_strict = record.get("exit_code") == EXIT_FAIL and record.get("status") == Status.WARN
    return RunFacts(
        run_id=first.run_id,
        started_at=text("started_at", min(manifest.started_at for manifest in manifests)),
        finished_at=finished if isinstance(finished, str) else None,
        complete=record.get("complete") is True,
        interrupted=record.get("exit_code") == EXIT_INTERRUPTED,
        strict=strict or was_strict,
        suite=text("suite", "not known"),
        lane=first.lane,
        mic=first.mic,
        agent=first.agent,
        page=first.page,
        link=first.link,
        planned=tuple(dict.fromkeys(manifest.case_id for manifest in manifests)),
        errors=errors,
        environment={"host": first.host, "versions": {**first.versions, **callers(manifests)}},
        wall_s=float(wall_s) if isinstance(wall_s, int | float) else None,
        side_by_side=_side_by_side(record),
    )


def _side_by_side(record: Mapping[str, Any]) -> SideBySide | None:
    """None for sessions one after the other, or if the summary does not say."""
    try:
        return SideBySide.model_validate(record.get("side_by_side"))
    except ValidationError:
        return None
