"""The pytest plugin, run for real: a case is a test, one bench for the session, the same captures and report as `run`."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.history.database import open_history
from harness.history.reading import read_run
from harness.model.status import CaptureStatus
from harness.model.verdict import Summary
from harness.plugin.hooks import _Session
from harness.processes.loop_thread import LoopThread
from tests.judge.canned import case, measurement, metric, summary, verdict

ROOT = Path(__file__).parents[2]


def run_pytest(tmp_path: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, f"--ew-runs={tmp_path / 'runs'}"]
    env = {**os.environ, "COLUMNS": "200", **more}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=400)


def test_cases_are_collected_with_their_markers(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "cases", "--collect-only", "-q", "-m", "mini and p0")
    names = re.findall(r"::(\S+)", done.stdout)
    assert sorted(names) == ["barge_in_mid_reply", "endpoint_short_hello", "long_reply_story"], done.stdout


def test_suites_and_tags_of_ones_own_are_markers(tmp_path: Path) -> None:
    for name, keys in (("mine_a", "suite: [mine]\ntags: [billing, skip, two words]"), ("mine_b", "suite: [mine]")):
        text = f"id: {name}\ntitle: x\ntier: P0\n{keys}\nspeech: {{utterances: [{{parts: [{{say: hello}}]}}]}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    options = (str(tmp_path), "--collect-only", "-q", "--strict-markers", "-m")
    assert re.findall(r"::(\S+)", run_pytest(tmp_path, *options, "mine").stdout) == ["mine_a", "mine_b"]
    assert re.findall(r"::(\S+)", run_pytest(tmp_path, *options, "mine and billing").stdout) == ["mine_a"]


def test_a_limit_of_the_run_counts_when_a_case_is_checked(tmp_path: Path) -> None:
    keys = "gates_override: {eot_to_first_audio: 1000}\nspeech: {utterances: [{parts: [{say: hello}]}]}\n"
    (tmp_path / "own.yaml").write_text(f"id: own\ntitle: x\ntier: P0\n{keys}")
    refused = run_pytest(tmp_path, str(tmp_path), "--collect-only", "-q")
    assert "1000 loosens <= 650; a P0 case may only tighten" in refused.stdout
    allowed = run_pytest(
        tmp_path, str(tmp_path), "--collect-only", "-q", "--ew-gate=eot_to_first_audio=1500,max_gap=300"
    )
    assert "::own" in allowed.stdout
    wrong = run_pytest(tmp_path, str(tmp_path), "--collect-only", "-q", "--ew-gate=eot=1500")
    assert "no gate has the name 'eot'" in wrong.stdout


def test_a_broken_case_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    case = tmp_path / "broken.yaml"
    case.write_text("id: x\ntitle: x\ntear: P0\nspeech: {total_ms: 500}\n")
    done = run_pytest(tmp_path, str(case))
    assert done.returncode == 2
    assert "broken.yaml:3: unknown key 'tear'" in done.stdout


@pytest.mark.parametrize(("latency_step_ms", "exit_status"), [(0.1, 1), (5.0, 0)])
def test_what_only_the_whole_run_shows_fails_the_session(latency_step_ms: float, exit_status: int) -> None:
    """Twelve cases pass, but their latencies vary less than they can be resolved."""
    told = []
    for k in range(12):
        definition = case(f"c{k}")
        latency = metric(400 + k * latency_step_ms)
        measured = measurement(definition.id, eot_to_first_audio_ms=latency, user_kpi_ms=latency)
        told.append((definition, verdict(definition, measured)))
    whole = summary(told)
    plugin: Any = _Session(SimpleNamespace())  # type: ignore[arg-type]
    plugin._loop = LoopThread()
    verdicts = {"c": told[0][1]}
    plugin._run = SimpleNamespace(
        verdicts=verdicts, interrupted=False, broken=None, order=[], finish=lambda complete: whole,
        plan=SimpleNamespace(run_dir=Path("nowhere"), otlp=None),
    )  # fmt: skip
    session = SimpleNamespace(exitstatus=0)
    plugin.pytest_sessionfinish(session)
    assert session.exitstatus == exit_status


#: A bench without a call; it breaks after the case that EW_TEST_BREAKS names.
CONFTEST = """
import os
from contextlib import asynccontextmanager
from types import SimpleNamespace
from harness.run import open as opening, run as under_way
from harness.model.capture import write_manifest
from tests.history import made
from tests.judge import canned

