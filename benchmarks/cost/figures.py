"""From trials to a table: percentiles, cost a session, the knee, and ratios with their intervals. Pure.

An arm holds at N sessions if in every round every session passed all P0 gates that apply to it. It does not if one failed one
in a trial that nobody else disturbed. Otherwise (INVALID turns, a capture that was not complete for our own reasons, a failure
while others took the agent's core or all of ours) N is not measured: neither held nor failed. The knee is the largest N that
held with nothing below it that did not. Ratios say how many times more the stock agent takes (the knee: how many times more
sessions the reference agent bears); their intervals are drawn from sessions (a session's turns are not independent), and from
what is too little there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.cost.processes import TreeMemory, TreeTime
from harness.model.status import CaptureStatus, Status

N_BOOTSTRAP = 2_000
SEED = 6
LEVEL_PERCENT = (2.5, 97.5)
FEWEST_SESSIONS = 5  # a side; with fewer, drawing them anew gives intervals that are far too narrow
HELD = (Status.PASS, Status.WARN)
OTHERS_LIMIT_PERCENT = 10.0  # of the agent's core, taken by anybody but the agent
FULL_PERCENT = (
    95.0  # of the cores that bots, media server and harness have: they are late then, whatever the agent does
)


@dataclass(frozen=True)
class SessionResult:
    """One session, judged. Gates are those that block."""

    status: Status
    capture_status: CaptureStatus
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    unjudged: tuple[str, ...]
    not_applicable: tuple[str, ...]
    latencies_ms: tuple[float, ...]  # end of turn → first audio, of the turns that are believed
    invalid_turns: int
    detail: str = ""


@dataclass(frozen=True)
class Use:
    """What the agent's processes used from the first word to the first leave, and their memory then."""

    wall_s: float
    cpu: TreeTime
    memory: TreeMemory
    agents_core_percent: float | None = None  # busy, by whomever: beyond `cores` it was not the agent
    other_cores_percent: float | None = None

    @property
    def cores(self) -> float:
        """How many the agent kept busy."""
        return self.cpu.total_s / self.wall_s


