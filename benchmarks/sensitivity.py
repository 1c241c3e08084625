"""How small a regression does a night show, and how often does it cry wolf? 10,000 nights, resampled by run.

    python benchmarks/sensitivity.py --history runs/history.sqlite --lane browser
    python benchmarks/sensitivity.py --calls runs/proof/runs/*/captures/*clean* --metric eot_to_first_audio_ms
    python benchmarks/sensitivity.py --synthetic 25,5

A night is one run drawn from the pool, `--turns` turns of it drawn with replacement; its baseline are up to `--baseline-runs` of
the other runs, as many turns drawn from each. The night is judged by the product's own rule (harness.judge.comparison), once
as it is (a false alarm is "worse") and once with `--shift` ms added to each turn (power is how often that is "worse"). The
pool is runs of one environment in a history, or calls that were recorded in rooms of their own (`--calls`, each one counts
as a run), or a model: turns with one SD about runs with another, drawn anew each night.

Intervals are Clopper-Pearson's, of the nights; a pool of few runs knows no more of how runs differ than those runs show.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from harness.judge import resampling
from harness.judge.compared import BY_METRIC, PRIMARY
from harness.judge.comparison import difference, verdict_of
from harness.judge.resampling import Turns
from harness.model.changes import Verdict

FEWEST_RUNS = 10
FEWEST_TURNS = 5  # of a run in the pool
N_PERMUTATIONS = 999  # the product takes 9,999; p is compared with 0.005
POWER_WANTED, FALSE_ALARMS_WANTED = 0.95, 0.01
SYNTHETIC_CASES = 10
SYNTHETIC_KPI_MS = 450.0

Night = Callable[[np.random.Generator], tuple[Turns, Turns]]


@dataclass(frozen=True)
class Pool:
    """`night` draws (now, then). `about`: what it is made of, and the SDs it rests on, in ms."""

    about: str
    turn_sd_ms: float
    run_sd_ms: float
    night: Night


def from_history(place: str, lane: str, metric: str) -> list[Turns]:
    """The runs of the newest environment of this lane that has enough of them."""
    from harness.history.database import open_history
    from harness.history.reading import latest_runs, turn_values
    from harness.history.turns import turns_by_metric

    with open_history(place) as history, history.reading() as session:
        groups: dict[str, list[str]] = {}
        for run in latest_runs(session, 1_000, lane=lane):
            groups.setdefault(json.dumps([run.environment, run.cases], sort_keys=True), []).append(run.run_id)
        for run_ids in groups.values():
            found = [turns_by_metric(turn_values(session, [run_id], [metric])).get(metric) for run_id in run_ids]
            runs = [turns for turns in found if turns is not None and len(turns) >= FEWEST_TURNS]
            if len(runs) >= FEWEST_RUNS:
                return runs
    sizes = ", ".join(str(len(run_ids)) for run_ids in groups.values()) or "none"
    raise SystemExit(f"{place}: no {FEWEST_RUNS} comparable runs of the {lane} lane (comparable ones: {sizes})")


def from_calls(folders: Sequence[Path], metric: str) -> list[Turns]:
    """Each capture a run of its own; its turns are paired by the user's utterance."""
    runs = []
    for folder in folders:
        path = folder / "measurement.json"
        if not path.is_file():
            continue
        measured = json.loads(path.read_bytes())  # not by the schema: captures of any version may be in a pool
        rows = [(turn["metrics"].get(metric, {}), turn["utterance"]) for turn in measured["turns"]]
        kept = [(m["value"], u) for m, u in rows if u is not None and m.get("value") is not None and not m["invalid"]]
        values = np.array([value for value, _ in kept], dtype=np.float64)
        cells = np.array([f"call:{utterance}" for _, utterance in kept])
        if measured["validity"]["ok"] and len(values) >= FEWEST_TURNS:
            runs.append(Turns(values, np.array([folder.name] * len(values)), cells))
    if len(runs) < FEWEST_RUNS:
        raise SystemExit(f"{len(runs)} calls with {FEWEST_TURNS} turns and more; a pool needs {FEWEST_RUNS}")
    return runs


def pool_of(runs: Sequence[Turns], about: str, turns: int, baseline_runs: int) -> Pool:
    """Resampled by run: a night and its baseline never share one."""
    whole = resampling.joined(*runs)
    (adjusted,) = resampling.adjusted_for_cells(whole)
    parts = [adjusted.kept(adjusted.runs == run) for run in dict.fromkeys(adjusted.runs.tolist())]
    medians = resampling.by_run("median", adjusted)
    within = np.concatenate([part.values - np.median(part.values) for part in parts])
    several = min(baseline_runs, len(runs) - 1)

    def night(rng: np.random.Generator) -> tuple[Turns, Turns]:
        order = rng.permutation(len(runs))[: several + 1]
        drawn = [_drawn(runs[i], turns, rng) for i in order]
        return drawn[0], resampling.joined(*drawn[1:])

    text = f"{about}: {len(runs)} runs, {len(whole)} turns; a baseline is {several} of them"
    return Pool(text, float(np.std(within, ddof=1)), float(np.std(medians, ddof=1)), night)


