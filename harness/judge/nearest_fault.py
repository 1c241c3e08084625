"""Which known fault a reply sounds most like, by the gates that it trips; none where no fault was seen to trip all of them.

Naive Bayes over the gates of sound: how often each of them fired on replies with each known fault beyond the fault's
limit, as the proof counted it (`signatures.json`, written by `earwitness prove`; Jeffreys' half a count keeps a gate that never
fired from ruling a fault out). All faults are taken to be equally likely. docs/why/proof_figures.md says how often the
label is right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.judge.gates import holds, worst_ring
from harness.judge.table import BY_ID, TABLE, UNLISTED, Gate
from harness.model.measurement import Measurement, Metric, Turn

SIGNATURES = Path(__file__).with_name("signatures.json")
SOUND_GATES: tuple[Gate, ...] = tuple(gate for gate in TABLE if gate.of_sound)
GARBAGE = "garbage"
SEEN = 0.02  # a gate that fired on a smaller share of a fault's replies is none of its signs
ALWAYS = 0.9  # a gate that fires on this share of a fault's replies is its sign
LIKELY = 0.1  # a fault less likely than this is not named


@dataclass(frozen=True)
class Signature:
    """One fault: the replies it was tried on, and how many of them each gate fired on."""

    fault: str
    n: int
    fired: Mapping[str, int]


@dataclass(frozen=True)
class Likeness:
    fault: str
    probability: float


def nearest_faults(fired: Set[str], signatures: Sequence[Signature]) -> list[Likeness]:
    """The likely ones, likeliest first; none where no gate of sound fired."""
    known = {gate.id for gate in SOUND_GATES}
    fired = fired & known
    if not fired or not signatures:
        return []
    signatures = [s for s in signatures if all(_seen(s, gate) for gate in fired) and _shows(s, fired)]
    if not signatures:
        return []
    logs = {s.fault: sum(_log_likelihood(s, gate, gate in fired) for gate in known) for s in signatures}
    top = max(logs.values())
    weights = {fault: math.exp(value - top) for fault, value in logs.items()}
    total = sum(weights.values())
    found = [Likeness(fault, weight / total) for fault, weight in weights.items() if weight / total >= LIKELY]
    return sorted(found, key=lambda likeness: -likeness.probability)


def _seen(signature: Signature, gate: str) -> bool:
    """Whether the proof saw the gate fire on replies with this fault, more often than by accident."""
    return signature.fired.get(gate, 0) > SEEN * signature.n


def _shows(signature: Signature, fired: Set[str]) -> bool:
    """Whether the fault's own signs are there: each gate that always fires with it; else one of those that mostly do."""
    always = {gate for gate, count in signature.fired.items() if count >= ALWAYS * signature.n}
    if always:
        return always <= fired
    most = max(signature.fired.values(), default=0)
    return any(count >= most / 2 and gate in fired for gate, count in signature.fired.items())


def _log_likelihood(signature: Signature, gate: str, fired: bool) -> float:
    rate = (signature.fired.get(gate, 0) + 0.5) / (signature.n + 1)
    return math.log(rate if fired else 1 - rate)


def sound_firings(turn: Turn, measurement: Measurement) -> set[str]:
    """Gates of sound that fire on the turn, or on its call, by the table's own limits."""
    return {
        gate.id for gate in SOUND_GATES if _fires(gate, turn.metrics if gate.per == "turn" else measurement.metrics)
    }


def unlisted_firings(turn: Turn) -> set[str]:
    """The gates that the turn trips and that know no fault by name: the ledger's, and those of sound that no voice makes."""
    return {name for name in UNLISTED if _fires(BY_ID[name], turn.metrics)}


def faults_of(turn: Turn, measurement: Measurement) -> list[Likeness]:
    """The known faults that a reply is like; none where garbage was published: what it does to other gates is no sign."""
    if GARBAGE in unlisted_firings(turn):
        return []
    return nearest_faults(sound_firings(turn, measurement), known_signatures())


def _fires(gate: Gate, metrics: Mapping[str, Metric]) -> bool:
    metric = worst_ring(gate, metrics)
    return metric is not None and metric.value is not None and not holds(gate, metric.value, gate.threshold)


@lru_cache(maxsize=1)
def known_signatures() -> tuple[Signature, ...]:
    """The signatures shipped with this version, if any."""
    if not SIGNATURES.exists():
        return ()
    return signatures_from(json.loads(SIGNATURES.read_text(encoding="utf-8")))


def signatures_from(record: Mapping[str, Mapping]) -> tuple[Signature, ...]:
    return tuple(Signature(fault, int(part["n"]), dict(part["fired"])) for fault, part in sorted(record.items()))


def likeness_text(found: Sequence[Likeness]) -> str:
    """ "low_pass (97 %)"; "" where nothing is like it."""
    return ", ".join(f"{item.fault} ({100 * item.probability:.0f} %)" for item in found)