@dataclass(frozen=True)
class TrialResult:
    """`join_ms`: join → ready of each session. `idle`: memory before anybody came. `use` is None if nobody spoke. Without
    `results` the agent did not come up, and `notes` say why.
    """

    arm: str
    sessions: int
    round: int
    results: tuple[SessionResult, ...]
    join_ms: tuple[float, ...]
    idle: TreeMemory | None
    use: Use | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One arm at one number of sessions, over all rounds. Memory in MiB of PSS."""

    arm: str
    sessions: int
    trials: int
    held: bool | None
    sessions_passed: int
    disturbed: int  # trials
    failed_gates: dict[str, int]
    turns: int
    invalid_turns: int
    p50_ms: float | None
    p95_ms: float | None
    join_p50_ms: float | None
    memory_mib: float | None
    engines_mib: float | None
    memory_a_session_mib: float | None
    cpu_s_a_minute: float | None  # of one call
    engines_cpu_s_a_minute: float | None
    agents_core_percent: float | None  # busy with the agent
    agents_core_all_percent: float | None  # busy with whatever
    other_cores_percent: float | None


@dataclass(frozen=True)
class Ratio:
    """`value` with its 95 % interval; None with a reason where it cannot be given."""

    what: str
    sessions: int | None
    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""


def disturbed(trial: TrialResult) -> str | None:
    """Why a failure in this trial would say nothing of the agent, or None."""
    use = trial.use
    if use is None:
        return None
    if use.agents_core_percent is not None and use.agents_core_percent - 100 * use.cores > OTHERS_LIMIT_PERCENT:
        return f"others took {use.agents_core_percent - 100 * use.cores:.0f} % of the agent's core"
    if use.other_cores_percent is not None and use.other_cores_percent >= FULL_PERCENT:
        return f"the other cores were {use.other_cores_percent:.0f} % busy"
    return None


def held(trials: Sequence[TrialResult]) -> bool | None:
    """See the module. None: not measured."""
    told = [_held(trial) for trial in trials]
    if False in told:
        return False
    return True if told and None not in told else None


def _held(trial: TrialResult) -> bool | None:
    if any(result.status is Status.FAIL for result in trial.results):
        return None if disturbed(trial) else False
    return True if trial.results and all(result.status in HELD for result in trial.results) else None


def median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def row(arm: str, sessions: int, trials: Sequence[TrialResult]) -> Row:
    """Of the trials of `arm` with `sessions` sessions."""
    results = [result for trial in trials for result in trial.results]
    latencies = [value for result in results for value in result.latencies_ms]
    uses = [trial.use for trial in trials if trial.use is not None]
    total = median([use.memory.pss_mib for use in uses])
    failed: dict[str, int] = {}
    for result in results:
        for gate in result.failed or ([result.capture_status.value] if result.status is Status.FAIL else []):
            failed[gate] = failed.get(gate, 0) + 1
    return Row(
        arm=arm,
        sessions=sessions,
        trials=len(trials),
        held=held(trials),
        sessions_passed=sum(result.status in HELD for result in results),
        disturbed=sum(disturbed(trial) is not None for trial in trials),
        failed_gates=failed,
        turns=len(latencies),
        invalid_turns=sum(result.invalid_turns for result in results),
        p50_ms=median(latencies),
        p95_ms=float(np.percentile(latencies, 95)) if latencies else None,
        join_p50_ms=median([value for trial in trials for value in trial.join_ms]),
        memory_mib=total,
        engines_mib=median([use.memory.engines_mib for use in uses]),
        memory_a_session_mib=total / sessions if total is not None else None,
        cpu_s_a_minute=median([60 * use.cores / sessions for use in uses]),
        agents_core_percent=median([100 * use.cores for use in uses]),
        agents_core_all_percent=median([u.agents_core_percent for u in uses if u.agents_core_percent is not None]),
        other_cores_percent=median([u.other_cores_percent for u in uses if u.other_cores_percent is not None]),
        engines_cpu_s_a_minute=median([60 * use.cpu.engines_s / use.wall_s / sessions for use in uses]),
    )


def rows(trials: Sequence[TrialResult]) -> list[Row]:
    """By number of sessions, the arms in the order in which they were first played."""
    arms = list(dict.fromkeys(trial.arm for trial in trials))
    numbers = sorted({trial.sessions for trial in trials})
    found = []
    for sessions in numbers:
        for arm in arms:
            mine = [trial for trial in trials if (trial.arm, trial.sessions) == (arm, sessions)]
            if mine:
                found.append(row(arm, sessions, mine))
    return found


def knee(table: Sequence[Row], arm: str) -> tuple[int | None, str]:
    """(largest number of sessions that held with all below it, what stood in the way of more)."""
    best: int | None = None
    for line in sorted((line for line in table if line.arm == arm), key=lambda line: line.sessions):
        if line.held is None:
            return best, f"{line.sessions} could not be judged"
        if not line.held:
            gates = ", ".join(f"{gate} in {count}" for gate, count in sorted(line.failed_gates.items()))
            return best, f"{line.sessions} failed: {gates} of {line.trials * line.sessions} sessions"
        best = line.sessions
    return best, "the largest that was tried held"


def slope_mib(trials: Sequence[TrialResult], arm: str, *, engines: bool = True) -> float | None:
    """PSS that one session more takes: least squares over the trials' totals, with or without the engines' processes. None of
    one number of sessions alone.
    """
    points = [
        (t.sessions, t.use.memory.pss_mib - (0.0 if engines else t.use.memory.engines_mib))
        for t in trials
        if t.arm == arm and t.use is not None
    ]
    if len({sessions for sessions, _ in points}) < 2:
        return None
    x, y = np.asarray(points, np.float64).T
    return float(np.polyfit(x, y, 1)[0])


def ratio_of_medians(
    what: str, sessions: int | None, over: Sequence[Sequence[float]], under: Sequence[Sequence[float]]
) -> Ratio:
    """median(over) / median(under). Each side is a list of sessions with the values of each; the interval draws sessions."""
    over, under = [list(s) for s in over if s], [list(s) for s in under if s]
    if not over or not under:
        return Ratio(what, sessions, None, reason="nothing was measured on one side")
    pooled: Callable[[Sequence[Sequence[float]]], float] = lambda side: float(np.median(np.concatenate(side)))  # noqa: E731
    value = pooled(over) / pooled(under)
    if min(len(over), len(under)) < FEWEST_SESSIONS:
        few = f"no interval from {min(len(over), len(under))} sessions, at least {FEWEST_SESSIONS} are needed"
        return Ratio(what, sessions, value, reason=few)
    rng = np.random.default_rng(SEED)

    def draw(side: Sequence[Sequence[float]]) -> float:
        return pooled([side[k] for k in rng.integers(len(side), size=len(side))])

    drawn = [draw(over) / draw(under) for _ in range(N_BOOTSTRAP)]
    low, high = (float(v) for v in np.percentile(drawn, LEVEL_PERCENT))
    return Ratio(what, sessions, value, low, high)


def ratios(trials: Sequence[TrialResult], table: Sequence[Row], ahead: str, behind: str) -> list[Ratio]:
    """`behind` against `ahead`: at each number of sessions that both have played, then slope and knee."""
    found: list[Ratio] = []
    for sessions in sorted({t.sessions for t in trials}):
        a, b = ([t for t in trials if (t.arm, t.sessions) == (arm, sessions)] for arm in (ahead, behind))
        if not a or not b:
            continue
        turns = [[r.latencies_ms for t in side for r in t.results] for side in (b, a)]
        found.append(ratio_of_medians("end of turn → first audio", sessions, *turns))
        joins = [[[join] for t in side for join in t.join_ms] for side in (b, a)]
        found.append(ratio_of_medians("join → ready", sessions, *joins))
        memory = [[[t.use.memory.pss_mib] for t in side if t.use is not None] for side in (b, a)]
        found.append(ratio_of_medians("memory in calls", sessions, *memory))
        cpu = [[[t.use.cores] for t in side if t.use is not None] for side in (b, a)]
        found.append(ratio_of_medians("CPU in calls", sessions, *cpu))
    for what, engines in (("memory of one session more", True), ("the same without the engines", False)):
        slopes = [slope_mib(trials, arm, engines=engines) for arm in (behind, ahead)]
        found.append(_divided(what, slopes[0], slopes[1]))
    knees = [knee(table, arm)[0] for arm in (ahead, behind)]
    found.append(_divided("sessions at the knee", knees[0], knees[1]))
    return found


def _divided(what: str, over: float | None, under: float | None) -> Ratio:
    if over is None or under is None or under <= 0:
        return Ratio(what, None, None, reason="not known of both")
    return Ratio(what, None, over / under)
