"""A night without a call: bench and ears are stood in for, everything between is the product's.

`Bench` plays what the test tells it (by default everything passes), writes captures as a real one does, and can be made to
die at any point, as a kill would have it: `Killed` ends the night without any of its own words.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from harness.listen.recorder import Beside, WebmHeard
from harness.model.capture import EVENTS, Manifest, write_atomic, write_manifest
from harness.model.case import SpokenUtterance, Truth
from harness.model.measurement import Measurement
from harness.model.night import Night, PlannedPart
from harness.model.plan import BuiltCase, Plan
from harness.model.status import CaptureStatus
from harness.nightly import webm as nightly_webm
from harness.nightly.folder import PARTS, read_night, write_night
from harness.nightly.ledger import LEDGER, Ledger, Line
from harness.nightly.night import NightRun
from harness.nightly.plan_file import Keep, NightPlan, Part
from harness.nightly.progress import NightProgress
from harness.nightly.session import open_session
from harness.run import run as under_way
from harness.settings import Settings
from tests.judge import canned

RECORDED = ("mic.wav", "post_rtc.wav", "pre_rtc.wav", "events.jsonl")


class Killed(BaseException):
    """The process is gone."""


def built(name: str) -> BuiltCase:
    spoken = SpokenUtterance(start_sample=0, end_sample=100)
    truth = Truth(case_id=name, n_samples=300, sha256=name.ljust(64, "0"), source="recipe", utterances=[spoken])
    return BuiltCase(canned.case(name), Path("x.wav"), truth, Path("x.yaml"))


def parts(turns: int, *ids: str, cases: tuple[str, ...] = ("a", "b")) -> list[PlannedPart]:
    return [
        PlannedPart(
            id=name, kind="cases", about=name, lane="browser", mic="scheduled", turns=turns, cases=list(cases),
            run_id=f"run-{name}", folder=f"{PARTS}/{name}/run-{name}",
        )
        for name in ids
    ]  # fmt: skip


def good_webm(capture: Path) -> WebmHeard:
    """As the browser's recorder makes it of a call that went well."""
    hole = Beside(reply_seq=0, metric="max_gap_ear_ms", unit="ms", ear=0.0, webm=0.0)
    return WebmHeard(
        trace_id=capture.name, lane="browser", ear_ms=9e3, webm_ms=8.9e3, gap_ms=0.0, packets=148, lag_ms=-80.0,
        drift_ms=0.0, level_db=0.02, identity=0.96, replies=[hole],
    )  # fmt: skip


class World:
    """What outlives a kill: the folder; and how often each attempt was played."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *ids: str, turns: int = 2) -> None:
        self.folder = folder / "night-x"
        self.played: list[str] = []
        self.heard: list[str] = []
        self.status: Callable[[str], CaptureStatus] = lambda trace: CaptureStatus.OK
        self.before: Callable[[str], None] = lambda trace: None
        self.after_folder: Callable[[str], None] = lambda trace: None
        self.keep = Keep(reserve_mb=0)
        self.settings = Settings(runs=folder, history="off")
        self.webm: Callable[[Path], WebmHeard] = good_webm
        self.webms_heard: list[str] = []
        monkeypatch.setattr(under_way, "listen_to_call", self.hear)
        monkeypatch.setattr(nightly_webm, "hear_webm", self.hear_webm)
        monkeypatch.setattr(under_way, "write_run", _write_summary_alone)
        self.plan = NightPlan(
            name="made", parts=[Part(id=name, cases=["a", "b"], turns=turns) for name in ids], keep=self.keep
        )
        (self.folder / PARTS).mkdir(parents=True)
        night = Night(
            night_id="night-x", started_at="2026-01-01T00:00:00+00:00", plan=self.plan.model_dump(mode="json"),
            options={}, environment={"commit": "c"}, parts=parts(turns, *ids),
        )  # fmt: skip
        write_night(self.folder, night)

    def hear(self, capture: Path, recogniser: object = None) -> Measurement:
        self.heard.append(capture.name)
        manifest = Manifest.model_validate_json((capture / "manifest.json").read_bytes())
        told = {"trace_id": manifest.trace_id, "attempt": manifest.attempt, "capture_status": manifest.status}
        return canned.measurement(manifest.case_id).model_copy(update=told)

    def hear_webm(self, capture: Path) -> WebmHeard:
        self.webms_heard.append(capture.name)
        return self.webm(capture)

    @asynccontextmanager
    async def open_run(self, plan: Plan, settings: Settings, *, run: Any, on_note: Any) -> AsyncIterator[Any]:
        run.bench = Bench(self, plan)
        yield run

    def night_run(self) -> NightRun:
        cases = {name: built(name) for name in ("a", "b")}
        progress = NightProgress(Console(quiet=True))
        return NightRun(
            self.folder, read_night(self.folder), self.plan, self.settings, cases, progress,
            open_session(self.folder), open_run=self.open_run,
        )  # fmt: skip

    def go(self) -> Night | None:
        """One session; None if it was killed."""
        run = self.night_run()
        try:
            return asyncio.run(run.run())
        except Killed:
            return None

    def lines(self) -> tuple[Line, ...]:
        return Ledger(self.folder / LEDGER).read().lines


class Bench:
    broken = None
    scene = SimpleNamespace(agent=SimpleNamespace(about=canned.manifest().agent))

    def __init__(self, world: World, plan: Plan) -> None:
        self.world, self.plan = world, plan
        self.numbers: dict[str, int] = {}

    def resume_after(self, case_id: str, number: int) -> None:
        self.numbers[case_id] = number

    async def attempt(self, case: BuiltCase, on_phase: Any) -> tuple[Path, Manifest]:
        number = self.numbers[case.case.id] + 1
        trace = f"{self.plan.run_id}-{case.case.id}-a{number}"
        self.world.before(trace)
        folder = self.plan.run_dir / "captures" / trace
        folder.mkdir(parents=True)
        self.world.after_folder(trace)
        status = self.world.status(trace)
        event = {"type": "trace_ack", "trace_id": trace}
        ready = {"type": "probe_ready", "trace_id": trace}
        write_atomic(folder / EVENTS, "".join(json.dumps({"event": e}) + "\n" for e in (event, ready)).encode())
        manifest = canned.manifest(case.case.id, attempt=number, status=status).model_copy(
            update={"run_id": self.plan.run_id, "trace_id": trace, "files": dict.fromkeys(RECORDED, 1)}
        )
        write_manifest(folder, manifest)
        self.world.played.append(trace)
        return folder, manifest


def _write_summary_alone(summary: Any, run_dir: Path) -> Any:
    """Pictures and pages are tested where they are made."""
    write_atomic(run_dir / "summary.json", summary.model_dump_json().encode())
    return summary
