"""The governor of sessions side by side: it lets them launch and be measured, and captures be analysed, by one rule.

A thin shell around `harness.live.staging`: it keeps each session's stage, asks the rule after every change, wakes those that
may go on, and records what it did. It watches the host (load of all cores, lag of its own event loop, capture underruns) and
holds the next start back while other work keeps the host busy. Every wait has its limit in `Limits`; at the limit a session
goes on, and the record says so; a turn measured beside a launch is then INVALID by its capture (`harness.listen.validity`).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from harness.live.cpu import CpuMeter
from harness.live.staging import JobAt, SessionAt, Stage, is_loud, may_launch, next_steps
from harness.model.side_by_side import SideBySide

log = logging.getLogger(__name__)

WATCH_EVERY_S = 0.25
CPU_BUSY_PERCENT = 85.0  # measured turns need the rest: one session takes 0.2 of two cores
LAG_BUSY_MS = 20.0  # one packet
UNDERRUN_BUSY_S = 2.0  # after samples were lost
TIMER_GRAIN_S = 0.01  # a timer may fire a little before its time
MOST_OVERRUNS_KEPT = 20


@dataclass(frozen=True)
class Limits:
    """The longest wait of each kind, in seconds."""

    launch_s: float = 90.0  # for others to be measured; a long case takes half of it
    ready_s: float = 30.0  # for others to launch; what they wait for has limits of its own
    busy_s: float = 5.0  # for the host
    hear_s: float = 90.0


class Seat(Protocol):
    """One session's place. Given when it may launch."""

    @property
    def launching_beside(self) -> int:
        """How many others are being launched."""
        ...

    async def measure(self) -> bool:
        """Wait until no loud work goes on; True if it had to wait: the jitter buffer may have grown meanwhile."""
        ...

    def leave(self) -> None:
        """Its conversation is over."""
        ...

    def underrun(self) -> None:
        """Its capture lost samples."""
        ...


class Staging(Protocol):
    """What a bench needs of a governor, in this process or in another."""

    def session(self) -> AbstractAsyncContextManager[Seat]: ...
    def hearing(self) -> AbstractAsyncContextManager[None]: ...
    def record(self) -> SideBySide | None:
        """What the governor has done so far; None where another process knows."""
        ...


@dataclass
class _Waiting:
    """A wait, ended by the rule. `since_s`: when its turn came, by the loop's clock; None before."""

    wake: asyncio.Future[None]
    since_s: float | None

    def overdue(self, now_s: float, limit_s: float) -> bool:
        return self.since_s is not None and now_s - self.since_s >= limit_s

    def let_go(self) -> None:
        if not self.wake.done():
            self.wake.set_result(None)


@dataclass
class _Session:
    """One session's stage; its Seat."""

    governor: Governor
    key: int
    stage: Stage = Stage.WAITING
    waiting: _Waiting | None = None

    @property
    def launching_beside(self) -> int:
        others = (s for s in self.governor.sessions.values() if s is not self)
        return sum(other.stage is Stage.LAUNCHING for other in others)

    async def measure(self) -> bool:
        return await self.governor.wait_for(self, Stage.READY)

    def leave(self) -> None:
        self.governor.move(self, Stage.LEAVING)

    def underrun(self) -> None:
        self.governor.underran()


@dataclass
class _Job:
    key: int
    waiting: _Waiting
    running: bool = False