class Bench:
    scene = SimpleNamespace(agent=SimpleNamespace(about=canned.manifest().agent))
    broken = None

    def __init__(self, plan):
        self.plan = plan

    async def attempt(self, built, on_phase):
        manifest = made.manifest(self.plan.run_id, built.case.id)
        folder = self.plan.run_dir / "captures" / manifest.trace_id
        folder.mkdir(parents=True)
        write_manifest(folder, manifest)
        if built.case.id == os.environ.get("EW_TEST_BREAKS"):
            self.broken = "the media server ended"
        return folder, manifest

@asynccontextmanager
async def open_bench_of(plan, settings, **_):
    yield Bench(plan)

def listen(folder, recogniser):
    manifest = under_way.Manifest.model_validate_json((folder / "manifest.json").read_bytes())
    late = manifest.case_id == os.environ.get("EW_TEST_FAILS")
    return made.measured(manifest.run_id, manifest.case_id, 5_000.0 if late else 440.0)

opening.open_bench_of, under_way.listen_to_call = open_bench_of, listen
"""
THREE = ("one", "three", "two")  # in the order of their files


def without_a_call(tmp_path: Path, *arguments: str, **env: str) -> tuple[subprocess.CompletedProcess[str], Summary]:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "conftest.py").write_text(CONFTEST)
    for name in THREE:
        words = (ROOT / "cases" / "endpoint_short_hello.yaml").read_text()
        (folder / f"{name}.yaml").write_text(words.replace("id: endpoint_short_hello", f"id: {name}"))
    env = {f"EW_TEST_{key.upper()}": value for key, value in env.items()}
    done = run_pytest(tmp_path, str(folder), *arguments, **env)
    (path,) = (tmp_path / "runs").glob("*/summary.json")
    return done, Summary.model_validate_json(path.read_bytes())


def test_a_run_whose_bench_broke_is_not_complete_and_says_what_was_not_run(tmp_path: Path) -> None:
    done, summary = without_a_call(tmp_path, breaks="three")
    assert done.returncode == 1, done.stdout
    assert not summary.complete
    assert [case.case_id for case in summary.cases] == ["one", "three"]
    assert summary.errors == ["the run was broken off: the media server ended"]
    assert summary.headline.startswith("PARTIAL, the run was broken off: 2 of 2 cases passed")
    assert summary.headline.endswith("1 case was not run")


def test_side_by_side_a_bench_that_broke_in_the_last_case_leaves_no_complete_run_either(tmp_path: Path) -> None:
    done, summary = without_a_call(tmp_path, "--ew-jobs=2", breaks="two")
    assert len(summary.cases) == 3
    assert not summary.complete
    assert done.returncode == 1, "the tests passed, the run did not"
    assert summary.errors == ["the run was broken off: the media server ended"]


def test_a_collector_that_is_not_there_costs_a_line_and_no_test(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        done, summary = without_a_call(tmp_path, f"--ew-otlp={address}")
    assert done.stdout.count(f"traces: 0 of 3 calls sent to {address}; cannot be reached: Connection refused") == 1
    assert (done.returncode, summary.exit_code) == (0, 0), done.stdout


def test_a_session_that_stops_at_its_first_failure_is_not_complete(tmp_path: Path) -> None:
    done, summary = without_a_call(tmp_path, "-x", fails="one")
    assert not summary.complete
    assert "2 cases were not run" in summary.headline
    assert done.returncode == 1


@pytest.mark.live
def test_a_session_leaves_one_run_with_its_report(tmp_path: Path, patient_cases: Callable[..., Path]) -> None:
    junit = tmp_path / "junit.xml"
    cases = patient_cases("endpoint_short_hello", "question_short")
    done = run_pytest(tmp_path, str(cases), "--ew-lane=bot", f"--junitxml={junit}")
    (folder,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    summary = Summary.model_validate_json((folder / "summary.json").read_bytes())
    assert [case.case_id for case in summary.cases] == ["endpoint_short_hello", "question_short"], done.stdout
    assert all(case.attempts[0].capture_status is CaptureStatus.OK for case in summary.cases)
    assert summary.complete
    assert f"report: {folder}/report.md" in done.stdout
    assert (folder / "report.md").is_file()
    assert 'name="question_short"' in junit.read_text()


@pytest.mark.live
def test_workers_of_xdist_share_one_media_server_one_run_and_one_report(
    tmp_path: Path, patient_cases: Callable[..., Path]
) -> None:
    cases = patient_cases("endpoint_short_hello", "question_short")
    done = run_pytest(tmp_path, str(cases), "-n", "2", "--ew-lane=bot")
    (folder,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    summary = Summary.model_validate_json((folder / "summary.json").read_bytes())
    assert [case.case_id for case in summary.cases] == ["endpoint_short_hello", "question_short"], done.stdout
    assert all(case.attempts[0].capture_status is CaptureStatus.OK for case in summary.cases)
    assert summary.complete
    assert summary.errors == []
    assert summary.side_by_side is not None
    assert (summary.side_by_side.jobs, summary.side_by_side.sessions) == (2, 2)
    assert summary.agent.vad_hangover_ms is not None, "what the agent said of itself in a worker is not lost"
    assert {path.name for path in (folder / "captures").iterdir()} == {
        f"{folder.name}-{case.case_id}-a1" for case in summary.cases
    }
    assert [path.name for path in (folder / "logs").glob("livekit-server*")] == ["livekit-server.log"]
    assert done.stdout.count(f"report: {folder}/report.md") == 1
    with open_history(tmp_path / "runs" / "history.sqlite") as history, history.reading() as session:
        assert read_run(session, folder.name).n_attempts == 2


def test_workers_without_a_case_start_nothing(tmp_path: Path) -> None:
    test = tmp_path / "test_x.py"
    test.write_text("def test_x(): pass\n")
    done = run_pytest(tmp_path, str(test), "-n", "1", "-q")
    assert done.returncode == 0, done.stdout
    assert "earwitness" not in done.stdout
    assert not (tmp_path / "runs").exists()


def test_what_cannot_be_opened_is_told_in_every_worker(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "cases", "-n", "1", "-k", "silence_only", "--ew-lane=bot", "--ew-agent=nobody")
    assert done.returncode == 1
    assert "--agent 'nobody'" in done.stdout
    assert not list((tmp_path / "runs").glob("*/summary.json"))


@pytest.mark.live
def test_a_failing_case_shows_its_gate_and_where_the_capture_is(tmp_path: Path) -> None:
    text = (ROOT / "cases" / "endpoint_short_hello.yaml").read_text()
    case = tmp_path / "strict.yaml"
    case.write_text(
        text.replace("id: endpoint_short_hello", "id: strict")
        + "gates_override: {eot_to_first_audio: 1}\nreply_timeout_ms: 30000\n"
    )
    done = run_pytest(tmp_path, str(case), "--ew-lane=bot")
    assert done.returncode == 1, done.stdout
    missed = r"FAIL\s+eot_to_first_audio: max of 1: \d+ ms, wanted <= 1 ms"
    not_measured = r"INVALID\s+eot_to_first_audio: .*host was overloaded"
    assert re.search(f"{missed}|{not_measured}", done.stdout), done.stdout
    (folder,) = (tmp_path / "runs").glob("*/captures/*")
    assert str(folder) in done.stdout
