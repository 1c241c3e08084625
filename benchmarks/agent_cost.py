"""What an agent costs: sessions at once on one core, and beside a stock LiveKit Agents session around the same engines.

    python benchmarks/agent_cost.py
    python benchmarks/agent_cost.py --sessions 1,2 --turns 3 --rounds 1 --arms reference,stock

For every number of sessions, round after round, each arm in turn (so that noise hits all of them): a freshly started agent,
held to one core (`--core`), is called by that many bots at once through one media server; bots, server and harness have the
other cores. Arms: `reference` and `stock` with the same eyes, and `inside`, the reference agent instrumented, so that every P0
gate is judged. Prints Markdown; the figures of every trial go to a JSON file. docs/why/agent_cost.md says how it is done. Needs
Linux and two cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import EarwitnessError, UsageError

if TYPE_CHECKING:
    from benchmarks.cost.figures import Ratio, Row, TrialResult
    from harness.model.plan import BuiltCase

ARMS = ("reference", "stock", "inside")
HEADINGS = (
    "sessions", "agent", "P0 gates", "sessions passed", "disturbed", "turns", "INVALID", "end of turn → first audio P50", "P95",
    "join → ready", "memory", "of it engines", "memory a session", "CPU a minute of call", "of it engines",
    "agent's core busy: the agent", "all", "other cores busy",
)  # fmt: skip


def cell(value: float | None, unit: str, digits: int = 0) -> str:
    return "–" if value is None else f"{value:.{digits}f} {unit}"


def verdict(row: Row) -> str:
    failed = ", ".join(f"{gate} ({count})" for gate, count in sorted(row.failed_gates.items()))
    if row.held is None:
        return "not judged" + (f": {failed}, but disturbed" if failed else "")
    return "held" if row.held else f"failed: {failed}"


def line(row: Row) -> str:
    cells = (
        row.sessions, row.arm, verdict(row), f"{row.sessions_passed} of {row.trials * row.sessions}",
        f"{row.disturbed} of {row.trials}", row.turns,
        row.invalid_turns, cell(row.p50_ms, "ms"), cell(row.p95_ms, "ms"), cell(row.join_p50_ms, "ms"),
        cell(row.memory_mib, "MiB"), cell(row.engines_mib, "MiB"), cell(row.memory_a_session_mib, "MiB"),
        cell(row.cpu_s_a_minute, "s", 1),
        cell(row.engines_cpu_s_a_minute, "s", 1), cell(row.agents_core_percent, "%"),
        cell(row.agents_core_all_percent, "%"), cell(row.other_cores_percent, "%"),
    )  # fmt: skip
    return "| " + " | ".join(str(value) for value in cells) + " |"


def table(rows: Sequence[Row]) -> str:
    head = "| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS)
    return "\n".join([head, *map(line, rows)])


def ratio_line(ratio: Ratio) -> str:
    value = "–" if ratio.value is None else f"{ratio.value:.2f}"
    interval = ratio.reason or "–"
    if ratio.low is not None and ratio.high is not None:
        interval = f"{ratio.low:.2f} to {ratio.high:.2f}"
    return f"| {ratio.what} | {ratio.sessions or '–'} | {value} | {interval} |"


def ratio_table(ratios: Sequence[Ratio]) -> str:
    head = "| stock ÷ reference (the knee: reference ÷ stock) | sessions | ratio | 95 % interval |\n|---|---|---|---|"
    return "\n".join([head, *map(ratio_line, ratios)])


def report(trials: Sequence[TrialResult]) -> tuple[str, dict[str, Any]]:
    """(Markdown, the same for the JSON file)."""
    from benchmarks.cost.figures import knee, ratios, rows, slope_mib

    found = rows(trials)
    arms = list(dict.fromkeys(trial.arm for trial in trials))
    knees = {arm: knee(found, arm) for arm in arms}
    slopes = {arm: (slope_mib(trials, arm), slope_mib(trials, arm, engines=False)) for arm in arms}
    compared = ratios(trials, found, "reference", "stock") if {"reference", "stock"} <= set(arms) else []
    parts = [table(found), ""]
    for arm in arms:
        best, why = knees[arm]
        more, own = (cell(slope, "MiB") for slope in slopes[arm])
        known = best if best is not None else "none"
        parts.append(f"- {arm}: knee {known} ({why}); one session more takes {more}, {own} of it outside the engines")
    parts += ["", ratio_table(compared)] if compared else []
    told = {
        "rows": [asdict(row) for row in found],
        "knees": {arm: {"sessions": best, "why": why} for arm, (best, why) in knees.items()},
        "slopes_mib": {arm: {"all": more, "outside_engines": own} for arm, (more, own) in slopes.items()},
        "ratios": [asdict(ratio) for ratio in compared],
        "trials": [asdict(trial) for trial in trials],
    }
    return "\n".join(parts), told


def choose_cores(core: int | None) -> tuple[int, set[int]]:
    """(the agent's core, everybody else's). Raises UsageError."""
    here = os.sched_getaffinity(0)
    if len(here) < 2:
        raise UsageError("one core is too few: the agent has one of its own, the bots and the media server another")
    chosen = max(here) if core is None else core
    if chosen not in here:
        raise UsageError(f"--core {chosen}: this process may run on {sorted(here)}")
    return chosen, here - {chosen}


async def measure(arguments: argparse.Namespace, built: BuiltCase, out: Path, core: int) -> list[TrialResult]:
    """All trials that were played; those before an interruption too. Raises ProvisionError."""
    from benchmarks.cost.figures import disturbed, row
    from benchmarks.cost.trial import play
    from harness.live.rooms import open_rooms
    from harness.provide.media_server import media_server

    trials: list[TrialResult] = []
    async with media_server(target=None, log_path=out / "livekit-server.log") as server:
        async with open_rooms(server.url, server.api_key, server.api_secret) as rooms:
            for sessions in arguments.sessions:
                for number in range(arguments.rounds):
                    for arm in arguments.arms:
                        try:
                            trial = await play(arm, sessions, number, built, server, rooms, out, core)
                        except asyncio.CancelledError:
                            return trials
                        trials.append(trial)
                        told = [
                            *filter(None, [disturbed(trial)]),
                            *trial.notes,
                            *dict.fromkeys(r.detail for r in trial.results if r.detail),
                        ]
                        print(line(row(arm, sessions, [trial])), *told, sep="\n    ", file=sys.stderr, flush=True)
    return trials


def environment(core: int) -> dict[str, Any]:
    from harness.live.commits import commits
    from harness.live.host import describe_host, own_versions

    return {
        "host": describe_host(),
        "versions": {**own_versions(), **commits(Path(__file__), command=False)},
        "agent_core": core,
    }


def numbers(text: str) -> list[int]:
    return sorted({int(part) for part in text.split(",")})


def arms(text: str) -> list[str]:
    chosen = text.split(",")
    unknown = set(chosen) - set(ARMS)
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: known are {', '.join(ARMS)}")
    return chosen


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=numbers, default=[1, 2, 3, 4, 6], help="how many at once: 1,2,3")
    parser.add_argument("--turns", type=int, default=5, help="of each call")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arms", type=arms, default=list(ARMS))
    parser.add_argument("--core", type=int, help="the agent's; the last one unless given")
    parser.add_argument("--out", type=Path, default=Path("runs/agent_cost/agent_cost.json"))
    parser.add_argument("--keep", type=Path, help="a folder for captures and logs; without it they are deleted")
    return parser.parse_args(argv)


def run(arguments: argparse.Namespace) -> None:
    from benchmarks.cost.agents import stock_python
    from harness.prove.calls import build_call, make_call
    from harness.provide.cache import cache_dir

    core, others = choose_cores(arguments.core)
    os.sched_setaffinity(0, others)  # before any thread or child is there: they all inherit it
    if "stock" in arguments.arms:
        print(f"stock agent: {stock_python()}", file=sys.stderr)
    built = build_call(make_call(f"cost-{arguments.turns}", arguments.turns), cache_dir() / "cases")
    about = environment(core)
    with tempfile.TemporaryDirectory(prefix="earwitness-cost-") as folder:
        out = arguments.keep or Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        trials = asyncio.run(measure(arguments, built, out, core))
    text, told = report(trials)
    after = environment(core)["host"]["load_1min"]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    chosen = {"sessions": arguments.sessions, "turns": arguments.turns, "rounds": arguments.rounds}
    arguments.out.write_text(json.dumps({**about, "load_1min_after": after, **chosen, **told}, indent=1) + "\n")
    print(text)
    print(
        f"\nload of the host before: {about['host']['load_1min']}, after (this benchmark's own): {after}; {arguments.out}"
    )


def main(run_it: Callable[[argparse.Namespace], None] = run) -> int:
    try:
        run_it(parse())
    except EarwitnessError as error:
        print(f"agent_cost: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