@dataclass
class Governor:
    """At most `limit` sessions at once. Made by `open_governor`."""

    limit: int
    limits: Limits = field(default_factory=Limits)
    why: str = ""
    on_note: Callable[[str], None] = lambda note: None
    on_change: Callable[[], None] = lambda: None  # the rule was asked; a session may have gone on
    sessions: dict[int, _Session] = field(default_factory=dict)
    _jobs: dict[int, _Job] = field(default_factory=dict)
    _keys: itertools.count[int] = field(default_factory=itertools.count)
    _record: SideBySide = field(default_factory=lambda: SideBySide(jobs=1))
    _held_since_s: float | None = None
    _busy: str | None = None
    _worked: bool = False  # since the last look
    _underrun_until_s: float = 0.0

    def record(self) -> SideBySide:
        kept = self._record
        seconds = {"held_s": round(kept.held_s, 3), "waited_s": round(kept.waited_s, 3)}
        return kept.model_copy(update={"jobs": self.limit, "why": self.why, **seconds})

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Seat]:
        """A place for one session, once it may launch; freed at the end."""
        seat = _Session(self, next(self._keys))
        self.sessions[seat.key] = seat
        try:
            await self.wait_for(seat, Stage.WAITING)
            self._note(sessions=self._record.sessions + 1)
            yield seat
        finally:
            del self.sessions[seat.key]
            self.settle()

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[None]:
        """The analysis of one capture: one at a time, and not while anything is measured."""
        job = _Job(next(self._keys), self._begin(self.limits.hear_s))
        self._jobs[job.key] = job
        try:
            self.settle()
            await job.waiting.wake
            yield
        finally:
            del self._jobs[job.key]
            self.settle()

    async def wait_for(self, seat: _Session, stage: Stage) -> bool:
        """Keep `seat` in `stage` until the rule lets it go on; whether it had to wait."""
        first = stage is Stage.WAITING
        seat.stage, seat.waiting = stage, _Waiting(self._loop.create_future(), None)
        if not first:
            seat.waiting = self._begin(self.limits.ready_s)
        waiting = seat.waiting
        self.settle()
        had_to = not waiting.wake.done()
        try:
            await waiting.wake
        finally:
            seat.waiting = None
        if waiting.since_s is not None:  # the wait for a free place does not count: only the wait for others does
            self._note(waited_s=self._record.waited_s + self._loop.time() - waiting.since_s)
        return had_to

    def move(self, seat: _Session, stage: Stage) -> None:
        seat.stage = stage
        self.settle()

    def underran(self) -> None:
        self._underrun_until_s = self._loop.time() + UNDERRUN_BUSY_S

    # the rule

    def settle(self) -> None:
        """Ask the rule; wake those that may go on."""
        now_s = self._loop.time()
        for at in may_launch(self._where(now_s), self.limit):  # their turn has come: from now on they wait for others
            waiting = self.sessions[at.key].waiting
            if waiting is not None and waiting.since_s is None:
                waiting.since_s = now_s
                self._look_again_in(self.limits.launch_s)
        sessions, jobs = self._where(now_s), self._queue(now_s)
        busy = self._holds_back(now_s, sessions, jobs)
        steps = next_steps(sessions, jobs, limit=self.limit, busy=busy)
        for key in steps.hear:
            self._hear(self._jobs[key])
        for key in steps.launch:
            self._go_on(self.sessions[key], Stage.LAUNCHING)
        for key in steps.measure:
            self._go_on(self.sessions[key], Stage.MEASURING)
        self._worked = self._worked or self._works()
        self.on_change()

    def _go_on(self, seat: _Session, stage: Stage) -> None:
        launching = stage is Stage.LAUNCHING
        against = Stage.MEASURING if launching else Stage.LAUNCHING
        beside = sum(other.stage is against for other in self.sessions.values())
        if beside:
            done, limit_s = ("launched", self.limits.launch_s) if launching else ("was measured", self.limits.ready_s)
            self._overrun(f"a session {done} beside {beside} {against.value} after {limit_s:.0f} s of waiting")
        seat.stage = stage
        if seat.waiting is not None:
            seat.waiting.let_go()

    def _hear(self, job: _Job) -> None:
        if any(other.stage is Stage.MEASURING for other in self.sessions.values()):
            self._overrun(f"a capture was heard beside a measurement after {self.limits.hear_s:.0f} s of waiting")
        job.running = True
        job.waiting.let_go()

    def _where(self, now_s: float) -> list[SessionAt]:
        found = []
        for seat in self.sessions.values():
            limit_s = self.limits.launch_s if seat.stage is Stage.WAITING else self.limits.ready_s
            overdue = seat.waiting is not None and seat.waiting.overdue(now_s, limit_s)
            found.append(SessionAt(seat.key, seat.stage, overdue))
        return found

    def _queue(self, now_s: float) -> list[JobAt]:
        limit_s = self.limits.hear_s
        return [JobAt(job.key, job.running, job.waiting.overdue(now_s, limit_s)) for job in self._jobs.values()]

    # the host

    def _holds_back(self, now_s: float, sessions: list[SessionAt], jobs: list[JobAt]) -> bool:
        """Whether a start that nothing else blocks must wait for the host, for `busy_s` at most."""
        measuring = any(s.stage is Stage.MEASURING for s in sessions)
        would_start = bool(may_launch(sessions, self.limit)) and not measuring and not is_loud(sessions, jobs)
        if would_start and self.busy is not None:
            if self._held_since_s is None:
                self._held_since_s = now_s
                self._note(holds=self._record.holds + 1)
                self.on_note(f"a start is held back: {self.busy}")
                self._look_again_in(self.limits.busy_s)
            if now_s - self._held_since_s < self.limits.busy_s:
                return True
            self._overrun(f"started although {self.busy}, after {self.limits.busy_s:.0f} s of waiting")
        if self._held_since_s is not None:
            self._note(held_s=self._record.held_s + now_s - self._held_since_s)
            self._held_since_s = None
        return False

    async def watch(self) -> None:
        """Look at the host until cancelled."""
        meter = CpuMeter()
        while True:
            due_s = self._loop.time() + WATCH_EVERY_S
            await asyncio.sleep(WATCH_EVERY_S)  # the interval over which the load is taken
            lag_ms = 1e3 * (self._loop.time() - due_s)
            self.look(meter.read().percent, lag_ms)

    def look(self, cpu_percent: float | None, lag_ms: float) -> None:
        """Take in the host's load since the last look. Load beside our own loud work says nothing of other work."""
        reasons = []
        if cpu_percent is not None and cpu_percent >= CPU_BUSY_PERCENT:
            reasons.append(f"the processor is {cpu_percent:.0f} % busy")
        if lag_ms >= LAG_BUSY_MS:
            reasons.append(f"the event loop was {lag_ms:.0f} ms late")
        if not self._worked:
            self._busy = " and ".join(reasons) or None
        self._worked = self._works()
        self.settle()

    @property
    def busy(self) -> str | None:
        """Why the host is busy, if it is."""
        lost = "a capture lost samples" if self._loop.time() < self._underrun_until_s else None
        return " and ".join(filter(None, [self._busy, lost])) or None

    def _works(self) -> bool:
        """Whether our own work takes a core for a moment."""
        stages = {seat.stage for seat in self.sessions.values()}
        return bool(stages & {Stage.LAUNCHING, Stage.LEAVING}) or any(job.running for job in self._jobs.values())

    # notes

    def _note(self, **values: object) -> None:
        self._record = self._record.model_copy(update=values)

    def _overrun(self, text: str) -> None:
        self.on_note(text)
        self._note(overruns=[*self._record.overruns, text][:MOST_OVERRUNS_KEPT])

    # waiting

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _begin(self, limit_s: float) -> _Waiting:
        self._look_again_in(limit_s)
        return _Waiting(self._loop.create_future(), self._loop.time())

    def _look_again_in(self, limit_s: float) -> None:
        """Ask the rule again when a wait that begins now reaches its limit."""
        self._loop.call_later(limit_s + TIMER_GRAIN_S, self.settle)


@asynccontextmanager
async def open_governor(
    limit: int, *, why: str = "", limits: Limits | None = None, on_note: Callable[[str], None] = lambda note: None
) -> AsyncIterator[Governor]:
    """A governor that watches the host until the context ends."""
    governor = Governor(limit, limits or Limits(), why, on_note)
    task = asyncio.create_task(governor.watch())
    try:
        yield governor
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(ended, Exception):  # sessions went on by their limits, without knowing how busy the host was
            log.error("the host was not watched to the end", exc_info=ended)
