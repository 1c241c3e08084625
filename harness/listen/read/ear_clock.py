"""The ear's sample clock against the host's, all along a call: where it stepped, by how much, and the map at each place.

Pairs (sample of ear.wav, host's monotonic ms) of one instant come with every block of audio, 12 a second, and lie within
0.3 ms of one line; an audio context that is held up or suspended leaves the line by a device buffer (10 ms) or more. A step
is the difference between the medians of two adjacent seconds; between steps the map is a median over ±1 s (drift aside, so
a slow clock needs no step). Pure; samples at 48 kHz, ms. A step's size is positive where the sample clock fell behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Floats = npt.NDArray[np.float64]

SAMPLES_PER_MS = 48.0
STEP_MS = 2.0  # below it is no step: less than a render quantum (2.7 ms), 6 times what the pairs scatter by
WINDOW_PAIRS = 12  # a second
LEAST_PAIRS = 4  # on either side of a step
REACH_SAMPLES = 48_000.0  # ±1 s


@dataclass(frozen=True)
class Step:
    """A step between the samples of two pairs, `after` the one and `before` the other.

    `withheld_ms`: how long the cores of a virtual machine were ready and did not run in that half second.
    """

    after: float
    before: float
    size_ms: float
    withheld_ms: float = 0.0

    @property
    def at_s(self) -> float:
        return (self.after + self.before) / 2 / SAMPLES_PER_MS / 1e3

    def in_words(self) -> str:
        shown = f"{self.size_ms:+.1f} ms at {self.at_s:.1f} s"
        if self.withheld_ms == 0:
            return shown
        return f"{shown} (the hypervisor withheld {self.withheld_ms:.0f} ms of processor time just then)"


def find_steps(pairs: Floats) -> list[Step]:
    """`pairs`: shape (n, 2), sample and ms, in any order."""
    return list(EarClock(pairs).steps) if len(pairs) else []


def _ordered(pairs: Floats) -> Floats:
    return pairs[np.argsort(pairs[:, 1], kind="stable")]


def _cuts(late_ms: Floats) -> list[int]:
    """The first pair after each step. A step that its neighbours explain is dropped."""
    cuts = _splits(late_ms)
    while cuts:
        sizes = _sizes_ms(late_ms, cuts)
        least = min(range(len(cuts)), key=lambda k: abs(sizes[k]))
        if abs(sizes[least]) >= STEP_MS:
            break
        del cuts[least]
    return cuts


def _sizes_ms(late_ms: Floats, cuts: list[int]) -> list[float]:
    """From the pairs beside each cut, up to a second of them and not beyond the next cut."""
    edges = [0, *cuts, len(late_ms)]
    return [_after(late_ms, at, edges[k + 2]) - _before(late_ms, at, edges[k]) for k, at in enumerate(cuts)]


def _splits(late_ms: Floats) -> list[int]:
    """Places of the largest step, of the largest in both parts that it leaves, and so on; in order."""
    found: list[int] = []
    parts = [(0, len(late_ms))]
    while parts:
        begin, end = parts.pop()
        apart = _apart_ms(late_ms, begin, end)
        if len(apart) == 0 or apart.max() < STEP_MS:
            continue
        at = _sharpened(late_ms, begin + LEAST_PAIRS + int(np.argmax(apart)), begin, end)
        found.append(at)
        parts += [(begin, at), (at, end)]
    return sorted(found)


def _apart_ms(late_ms: Floats, begin: int, end: int) -> Floats:
    """How far the medians beside each place lie apart; places are those with LEAST_PAIRS on either side."""
    places = range(begin + LEAST_PAIRS, end - LEAST_PAIRS + 1)
    whole = range(begin + WINDOW_PAIRS, end - WINDOW_PAIRS + 1)
    apart = np.zeros(len(places))
    if len(whole):
        medians = np.median(sliding_window_view(late_ms[begin:end], WINDOW_PAIRS), axis=1)
        first = whole[0] - places[0]
        apart[first : first + len(whole)] = np.abs(medians[WINDOW_PAIRS:] - medians[:-WINDOW_PAIRS])
    for k, at in enumerate(places):
        if at not in whole:  # near an end, or in a part of less than two seconds
            apart[k] = abs(_after(late_ms, at, end) - _before(late_ms, at, begin))
    return apart


def _before(late_ms: Floats, at: int, begin: int) -> float:
    return float(np.median(late_ms[max(begin, at - WINDOW_PAIRS) : at]))


def _after(late_ms: Floats, at: int, end: int) -> float:
    return float(np.median(late_ms[at : min(end, at + WINDOW_PAIRS)]))


def _sharpened(late_ms: Floats, rough: int, begin: int, end: int) -> int:
    """Where two levels explain the pairs around best: medians alone leave a step blurred by half a window."""
    low, high = max(begin, rough - WINDOW_PAIRS), min(end, rough + WINDOW_PAIRS)
    places = range(max(low, begin + LEAST_PAIRS), min(high, end - LEAST_PAIRS) + 1)
    return min(places, key=lambda at: _scatter(late_ms[low:at]) + _scatter(late_ms[at:high]))


def _scatter(values: Floats) -> float:
    return float(np.abs(values - np.median(values)).sum()) if len(values) else 0.0


@dataclass(frozen=True, eq=False)
class EarClock:
    """The map of a call, made of its pairs: shape (n, 2), n > 0.

    `withheld`: (begin, end, withheld) in ms, `Step.withheld_ms` of intervals of the host's clock.
    """

    pairs: Floats
    withheld: tuple[tuple[float, float, float], ...] = ()
    steps: tuple[Step, ...] = field(init=False)
    _parts: tuple[Floats, ...] = field(init=False)

    def __post_init__(self) -> None:
        ordered = _ordered(self.pairs)
        late_ms = ordered[:, 1] - ordered[:, 0] / SAMPLES_PER_MS
        cuts = _cuts(late_ms)
        # a step that jumps back leaves its two samples in reverse order
        ends = [sorted((float(ordered[at - 1, 0]), float(ordered[at, 0]))) for at in cuts]
        sizes = _sizes_ms(late_ms, cuts)
        steps = tuple(
            Step(low, high, size_ms, self._withheld_ms(*ordered[at - 1 : at + 1, 1]))
            for (low, high), size_ms, at in zip(ends, sizes, cuts, strict=True)
        )
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "_parts", tuple(np.split(ordered, cuts)))

    def _withheld_ms(self, begin_ms: float, end_ms: float) -> float:
        return sum(ms for begin, end, ms in self.withheld if begin < end_ms and end > begin_ms)

    def mono_ms(self, sample: float) -> float:
        part = self._parts[sum(sample >= (step.after + step.before) / 2 for step in self.steps)]
        return sample / SAMPLES_PER_MS + _late_ms(part, part[:, 0], sample, REACH_SAMPLES)

    def sample_at(self, mono_ms: float) -> float:
        part = self._parts[sum(mono_ms >= part[0, 1] for part in self._parts[1:])]
        return (mono_ms - _late_ms(part, part[:, 1], mono_ms, REACH_SAMPLES / SAMPLES_PER_MS)) * SAMPLES_PER_MS

    def between(self, start: float, end: float) -> list[Step]:
        """The steps that may lie between two samples."""
        return [step for step in self.steps if step.before > start and step.after < end]


def _late_ms(part: Floats, places: Floats, at: float, reach: float) -> float:
    """The median of the pairs around; for a place beyond them, of the nearest ones."""
    near = np.abs(places - at)
    chosen = part[near <= reach]
    if len(chosen) < LEAST_PAIRS:
        chosen = part[np.argsort(near, kind="stable")[:WINDOW_PAIRS]]
    return float(np.median(chosen[:, 1] - chosen[:, 0] / SAMPLES_PER_MS))


def steps_in_words(steps: Sequence[Step]) -> str:
    """One sentence, of at least one step."""
    shown = ", ".join(step.in_words() for step in steps)
    return f"the ear's clock stepped against the host's by {shown}"
