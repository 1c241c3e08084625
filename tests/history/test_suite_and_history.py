"""A whole run and the history, without a call: the bench and the ears are stood in for, everything between is the product's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.history.database import open_history
from harness.history.reading import read_run
from harness.model.capture import Manifest, write_manifest
from harness.model.case import SpokenUtterance, Truth
from harness.model.measurement import Measurement
from harness.model.plan import BuiltCase
from harness.model.verdict import Summary
from harness.run import plan as planning
from harness.run import run as under_way
from harness.run.open import run_history
from harness.settings import Settings
from tests.history import made
from tests.judge import canned


def built(name: str) -> BuiltCase:
    spoken = SpokenUtterance(start_sample=0, end_sample=100)
    truth = Truth(case_id=name, n_samples=300, sha256=name.ljust(64, "0"), source="recipe", utterances=[spoken])
    return BuiltCase(canned.case(name), Path("x.wav"), truth, Path("x.yaml"))


class StandIn:
    """A bench that records nothing and an ear that hears `kpis_ms` in turn."""

    broken = None
    scene = SimpleNamespace(agent=SimpleNamespace(about=canned.manifest().agent))

    def __init__(self, run_dir: Path, kpis_ms: list[float]) -> None:
        self.run_dir = run_dir
        self.kpis_ms = kpis_ms

    async def attempt(self, case: BuiltCase, on_phase: Any) -> tuple[Path, Manifest]:
        manifest = made.manifest(self.run_dir.name, case.case.id)
        folder = self.run_dir / "captures" / manifest.trace_id
        folder.mkdir(parents=True)
        write_manifest(folder, manifest)
        return folder, manifest

    def hear(self, folder: Path, recogniser: object) -> Measurement:
        case = folder.name.removeprefix(f"{self.run_dir.name}-").removesuffix("-a1")
        return made.measured(self.run_dir.name, case, self.kpis_ms.pop(0))


async def speak(settings: Settings, kpis_ms: list[float], monkeypatch: pytest.MonkeyPatch, seen: list[int]) -> Summary:
    """One run of as many cases as there are KPIs; `seen`: how many attempts the history held after each."""
    cases = tuple(built(f"c{i:02}") for i in range(len(kpis_ms)))
    plan = planning.make_plan(settings, cases)
    bench = StandIn(plan.run_dir, list(kpis_ms))
    monkeypatch.setattr(under_way, "listen_to_call", bench.hear)
    run = under_way.Run(plan, bench=bench, history=run_history(plan, settings))  # type: ignore[arg-type]
    place = settings.history_place()
    for case in cases:
        await run.case(case)
        if place is not None:
            with open_history(place) as history, history.reading() as session:
                seen.append(read_run(session, plan.run_id).n_attempts)
    return run.finish(complete=True)


async def test_every_attempt_is_in_the_history_when_its_case_is_done_and_the_next_run_says_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(runs=tmp_path / "runs")
    seen: list[int] = []
    one = await speak(settings, [440.0, 450.0, 460.0], monkeypatch, seen)
    assert seen == [1, 2, 3]
    assert one.changes is None
    monkeypatch.setattr(planning, "new_run_id", lambda: "later")
    with open_history(tmp_path / "runs" / "history.sqlite") as history, history.writing() as session:
        from harness.history.tables import (
            Run,
        )  # so that the second run starts later than the first by more than a second

        session.get_one(Run, one.run_id).started_at = "2020-01-01T00:00:00+00:00"
    two = await speak(settings, [441.0, 449.0, 462.0], monkeypatch, seen)
    assert two.changes is not None
    assert two.changes.previous is not None
    assert two.changes.previous.what == f"run {one.run_id}"
    assert two.changes.previous.comparisons[0].now.n_turns == 3
    report = (tmp_path / "runs" / "later" / "report.md").read_text()
    assert f"### Since run {one.run_id}" in report.replace("\\", "")
    kept = Summary.model_validate_json((tmp_path / "runs" / "later" / "summary.json").read_bytes())
    assert kept.changes == two.changes
    assert kept.environment["versions"]["ears"]


async def test_a_run_without_a_history_is_as_good_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = await speak(Settings(runs=tmp_path / "runs", history="off"), [440.0], monkeypatch, [])
    assert done.complete
    assert done.changes is None
    assert done.errors == []
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [done.run_id]
