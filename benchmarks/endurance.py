"""One agent for 200 turns of mixed cases, with interruptions and one kill of its voice; and what is its own in the latency.

    python benchmarks/endurance.py [--turns 200] [--user browser] [--suite fast] [--also CASE,CASE] [--no-kill]

Rounds of all cases in random order (by seed), each followed by one call of the calibration's beacon through the same media
server and a browser of the same kind: what the path alone costs, in the same run. Half-way the agent's synthesiser is killed
(SIGKILL) in mid-call. The run has a report as any other (runs/<run_id>/); endurance.json and the table add what it does not
say: the agent's own share, decision → silence at the ear, growth of memory, tasks and files, and turns lost without a label.
Latencies need a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.cost.processes import tree
from benchmarks.endurance_figures import Latencies, Sample, add_interruptions, add_turns, rows
from harness.judge.verdict import judge_case
from harness.listen.read.reading import read_capture
from harness.live.agents import ReferenceAgent
from harness.live.bench import Bench, open_bench
from harness.model.plan import BuiltCase, Plan
from harness.model.verdict import AttemptVerdict, Summary
from harness.prove.beacon_case import D0_MS, BeaconCall, build_calls
from harness.prove.beacon_listening import hear_call
from harness.prove.calibrate import CalibrationPlan, beacon_agent
from harness.provide.cache import cache_dir
from harness.run.cases import build_cases, load_checked_cases, select_cases
from harness.run.open import open_run
from harness.run.plan import make_plan
from harness.run.run import Run
from harness.settings import Settings, load_settings
from reports.view.funnel import funnel_view
from runtime.engines.espeak import MODULE as VOICE

LATENCY = {"browser": "user_kpi_raw_ms", "bot": "eot_to_first_audio_ms"}
BEACON_TURNS = 6
KILL_AFTER_S = (1.0, 6.0)  # within a call
MIB = 2**20


@dataclass
class Endurance:
    """What is collected while it plays."""

    turns: int = 0
    samples: list[Sample] = field(default_factory=list)
    attempts: dict[str, list[tuple[AttemptVerdict, int]]] = field(default_factory=dict)  # with its round
    beacons: list[tuple[Path, tuple[float, ...]]] = field(default_factory=list)
    killed: str = "no"


def due(built: BuiltCase) -> int:
    return sum(utterance.is_turn for utterance in built.truth.utterances) if built.case.expect_reply else 0


async def sample(agent: ReferenceAgent, turns: int) -> Sample | None:
    """None if the agent is not there to be asked."""
    if agent.pid is None:
        return None
    try:
        families = {f.name: f for f in text_string_to_metric_families(await agent.metrics())}
        processes = tree(agent.pid)
        memory = sum(process.memory_full_info().uss for process in processes) / MIB
        files = sum(process.num_fds() for process in processes)
    except (psutil.Error, aiohttp.ClientError, TimeoutError, OSError):
        return None
    return Sample(
        turns, round(memory, 2), len(processes), files, int(families["earwitness_agent_tasks"].samples[0].value)
    )


async def kill_voice(agent: ReferenceAgent, after_s: float, done: Endurance, trace: str) -> None:
    """One of the synthesiser's processes, at a moment within the call."""
    await asyncio.sleep(after_s)  # no event: it may die at any moment
    if agent.pid is None:
        return
    for process in [child for child in tree(agent.pid) if VOICE in child.cmdline()][:1]:
        process.kill()
        done.killed = f"process {process.pid} in {trace}, {after_s:.1f} s after its beginning"


async def play_round(
    number: int, run: Run, cases: list[BuiltCase], done: Endurance, wanted: int, kill_after_s: float | None
) -> None:
    """`kill_after_s`: the synthesiser dies so long after the beginning of the first call that has a turn."""
    assert run.bench is not None
    agent = run.bench.scene.agent
    assert isinstance(agent, ReferenceAgent)
    for built in cases:
        if done.turns >= wanted or run.broken is not None:
            return
        killing = None
        if kill_after_s is not None and done.killed == "no" and due(built):
            killing = asyncio.create_task(kill_voice(agent, kill_after_s, done, built.case.id))
        try:
            folder, manifest = await run.bench.attempt(built)
        finally:
            if killing is not None:
                killing.cancel()
                await asyncio.gather(killing, return_exceptions=True)
        verdict = await asyncio.to_thread(run.judge, built, folder, manifest)
        done.turns += due(built)
        done.attempts.setdefault(built.case.id, []).append((verdict, number))
        now = await sample(agent, done.turns)
        if now is not None:
            done.samples.append(now)
        print(f"  {done.turns:4d} {built.case.id}: {verdict.status} {manifest.detail}".rstrip(), flush=True)


async def play_beacon(bench: Bench, call: BeaconCall, done: Endurance) -> None:
    folder, manifest = await bench.attempt(call.built)
    done.beacons.append((folder, call.d_ms))
    print(f"       {call.built.case.id}: {manifest.status} {manifest.detail}", flush=True)


