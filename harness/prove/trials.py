"""The trials of a proof: one a reply, kept line by line, so that proofs can be resumed and add up.

A trial says which gates fired on a reply that was known to have (or not to have) a fault, and the origin (`born`) of its
defects. Gates are evaluated one reply at a time, by the table and the function that judge a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

import harness.judge.gates
import harness.judge.table
from harness.code_hash import ears_hash, same_ears
from harness.judge.gates import evaluate, gates_for, samples_of
from harness.model.case import Case
from harness.model.json_lines import lines_of
from harness.model.measurement import Measurement, Turn
from harness.model.status import Status
from harness.prove.catalogue import BORN, BY_ID, Fault
from harness.prove.readings import readings_of
from harness.prove.stream import PER_MS, Applied
from harness.prove.which_reply import by_reply

TRIALS = "trials.jsonl"
FIRED = (Status.FAIL, Status.WARN)
CLEAN = "clean"
ENOUGH_MS = 200.0
EVIDENCE = (
    "packets_lost", "concealed_ratio", "accelerated_ms", "decelerated_ms", "rtp_jitter_ms", "jitter_buffer_delay_ms",
    "publisher_starved_ms", "publisher_underruns",
)  # fmt: skip
TORN = {"publisher_starved_ms": 5.0, "publisher_underruns": 0.5}  # more than this, by the agent's own trace
NOT_ARRIVED, NOT_ARRIVED_MS = "not_arrived_ms", 200.0  # of the call, at the second listener: it received too little
EDGE_MS = 40.0
JUDGES_EVERY_REPLY = (
    "audio_valid"  # this gate has a figure for each audible reply, and believes no figure of any spoilt turn
)


class Trial(BaseModel):
    """One reply. `fired`: gates that fail or warn on it, of itself or of its call; `born`: of the fault's kinds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: Literal["live", "offline"]
    fault: str  # or "clean"
    severity: float = 0.0
    where: str = ""
    lane: str
    voice: str = ""
    trace_id: str
    reply: int
    audible: bool = True
    fired: list[str]
    born: list[str] = []
    not_measured: list[str] = []
    capture_status: str = "OK"
    invalid: bool = False
    evidence: dict[
        str, float
    ] = {}  # the call's own statistics: for every fault, detected or not, and a clean turn that fired
    readings: dict[str, float] = {}  # gate → how bad it read, more is worse
    ears: str  # the version of the listening code

    @property
    def believed(self) -> bool:
        """Whether neither the call's measurement nor this reply's is INVALID."""
        return not self.invalid and JUDGES_EVERY_REPLY not in self.not_measured

    @property
    def right_gate(self) -> bool:
        return bool(set(self.fired) & set(BY_ID[self.fault].gates))

    @property
    def right_blame(self) -> bool:
        return not BY_ID[self.fault].kinds or BORN[self.where] in self.born

    @property
    def shown_by_the_call(self) -> str:
        """What the call's own statistics show wrong with the turn, besides the fault; "" if nothing."""
        limits = {
            "packets_lost": 0.5, "concealed_ratio": 0.005, **TORN, "accelerated_ms": 60.0, "decelerated_ms": 60.0,
            NOT_ARRIVED: NOT_ARRIVED_MS,
        }  # fmt: skip
        return ", ".join(f"{n} {self.evidence[n]:g}" for n, most in limits.items() if self.evidence.get(n, 0.0) > most)

    @property
    def torn(self) -> bool:
        """The publisher itself was late in this reply or ran dry, which only a stall among the faults causes, or part of
        the call did not arrive.

        For a fault judged by the whole call only the latter counts: a torn reply in it hides nothing.
        """
        if self.fault == CLEAN or BY_ID[self.fault].tears:
            return False
        if self.evidence.get(NOT_ARRIVED, 0.0) > NOT_ARRIVED_MS:
            return True
        if BY_ID[self.fault].judged_per_call:
            return False
        return any(self.evidence.get(name, 0.0) > most for name, most in TORN.items())

    @property
    def other_gates(self) -> set[str]:
        fault = BY_ID[self.fault]
        return set(self.fired) - set(fault.gates)


def ears_version() -> str:
    """The version of the code that measures and judges one reply: trials of others do not count."""
    return ears_hash(Path(harness.judge.gates.__file__), Path(harness.judge.table.__file__))


def gates_fired(case: Case, measurement: Measurement) -> tuple[dict[int | None, set[str]], dict[int | None, set[str]]]:
    """(reply → gates that fire, reply → gates without data); None is the call as a whole."""
    fired: dict[int | None, set[str]] = {}
    lacking: dict[int | None, set[str]] = {}
    for gate in gates_for(case):
        for sample in samples_of(gate, case, measurement):
            status = evaluate(gate, [sample]).status
            if status in FIRED:
                fired.setdefault(sample.reply_seq, set()).add(gate.id)
            elif status in (Status.NO_DATA, Status.INVALID):
                lacking.setdefault(sample.reply_seq, set()).add(gate.id)
    return fired, lacking


