"""The rule of sessions side by side: from every session's stage, which may go on. Pure; `harness.live.governor` asks it.

A session is WAITING, LAUNCHING (browser context, page, joining, priming), READY, MEASURING (from its barrier to the end of
its conversation), LEAVING, gone. Launching and the analysis of a capture are loud work: a core for seconds. Loud work and
measuring exclude each other, so sessions go in waves: up to `limit` launch together, wait for each other, are measured together.
A session that has waited too long is `overdue` and goes on all the same; none overtakes an earlier one. Leaving is not held
back: an agent may talk into a call that is kept open after its end, and leaving takes a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """Where a session is."""

    WAITING = "waiting"
    LAUNCHING = "launching"
    READY = "ready"
    MEASURING = "measuring"
    LEAVING = "leaving"


@dataclass(frozen=True)
class SessionAt:
    """One session; `overdue`: it has waited in this stage up to its limit."""

    key: int
    stage: Stage
    overdue: bool = False


@dataclass(frozen=True)
class JobAt:
    """One capture to be analysed."""

    key: int
    running: bool = False
    overdue: bool = False


@dataclass(frozen=True)
class Steps:
    """What may happen now, by key."""

    launch: tuple[int, ...] = ()
    measure: tuple[int, ...] = ()
    hear: tuple[int, ...] = ()


def is_loud(sessions: Sequence[SessionAt], jobs: Sequence[JobAt]) -> bool:
    """Whether a session launches, or a capture is analysed."""
    return any(s.stage is Stage.LAUNCHING for s in sessions) or any(job.running for job in jobs)


def may_launch(sessions: Sequence[SessionAt], limit: int) -> tuple[SessionAt, ...]:
    """Sessions whose turn it is, measurements aside: the first in line, as many as there are places."""
    waiting = [s for s in sessions if s.stage is Stage.WAITING]
    free = limit - (len(sessions) - len(waiting))
    return tuple(waiting[: max(free, 0)])


def next_steps(sessions: Sequence[SessionAt], jobs: Sequence[JobAt], *, limit: int, busy: bool) -> Steps:
    """`sessions` and `jobs` in the order they came; `busy`: the host is busy with other work than ours."""
    measuring = any(s.stage is Stage.MEASURING for s in sessions)
    held = measuring or (busy and not is_loud(sessions, jobs))
    line = may_launch(sessions, limit)
    launch = tuple(s.key for s in line if not held or s.overdue)
    waiting_jobs = [job for job in jobs if not job.running]
    one_runs = any(job.running for job in jobs)
    hear = tuple(job.key for job in waiting_jobs[:1] if not one_runs and (not measuring or job.overdue))
    loud = is_loud(sessions, jobs) or bool(launch) or bool(hear)
    ready = [s for s in sessions if s.stage is Stage.READY]
    measure = tuple(s.key for s in ready if s.overdue or not (loud or _more_join_the_wave(sessions, limit)))
    return Steps(launch, measure, hear)


def _more_join_the_wave(sessions: Sequence[SessionAt], limit: int) -> bool:
    """Whether a session waits for a place that is free, or about to be. Nobody joins while others are measured."""
    if any(s.stage is Stage.MEASURING for s in sessions):
        return False
    leaving = any(s.stage is Stage.LEAVING for s in sessions)
    return bool(may_launch(sessions, limit)) or (leaving and any(s.stage is Stage.WAITING for s in sessions))