def _drawn(run: Turns, turns: int, rng: np.random.Generator) -> Turns:
    index = rng.integers(len(run), size=turns)
    return Turns(run.values[index], run.runs[index], run.cells[index])


def synthetic(turn_sd_ms: float, run_sd_ms: float, turns: int, baseline_runs: int) -> Pool:
    """Normal turns about normal runs, ten cases with levels of their own; drawn anew each night."""
    levels = SYNTHETIC_KPI_MS + 10.0 * np.arange(SYNTHETIC_CASES)
    cells = np.array([f"case{i}:0" for i in range(SYNTHETIC_CASES)])

    def runs(n: int, name: str, rng: np.random.Generator) -> Turns:
        case = np.tile(np.arange(turns) % SYNTHETIC_CASES, n)
        shift = np.repeat(rng.normal(0, run_sd_ms, n), turns)
        values = levels[case] + shift + rng.normal(0, turn_sd_ms, n * turns)
        return Turns(values, np.repeat([f"{name}{i}" for i in range(n)], turns), cells[case])

    about = f"model: turns SD {turn_sd_ms:g} ms about runs SD {run_sd_ms:g} ms; a baseline is {baseline_runs} runs"
    return Pool(about, turn_sd_ms, run_sd_ms, lambda rng: (runs(1, "now", rng), runs(baseline_runs, "then", rng)))


def worse(now: Turns, then: Turns, floor: float) -> bool:
    found = difference("median", now, then, None, N_PERMUTATIONS)
    return not isinstance(found, str) and verdict_of(found.effect, found.p, floor) is Verdict.WORSE


def simulate(pool: Pool, nights: int, shift_ms: float, floor: float, seed: int) -> tuple[int, int]:
    """(nights in which nothing changed that were called worse, nights with the shift that were called worse)."""
    rng = np.random.default_rng(seed)
    alarms = seen = 0
    for _ in range(nights):
        now, then = pool.night(rng)
        alarms += worse(now, then, floor)
        seen += worse(Turns(now.values + shift_ms, now.runs, now.cells), then, floor)
    return alarms, seen


def _share(k: int, n: int) -> str:
    low, high = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    return f"{100 * k / n:.2f} % ({k}/{n}; 95 % interval {100 * low:.2f} to {100 * high:.2f} %)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--history", help="a history: file or URL")
    source.add_argument("--calls", type=Path, nargs="+", help="capture folders, each a run")
    source.add_argument("--synthetic", metavar="TURN_SD,RUN_SD", help="a model, in ms")
    parser.add_argument("--lane", choices=("browser", "bot"), default="browser")
    parser.add_argument("--metric", help="default: the lane's first latency")
    parser.add_argument("--nights", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--baseline-runs", type=int, default=10)
    parser.add_argument("--shift", type=float, default=50.0, help="ms")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    metric = given.metric or PRIMARY[given.lane]
    if given.synthetic is not None:
        turn_sd_ms, run_sd_ms = (float(part) for part in given.synthetic.split(","))
        pool = synthetic(turn_sd_ms, run_sd_ms, given.turns, given.baseline_runs)
    elif given.history is not None:
        pool = pool_of(from_history(given.history, given.lane, metric), given.history, given.turns, given.baseline_runs)
    else:
        pool = pool_of(from_calls(given.calls, metric), "calls", given.turns, given.baseline_runs)
    started = time.perf_counter()
    alarms, seen = simulate(pool, given.nights, given.shift, BY_METRIC[metric].floor, given.seed)
    print(f"pool: {pool.about}")
    print(
        f"  {metric}, median; SD of turns in a run {pool.turn_sd_ms:.1f} ms, of runs' medians {pool.run_sd_ms:.1f} ms"
    )
    print(f"nights: {given.nights} of {given.turns} turns, {time.perf_counter() - started:.0f} s")
    print(f"power for +{given.shift:g} ms: {_share(seen, given.nights)}; wanted ≥ {100 * POWER_WANTED:g} %")
    print(f"false alarms: {_share(alarms, given.nights)}; wanted ≤ {100 * FALSE_ALARMS_WANTED:g} %")
    reached = seen / given.nights >= POWER_WANTED and alarms / given.nights <= FALSE_ALARMS_WANTED
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