async def play(plan: Plan, settings: Settings, cases: list[BuiltCase], given: argparse.Namespace) -> Endurance:
    """Until the turns are played. Raises ProvisionError, HarnessError."""
    done = Endurance()
    rng = random.Random(given.seed)
    a_round = sum(map(due, cases))
    plans = plan.run_dir / "beacon"
    calls = [
        build_calls(BEACON_TURNS, given.seed + n, plans, f"beacon_{n}")[0]
        for n in range(-(-given.turns // a_round) if given.beacon else 0)
    ]
    calibration = CalibrationPlan(plan.run_id, plan.run_dir, lanes=(plan.lane,))
    beacon_plan = replace(plan, cases=tuple(call.built for call in calls), agent=beacon_agent(calibration, plans))
    async with AsyncExitStack() as stack:
        run = await stack.enter_async_context(open_run(plan, settings, on_note=print))
        assert run.bench is not None
        beacon = await stack.enter_async_context(open_bench(beacon_plan, server=run.bench.server))
        number = 0
        while done.turns < given.turns and run.broken is None:
            shuffled = rng.sample(cases, len(cases))
            half = given.kill and done.killed == "no" and done.turns + a_round > given.turns / 2
            await play_round(number, run, shuffled, done, given.turns, rng.uniform(*KILL_AFTER_S) if half else None)
            if number < len(calls):
                await play_beacon(beacon, calls[number], done)
            number += 1
        complete = done.turns >= given.turns
    for built in plan.cases:
        played = [verdict for verdict, _ in done.attempts.get(built.case.id, [])]
        if played:
            run.verdicts[built.case.id] = judge_case(built.case, played)
    summary = await asyncio.to_thread(run.finish, complete=complete)
    tell(plan, done, summary_counts(summary, plan.run_dir, done))
    return done


def summary_counts(summary: Summary, run_dir: Path, done: Endurance) -> dict[str, object]:
    statuses = Counter(verdict.status.value for played in done.attempts.values() for verdict, _ in played)
    view = funnel_view(summary, run_dir)
    reached = (
        "; ".join(f"{stage} {n}{f' (lost: {lost})' if lost else ''}" for stage, n, lost in view.rows) if view else "–"
    )
    return {
        "turns played": done.turns,
        "calls": ", ".join(f"{n} {status}" for status, n in statuses.most_common()),
        "turns of the agent": reached,
        "lost without a label": len(view.unexplained) if view is not None else "–",
        "synthesiser killed": done.killed,
    }


def tell(plan: Plan, done: Endurance, counts: dict[str, object]) -> None:
    """Hear the beacons and the interruptions, print, and write endurance.json."""
    floors: dict[int, list[float]] = {}
    for number, (folder, d_ms) in enumerate(done.beacons):
        turns = hear_call(folder, d_ms, D0_MS)
        floors[number] = [turn.floor_ms for turn in turns if turn.floor_ms is not None and not turn.doubt]
    found = Latencies(floor=[ms for heard in floors.values() for ms in heard])
    for played in done.attempts.values():
        for verdict, number in played:
            own = floors.get(number)
            if verdict.measurement is not None:
                add_turns(found, verdict.measurement, median(own) if own else None, LATENCY[plan.lane])
    for built in plan.cases:
        for verdict, _ in done.attempts.get(built.case.id, []) if built.case.interrupts else []:
            add_interruptions(found, read_capture(plan.run_dir / verdict.folder))
    table = rows(found, done.samples, counts)
    print("\n| | |\n|---|---|")
    for name, value in table:
        print(f"| {name} | {value} |")
    record = {
        "figures": dict(table),
        "latencies_ms": asdict(found),
        "samples": [asdict(taken) for taken in done.samples],
        "floors_ms": floors,
    }
    place = plan.run_dir / "endurance.json"
    place.write_text(json.dumps(record, indent=1), encoding="utf-8")
    print(f"\n{place}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--user", choices=sorted(LATENCY), default="browser")
    parser.add_argument("--suite", default="fast")
    parser.add_argument("--also", default="", help="cases to be said once more each round, by name")
    parser.add_argument("--engines", type=Path, default=None)
    parser.add_argument("--no-kill", dest="kill", action="store_false")
    parser.add_argument("--no-beacon", dest="beacon", action="store_false")
    parser.add_argument("--runs", type=Path, default=Path("runs/endurance"))
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    flags = {"lane": given.user, "suite": given.suite, "runs": given.runs, "engines": given.engines, "history": "off"}
    settings = load_settings({name: value for name, value in flags.items() if value is not None})
    known = load_checked_cases([settings.cases])
    also = [name for name in given.also.split(",") if name]
    chosen = select_cases(known, settings.suite, [])
    built = {
        b.case.id: b
        for b in build_cases([*chosen, *(select_cases(known, "all", also) if also else [])], cache_dir() / "cases")
    }
    plan = make_plan(settings, tuple(built.values()))
    cases = [built[case.id] for _, case in chosen] + [built[name] for name in also]
    asyncio.run(play(plan, settings, cases, given))
    return 0


if __name__ == "__main__":
    sys.exit(main())