def trials_of(
    case: Case,
    measurement: Measurement,
    *,
    form: Literal["live", "offline"],
    where: str,
    lane: str,
    voice: str,
    faults: Sequence[tuple[str, float]],
    applied: Sequence[Applied] | None,
    ears: str,
    usual: dict[int | None, set[str]] | None = None,
    of_call: dict[str, float] | None = None,
) -> list[Trial]:
    """One a reply. `faults[n]`: that of the nth reply (if alone, of all). `applied`: what was done to each, None if there
    is no log. `usual`: gates that fire without the fault. `of_call`: evidence that no reply has.
    """
    fired, lacking = gates_fired(case, measurement)
    usual = usual or {}
    readings = readings_of(case, measurement)
    call = fired.get(None, set()) - usual.get(None, set())
    trials: list[Trial] = []
    struck = by_reply(applied or (), {turn.reply_seq: _start_ms(turn) for turn in measurement.turns})
    for index, turn in enumerate(sorted(measurement.turns, key=lambda t: t.reply_seq)):
        done = struck.get(turn.reply_seq)
        fault, severity = faults[min(done[0].reply if done else index, len(faults) - 1)]
        if fault != CLEAN and applied is not None and done is None:
            continue  # nothing was done to it
        if fault != CLEAN and len(faults) == 1 and BY_ID[fault].judged_per_call and trials:
            break  # one call is one trial
        own = fired.get(turn.reply_seq, set()) - usual.get(turn.reply_seq, set())
        by_call = call if len(faults) == 1 else call & _call_gates(fault)
        if fault == CLEAN and trials:  # one firing of the call counts once, at its first turn
            by_call = set()
        born = [d.born for d in turn.defects if fault != CLEAN and d.kind in BY_ID[fault].kinds]
        telling = fault != CLEAN or bool(own | by_call)
        trials.append(
            Trial(
                form=form,
                fault=fault,
                severity=severity,
                where=where,
                lane=lane,
                voice=voice,
                trace_id=measurement.trace_id,
                reply=turn.reply_seq,
                audible=done is None or all(item.audible and _within(item, turn) for item in done),
                fired=sorted(own | by_call),
                born=sorted(set(born)),
                not_measured=sorted(lacking.get(turn.reply_seq, set())),
                capture_status=str(measurement.capture_status),
                invalid=not measurement.validity.ok,
                readings=_kept(fault, readings[None] | readings[turn.reply_seq], own | by_call),
                evidence=_evidence(measurement.turns if by_call else [turn]) | (of_call or {}) if telling else {},
                ears=ears,
            )
        )
    return trials


def _kept(fault: str, readings: dict[str, float], fired: set[str]) -> dict[str, float]:
    """All readings of a clean turn; for a fault, those of its gates and of others that fired."""
    if fault == CLEAN:
        return readings
    return {gate: value for gate, value in readings.items() if gate in fired or gate in BY_ID[fault].gates}


def _start_ms(turn: Turn) -> float | None:
    span = turn.spans.get("pre_rtc")
    return None if span is None else span.start / PER_MS


def _within(applied: Applied, turn: Turn) -> bool:
    """It struck so early that its effect was over, or well under way, when the reply ended."""
    span = turn.spans.get("pre_rtc")
    if span is None or applied.at_ms < 0 or not 0 < applied.duration_ms < 1_000:
        return True
    length_ms = (span.end - span.start) / PER_MS
    return applied.at_ms + min(applied.duration_ms, ENOUGH_MS) + EDGE_MS <= length_ms


def _call_gates(fault: str) -> set[str]:
    return set(BY_ID[fault].gates) if fault != CLEAN else set()


def _evidence(turns: Sequence[Turn]) -> dict[str, float]:
    """The figures that tell a defect of the call from a false alarm; the worst of `turns`."""
    found: dict[str, float] = {}
    for turn in turns:
        for name in EVIDENCE:
            value = turn.metrics[name].value if name in turn.metrics else None
            if value is not None:
                found[name] = max(value, found.get(name, 0.0))
    return found


def whole_call_trial(
    fault: Fault,
    severity: float,
    where: str,
    lane: str,
    voice: str,
    measurement: Measurement,
    *,
    wrong: bool,
    ears: str,
    of_call: dict[str, float] | None = None,
) -> Trial:
    """The trial of a fault that ends the call. `wrong`: its status blames the agent."""
    return Trial(
        form="live", fault=fault.id, severity=severity, where=where, lane=lane, voice=voice,
        trace_id=measurement.trace_id, reply=0, fired=["capture"] if wrong else [], born=[],
        capture_status=measurement.capture_status, invalid=not measurement.validity.ok,
        evidence=_evidence(measurement.turns) | (of_call or {}), ears=ears,
    )  # fmt: skip


def not_arrived(arrivals: npt.NDArray[np.float64] | None) -> dict[str, float]:
    """How much of the call the second listener did not receive; `arrivals`: (ms, sample) of each frame."""
    if arrivals is None or len(arrivals) < 2:
        return {}
    (first_ms, first), (last_ms, last) = arrivals[0], arrivals[-1]
    return {NOT_ARRIVED: round(float(last_ms - first_ms - (last - first) / PER_MS), 1)}


def read_trials(folder: Path, ears: str) -> tuple[list[Trial], int]:
    """(trials of this listening code, how many are of others). A torn last line is left by a kill."""
    path = folder / TRIALS
    mine: list[Trial] = []
    others = 0
    if not path.exists():
        return mine, others
    for line in lines_of(path.read_text()):
        try:
            trial = Trial.model_validate_json(line)
        except ValueError:
            continue
        if same_ears(trial.ears, ears):
            mine.append(trial)
        else:
            others += 1
    return mine, others


def append_trials(folder: Path, trials: Iterable[Trial]) -> None:
    """Raises OSError."""
    with (folder / TRIALS).open("a") as file:
        file.writelines(trial.model_dump_json() + "\n" for trial in trials)
