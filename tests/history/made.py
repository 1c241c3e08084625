"""Runs made by hand: a history with as many as a test wants, and run folders as a run leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.history.database import History
from harness.history.recording import AttemptInfo, RunInfo, finish_run, record_attempt
from harness.judge.verdict import judge_attempt, judge_case
from harness.model.capture import Manifest, PageUnderTest, write_manifest
from harness.model.case import Case
from harness.model.degraded import DegradedTurn
from harness.model.limits import SHIPPED, Limits
from harness.model.measurement import Measurement
from harness.model.verdict import AttemptVerdict, CaseVerdict, Summary
from tests.judge import canned

HOST = {"system": "Linux 6.1", "machine": "x86_64", "cpu_count": 2, "memory_gib": 8.0}
VERSIONS = {"chromium": "156.0", "livekit-server": "1.13.5", "livekit-client": "2.23.0", "commit": "abc123"}
CASES = tuple(f"c{i:02}" for i in range(10))


def manifest(run_id: str, case: str, attempt: int = 1, **fields: object) -> Manifest:
    known = canned.manifest(case, attempt=attempt).model_copy(
        update={
            "run_id": run_id,
            "trace_id": f"{run_id}-{case}-a{attempt}",
            "host": HOST,
            "versions": VERSIONS,
            "page": PageUnderTest(kind="product"),
            **fields,
        }
    )
    return Manifest.model_validate(known.model_dump())


def measured(
    run_id: str, case: str, kpi_ms: float | None, attempt: int = 1, *, valid: bool = True, gap_ms: float = 0.0
) -> Measurement:
    probe_ms = 100 + kpi_ms / 2 if kpi_ms is not None else None  # never above its limit of 650 ms here
    named = {"user_kpi_raw_ms": canned.metric(kpi_ms), "user_kpi_ms": canned.metric(kpi_ms)}
    named["eot_to_first_audio_ms"] = canned.metric(probe_ms)
    made = canned.measurement(case, attempt=attempt, valid=valid, max_gap_ms=canned.metric(gap_ms), **named)
    return made.model_copy(update={"trace_id": f"{run_id}-{case}-a{attempt}"})


def verdict(
    run_id: str,
    case: str,
    kpi_ms: float | None,
    attempt: int = 1,
    *,
    gap_ms: float = 0.0,
    limits: Limits = SHIPPED,
) -> AttemptVerdict:
    found = measured(run_id, case, kpi_ms, attempt, gap_ms=gap_ms)
    return judge_attempt(canned.case(case), manifest(run_id, case, attempt), found, "captures/x", limits=limits)


def write_run(
    history: History,
    run_id: str,
    kpis_ms: Sequence[float],
    *,
    started_at: str = "2026-01-01T00:00:00+00:00",
    cases: Sequence[str] = CASES,
    said: str = "1",
    ears: str | None = "e1",
    finished: bool = True,
    complete: bool = True,
    gap_ms: float = 0.0,
    degraded: int = 0,
    limits: Limits = SHIPPED,
    **fields: object,
) -> None:
    """One attempt a KPI, the cases in turn. `said` is the hash of what each case says; `fields` go into the manifest.

    `degraded`: in so many of the attempts the voice fell back to its reserve.
    """
    judged: dict[str, list[AttemptVerdict]] = {}
    for i, kpi_ms in enumerate(kpis_ms):
        case, attempt = cases[i % len(cases)], 1 + i // len(cases)
        told = verdict(run_id, case, kpi_ms, attempt, gap_ms=gap_ms, limits=limits)
        if i < degraded:
            told = told.model_copy(update={"degraded": [DegradedTurn(reply_seq=0, notes=["tts: refused"])]})
        judged.setdefault(case, []).append(told)
        run = RunInfo(manifest(run_id, case, attempt, **fields), started_at, "fast", None, ears, limits=limits)
        record_attempt(history, run, AttemptInfo(told, case, said))
    if finished:
        finish_run(history, summary(run_id, judged, started_at, complete=complete, limits=limits), ears=ears)


def summary(
    run_id: str,
    judged: dict[str, list[AttemptVerdict]],
    started_at: str,
    *,
    complete: bool = True,
    limits: Limits = SHIPPED,
) -> Summary:
    cases: list[tuple[Case, CaseVerdict]] = [
        (canned.case(name), judge_case(canned.case(name), attempts)) for name, attempts in judged.items()
    ]
    return canned.summary(cases, run_id=run_id, started_at=started_at, complete=complete, limits=limits)


def nights(
    history: History, n: int, *, kpi_ms: float = 450.0, turns: int = 20, seed: int = 1, prefix: str = "n"
) -> list[str]:
    """Runs of `n` consecutive nights: turns with SD 20 ms about runs with SD 4 ms. Their ids."""
    rng = np.random.default_rng(seed)
    names = []
    for night in range(n):
        values = kpi_ms + rng.normal(0, 4) + rng.normal(0, 20, turns)
        names.append(f"{prefix}{night:02}")
        write_run(history, names[-1], list(values), started_at=f"2026-01-{night + 1:02}T02:00:00+00:00")
    return names


def run_folder(
    folder: Path, run_id: str, kpis_ms: Sequence[float], *, with_summary: bool = True, with_measurement: bool = True
) -> Path:
    """A run folder with one capture a case: records only, no sound."""
    judged: dict[str, list[AttemptVerdict]] = {}
    for case, kpi_ms in zip(CASES, kpis_ms, strict=False):
        capture = folder / "captures" / f"{run_id}-{case}-a1"
        capture.mkdir(parents=True)
        write_manifest(capture, manifest(run_id, case))
        (capture / "case.json").write_text(canned.case(case).model_dump_json())
        if with_measurement:
            (capture / "measurement.json").write_text(measured(run_id, case, kpi_ms).model_dump_json())
        judged[case] = [verdict(run_id, case, kpi_ms)]
    if with_summary:
        told = summary(run_id, judged, "2026-01-01T00:00:00+00:00")
        (folder / "summary.json").write_text(told.model_dump_json())
    return folder
