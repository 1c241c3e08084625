"""What an endurance run says, as numbers: the agent's own share, how fast it falls silent, whether it grows. Pure.

Own share of a turn = USER_KPI − effective hangover − the floor of the path, which is the median of what the beacon's call
of the same round measured (its KPI less the delay it was told to keep). A floor differs from call to call by more than the
agent needs, so single turns may come out below zero; their median and P95 over rounds are what counts. Times in ms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from harness.listen.place.scene import Scene
from harness.listen.place.timing import interrupted_by, silence_after_barge_in_ms
from harness.listen.read.reading import Capture
from harness.model.measurement import Measurement
from runtime.call.duplex_controller import State


@dataclass(frozen=True)
class Sample:
    """The agent after a call. Memory is of its whole process tree (unique set size), in MiB."""

    turns: int
    memory_mib: float
    processes: int
    open_files: int
    tasks: int


@dataclass
class Latencies:
    """Of all believed turns, ms."""

    user_kpi: list[float] = field(default_factory=list)
    hangover: list[float] = field(default_factory=list)
    own_share: list[float] = field(default_factory=list)
    decided_to_published: list[float] = field(default_factory=list)
    onset_to_silence: list[float] = field(default_factory=list)
    decision_to_silence: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    invalid: int = 0


def add_turns(found: Latencies, measurement: Measurement, floor_ms: float | None, latency: str) -> None:
    """`latency`: the lane's own, USER_KPI or end of turn → first audio at the second listener."""
    for turn in measurement.turns:
        kpi = turn.metrics.get(latency)
        if turn.utterance is None or kpi is None or kpi.value is None:
            continue
        if kpi.invalid or not measurement.validity.ok:
            found.invalid += 1
            continue
        found.user_kpi.append(float(kpi.value))
        hangover = turn.metrics.get("effective_hangover_ms")
        if hangover is None or hangover.value is None:
            continue
        found.hangover.append(float(hangover.value))
        if floor_ms is not None:
            found.own_share.append(float(kpi.value) - float(hangover.value) - floor_ms)


def add_interruptions(found: Latencies, capture: Capture) -> None:
    """User's onset, and the agent's decision to fall silent, → its last audible sample, both at the listener."""
    scene = Scene(capture)
    announced = {reply.seq: reply for reply in scene.announced}
    for answer in scene.answers.get(scene.primary, {}).values():
        heard = interrupted_by(answer.turn, scene.heard[scene.primary])
        reply = announced.get(heard.seq) if heard is not None and heard.seq is not None else None
        if heard is None or reply is None or reply.trace is None or reply.trace.t.cancel is None:
            continue
        found.onset_to_silence.append(silence_after_barge_in_ms(answer.turn, heard))
        silent_ms = scene.clocks.mono_ms(scene.primary, heard.end)
        since_ms = decided_ms(reply.trace.transitions, reply.trace.t.cancel)
        if silent_ms is not None and scene.clocks.shared_with(scene.primary, reply.trace):
            found.decision_to_silence.append(silent_ms - since_ms)


def decided_ms(transitions: Sequence[tuple[float, str, str]], cancel_ms: float) -> float:
    """A reply that is held is silent already when it is cancelled: the beginning of that hold is the decision."""
    spoke = max(
        (at_ms for at_ms, state, _ in transitions if state == State.SPEAKING and at_ms <= cancel_ms), default=0.0
    )
    held = [at_ms for at_ms, state, _ in transitions if state == State.INTERRUPTING and spoke <= at_ms <= cancel_ms]
    return min(held, default=cancel_ms)


@dataclass(frozen=True)
class Growth:
    """Theil-Sen slope over turns with its 95 % interval, in units a 100 turns, and the median of the last tenth."""

    per_100_turns: float
    low: float
    high: float
    first: float
    last: float


def growth(samples: Sequence[Sample], of: str, *, skip: int = 1) -> Growth | None:
    """None with fewer than ten samples. `skip`: the first ones, in which engines are still loaded."""
    kept = samples[skip:]
    if len(kept) < 10:
        return None
    turns = np.array([sample.turns for sample in kept], dtype=float)
    values = np.array([float(getattr(sample, of)) for sample in kept])
    slope = stats.theilslopes(values, turns)
    tenth = max(1, len(kept) // 10)
    first, last = float(np.median(values[:tenth])), float(np.median(values[-tenth:]))
    return Growth(100 * slope.slope, 100 * slope.low_slope, 100 * slope.high_slope, first, last)


def percentiles(values: Sequence[float]) -> str:
    if not values:
        return "– (none)"
    p50, p95 = np.percentile(values, [50, 95])
    return f"P50 {p50:.0f}, P95 {p95:.0f}, max {max(values):.0f} ms (n {len(values)})"


def rows(found: Latencies, samples: Sequence[Sample], counts: Mapping[str, object]) -> list[tuple[str, str]]:
    """What is printed, and what the JSON file holds too."""
    rows = [
        ("user's end of turn → agent audible", percentiles(found.user_kpi)),
        ("effective hangover", percentiles(found.hangover)),
        ("the beacon's floor in the same run", percentiles(found.floor)),
        ("the agent's own share", percentiles(found.own_share)),
        ("interruption: user's onset → silence", percentiles(found.onset_to_silence)),
        ("interruption: decision → silence", percentiles(found.decision_to_silence)),
        ("INVALID turns, not counted above", str(found.invalid)),
    ]
    for of, unit in (("memory_mib", "MiB"), ("tasks", "tasks"), ("open_files", "files"), ("processes", "processes")):
        grown = growth(samples, of)
        if grown is not None:
            rows.append((
                f"{of.split('_')[0]}: growth a 100 turns",
                f"{grown.per_100_turns:+.2f} {unit} (95 %: {grown.low:+.2f} to {grown.high:+.2f}); "
                f"{grown.first:.0f} at first, {grown.last:.0f} at last",
            ))  # fmt: skip
    return rows + [(name, str(value)) for name, value in counts.items()]
