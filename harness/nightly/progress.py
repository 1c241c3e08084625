"""A night's progress for a person or a build log: one line an attempt, with how much is left and when it will end.

The estimate is the mean time of the attempts so far: the part's once it has ENOUGH, else the night's; steps count as
STEP_S. Clock times are local.
"""

from __future__ import annotations

import datetime
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape

from harness.judge.degraded import degraded_in_words
from harness.model.verdict import AttemptVerdict
from harness.nightly.units import Unit
from harness.run.progress import COLOURS, HEARTBEAT_S

ENOUGH = 3
FIRST_GUESS_S = 15.0
STEP_S = 180.0


@dataclass
class Estimate:
    """How long the rest will take, by past attempts."""

    took_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, part: str, seconds: float) -> None:
        self.took_s[part].append(seconds)

    def left_s(self, left: dict[str, int], steps: int) -> float:
        """`left`: attempts by part."""
        everything = [s for part in self.took_s.values() for s in part]
        usual = sum(everything) / len(everything) if everything else FIRST_GUESS_S
        total = steps * STEP_S
        for part, count in left.items():
            own = self.took_s.get(part, [])
            total += count * (sum(own) / len(own) if len(own) >= ENOUGH else usual)
        return total


class NightProgress:
    """A context manager; the night reports events to it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._what = "starting"
        self._begun = self._spoke = time.monotonic()
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> NightProgress:
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._heart.join()

    def note(self, text: str) -> None:
        self._what = text

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
        self._spoke = time.monotonic()

    def attempt(self, unit: Unit, verdict: AttemptVerdict, took_s: float, done: int, total: int, left_s: float) -> None:
        colour = COLOURS[verdict.status]
        until = datetime.datetime.now() + datetime.timedelta(seconds=left_s)
        left = f"about {_length(left_s)} left, until {until:%H:%M}" if done < total else "all attempts played"
        self.console.print(
            f"[{done}/{total}] ".replace("[", r"\[") + f"[{colour}]{verdict.status.value:>8}[/]  "
            f"{unit.part}  {unit.case} {unit.number}  {_label(verdict)}[dim]{took_s:.1f} s, {left}[/]",
            soft_wrap=True,
        )
        self._spoke = time.monotonic()

    def _beat(self) -> None:
        while not self._stop.wait(1.0):
            now = time.monotonic()
            if now - self._spoke >= HEARTBEAT_S - 1.0:
                self.say(f"… {self._what}, {_length(now - self._begun)} since the start")


def _label(verdict: AttemptVerdict) -> str:
    degraded = degraded_in_words([verdict])
    return f"{escape(degraded)}  " if degraded else ""


def _length(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
