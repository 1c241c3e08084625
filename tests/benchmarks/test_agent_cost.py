"""The benchmark of an agent's cost: what holds, where the knee is, what a ratio is worth, and whose memory is counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmarks.agent_cost import arms, choose_cores, line, ratio_line, report
from benchmarks.cost.agents import is_ready
from benchmarks.cost.figures import SessionResult, TrialResult, Use, held, knee, ratio_of_medians, rows, slope_mib
from benchmarks.cost.processes import ProcessMemory, TreeMemory, TreeTime, in_use
from benchmarks.cost.trial import Place, Together, as_result
from benchmarks.stock_agent.warm import WarmWorker
from harness.errors import UsageError
from harness.model.measurement import Validity
from harness.model.status import CaptureStatus, Status
from runtime.engines import espeak
from tests.judge.canned import case, measurement, metric, verdict


def session(status: Status = Status.PASS, *latencies_ms: float, failed: tuple[str, ...] = ()) -> SessionResult:
    return SessionResult(status, CaptureStatus.OK, (), failed, (), (), latencies_ms or (250.0, 260.0), 0)


def trial(
    arm: str, sessions: int, *results: SessionResult, pss_mib: float = 100.0, join_ms: float = 200.0, number: int = 0
) -> TrialResult:
    memory = TreeMemory(3, pss_mib, pss_mib, 40.0, 0, 0.0)
    use = Use(30.0, TreeTime(3.0 * sessions, 1.0 * sessions), memory, 10.0 * sessions, 30.0)
    return TrialResult(arm, sessions, number, results, (join_ms,) * len(results), memory, use)


def test_a_number_of_sessions_holds_if_every_session_of_every_round_passed() -> None:
    assert held([trial("a", 1, session()), trial("a", 1, session(Status.WARN))]) is True
    assert held([trial("a", 1, session()), trial("a", 1, session(Status.FAIL))]) is False


def test_what_could_not_be_judged_neither_holds_nor_fails() -> None:
    assert held([trial("a", 2, session(), session(Status.INVALID))]) is None
    assert held([trial("a", 2, session(Status.FAIL), session(Status.INVALID))]) is False
    assert held([TrialResult("a", 1, 0, (), (), None, None, ("did not come up",))]) is None


def test_a_round_whose_agent_did_not_come_up_is_no_round_that_held() -> None:
    nobody = TrialResult("a", 1, 1, (), (), None, None, ("did not come up",))
    assert held([trial("a", 1, session()), nobody]) is None


def test_a_failure_while_others_took_the_core_says_nothing_of_the_agent() -> None:
    failing = trial("a", 1, session(Status.FAIL, failed=("max_gap",)))
    assert failing.use is not None
    assert held([failing]) is False
    crowded = replace(failing, use=replace(failing.use, agents_core_percent=60.0))
    assert held([crowded]) is None
    assert "but disturbed" in line(rows([crowded])[0])
    full = replace(failing, use=replace(failing.use, other_cores_percent=99.0))
    assert held([full]) is None
    assert held([replace(crowded, results=(session(),))]) is True


def test_the_knee_is_the_largest_number_that_held_with_all_below_it() -> None:
    failing = session(Status.FAIL, failed=("max_gap",))
    table = rows([trial("a", 1, session()), trial("a", 2, session(), session()), trial("a", 3, failing), trial("a", 4)])
    assert knee(table, "a") == (2, "3 failed: max_gap in 1 of 3 sessions")
    better_again = rows([trial("a", 1, session()), trial("a", 2, failing), trial("a", 3, session())])
    assert knee(better_again, "a")[0] == 1


def test_a_knee_ends_where_nothing_could_be_judged() -> None:
    table = rows([trial("a", 1, session()), trial("a", 2, session(Status.INVALID)), trial("a", 3, session())])
    assert knee(table, "a") == (1, "2 could not be judged")
    assert knee(rows([trial("a", 1, session(Status.FAIL))]), "a")[0] is None


def test_memory_of_one_session_more_leaves_out_what_the_agent_has_anyway() -> None:
    trials = [trial("a", n, *[session()] * n, pss_mib=150.0 + 30.0 * n) for n in (1, 2, 4)]
    assert slope_mib(trials, "a") == pytest.approx(30.0)
    assert slope_mib(trials, "a", engines=False) == pytest.approx(30.0)  # these have the same engines for all
    assert slope_mib(trials[:1], "a") is None


def test_cpu_is_of_one_call_and_a_minute() -> None:
    found = rows([trial("a", 2, session(), session())])[0]
    assert found.cpu_s_a_minute == pytest.approx(6.0)
    assert found.engines_cpu_s_a_minute == pytest.approx(2.0)
    assert found.agents_core_percent == pytest.approx(20.0)


def test_a_ratio_has_an_interval_only_from_enough_sessions() -> None:
    slow, fast = [[500.0 + k, 510.0 + k] for k in range(6)], [[250.0 + k, 255.0 + k] for k in range(6)]
    ratio = ratio_of_medians("x", 1, slow, fast)
    assert ratio.value == pytest.approx(2.0, abs=0.02)
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low <= ratio.value <= ratio.high
    few = ratio_of_medians("x", 1, slow[:2], fast)
    assert few.value is not None
    assert few.low is None
    assert "2 sessions" in ratio_line(few)
    assert ratio_of_medians("x", 1, [[]], fast).value is None


def test_a_report_compares_both_agents_at_every_number_of_sessions() -> None:
    trials = [
        trial(arm, n, *[session(Status.PASS, latency, latency + 1)] * n, pss_mib=total * n, join_ms=latency)
        for n in (1, 2)
        for arm, latency, total in (("reference", 250.0, 100.0), ("stock", 500.0, 300.0))
    ]
    text, told = report(trials)
    assert (
        "reference: knee 2 (the largest that was tried held); one session more takes 100 MiB, 100 MiB of it outside"
        in text
    )
    by_name = {(ratio["what"], ratio["sessions"]): ratio["value"] for ratio in told["ratios"]}
    assert by_name["end of turn → first audio", 2] == pytest.approx(2.0, abs=0.01)
    assert by_name["memory of one session more", None] == pytest.approx(3.0)
    assert by_name["sessions at the knee", None] == 1.0
    alone, _ = report(trials[:1])
    assert "ratio" not in alone


def test_a_row_names_the_gates_that_failed_and_what_is_not_known() -> None:
    failing = SessionResult(Status.FAIL, CaptureStatus.AGENT_CRASH, (), (), (), (), (), 0)
    nothing = TrialResult("a", 1, 0, (failing,), (), None, None)
    told = line(rows([nothing])[0])
    assert "failed: AGENT_CRASH (1)" in told
    assert "| – | – | – |" in told


def test_a_verdict_becomes_gates_latencies_and_turns_that_are_not_believed() -> None:
    definition = case("a")
    good = verdict(definition, measurement("a", eot_to_first_audio_ms=metric(300.0))).attempts[0]
    told = as_result(good)
    assert told.latencies_ms == (300.0,)
    assert "max_gap" in told.passed
    slow = as_result(verdict(definition, measurement("a", eot_to_first_audio_ms=metric(900.0))).attempts[0])
    assert slow.status is Status.FAIL
    assert slow.failed == ("eot_to_first_audio",)
    doubted = measurement("a").model_copy(update={"validity": Validity(ok=False, reasons=["overloaded"])})
    told = as_result(verdict(definition, doubted).attempts[0])
    assert (told.latencies_ms, told.invalid_turns) == ((), 1)
    assert told.status is Status.INVALID


def test_a_job_process_that_nobody_calls_is_not_counted() -> None:
    def process(pid: int, parent: int, command: str, pss_mib: float) -> ProcessMemory:
        return ProcessMemory(pid, parent, command, pss_mib, pss_mib)

    found = [
        process(1, 0, "python worker.py start", 50),
        process(2, 1, "python -c from multiprocessing.forkserver import main", 20),
        process(3, 2, "job_proc", 30),
        process(4, 3, "python -m runtime.engines.sphinx_process", 80),
        process(5, 2, "job_proc", 25),
    ]
    told = in_use(found, 1)
    assert (told.pss_mib, told.engines_mib, told.reserve_mib) == (180, 80, 25)
    assert (told.processes, told.reserve_processes) == (4, 1)
    assert in_use([process(1, 0, "python -m runtime", 60), process(2, 1, "child", 5)], 1).pss_mib == 65


def test_an_agent_is_ready_when_its_track_is_there_and_it_listens() -> None:
    def somebody(identity: str, tracks: int, state: str | None = None) -> SimpleNamespace:
        attributes = {} if state is None else {"lk.agent.state": state}
        return SimpleNamespace(identity=identity, tracks=[SimpleNamespace(type=0)] * tracks, attributes=attributes)

    assert not is_ready([somebody("user", 1), somebody("probe", 1)], "user")
    assert not is_ready([somebody("user", 1), somebody("agent", 0)], "user")
    assert not is_ready([somebody("agent", 1, "initializing")], "user")
    assert is_ready([somebody("agent", 1, "listening")], "user")
    assert is_ready([somebody("agent", 1)], "user")


async def test_sessions_wait_for_each_other_but_not_for_one_that_ended() -> None:
    settled = asyncio.Event()
    settled.set()
    together = Together(SimpleNamespace(settled=settled, pid=2**22 + 1), 3, 0)  # type: ignore[arg-type]
    places = [Place(together) for _ in range(3)]
    first = asyncio.create_task(places[0].measure())
    await asyncio.sleep(0)
    assert together.arrived == 1
    assert not together._all_here.is_set()
    places[2].give_back()
    places[1].taken = True
    together.arrive()
    places[1].give_back()
    await first
    assert together.notes == []


async def test_a_process_that_was_made_ready_before_the_loop_speaks_in_it() -> None:
    worker = WarmWorker(espeak.MODULE)
    worker.begin()
    await asyncio.to_thread(worker.until_ready)
    engine = espeak.EspeakTextToSpeech()
    engine._worker = worker
    prepared = worker._child
    assert prepared is not None
    try:
        samples = sum([len(chunk) async for chunk in engine.speak("Hello.")])
        assert samples > 1_000
        assert worker.pid == prepared.pid
    finally:
        await engine.aclose()
    assert prepared.returncode is not None
    prepared.stdin.close()  # type: ignore[union-attr]
    prepared.stdout.close()  # type: ignore[union-attr]


def test_the_agents_core_is_one_of_ours_and_leaves_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.agent_cost.os.sched_getaffinity", lambda _: {2, 5})
    assert choose_cores(None) == (5, {2})
    assert choose_cores(2) == (2, {5})
    with pytest.raises(UsageError, match="--core 3"):
        choose_cores(3)
    monkeypatch.setattr("benchmarks.agent_cost.os.sched_getaffinity", lambda _: {0})
    with pytest.raises(UsageError, match="one core is too few"):
        choose_cores(None)


def test_an_arm_that_does_not_exist_is_named() -> None:
    import argparse

    assert arms("stock,reference") == ["stock", "reference"]
    with pytest.raises(argparse.ArgumentTypeError, match="mine"):
        arms("mine")
