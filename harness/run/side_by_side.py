"""Run the cases one after the other or side by side: in which order they start, and what happens when the run breaks off.

The governor (`harness.live.governor`) decides how many run at once, and when each may launch, record and be measured.
Cases of like length start together, so that no case waits long for the slowest of a wave; reports keep the order of the plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.errors import EarwitnessError, first_explained
from harness.model.case import CASE_RATE_HZ
from harness.model.plan import BuiltCase
from harness.model.verdict import CaseVerdict

if TYPE_CHECKING:
    from harness.run.run import Run

OnCase = Callable[[BuiltCase, int], None]
OnPhase = Callable[[str, str], None]  # case, phase
OnVerdict = Callable[[CaseVerdict], None]


def expected_s(built: BuiltCase) -> float:
    """Roughly how long a call of this case takes: its utterances, and the shortest sufficient reply."""
    return built.truth.n_samples / CASE_RATE_HZ + built.case.min_reply_ms / 1e3


def start_order(cases: Sequence[BuiltCase]) -> list[tuple[int, BuiltCase]]:
    """(place in the plan, case), the longest first."""
    return sorted(enumerate(cases), key=lambda item: (-expected_s(item[1]), item[0]))


async def run_cases(
    run: Run,
    cases: Sequence[BuiltCase],
    *,
    on_case: OnCase = lambda built, index: None,
    on_phase: OnPhase = lambda case, phase: None,
    on_verdict: OnVerdict = lambda verdict: None,
) -> bool:
    """Whether all cases ran. Raises CancelledError once the recorded attempts are judged; EarwitnessError, OSError."""
    if run.staging is not None:
        return await _side_by_side(run, cases, on_case, on_phase, on_verdict)
    for index, built in enumerate(cases):
        on_case(built, index)
        on_verdict(await run.case(built, _phases_of(built, on_phase)))
        if run.broken is not None:
            run.errors.append(f"the run was broken off after {built.case.id}: {run.broken}")
            return False
    return True


async def _side_by_side(
    run: Run, cases: Sequence[BuiltCase], on_case: OnCase, on_phase: OnPhase, on_verdict: OnVerdict
) -> bool:
    not_run: list[str] = []

    async def one(index: int, built: BuiltCase) -> None:
        begun = False

        def phase(name: str) -> None:
            nonlocal begun
            if not begun:  # its turn has come
                on_case(built, index)
                begun = True
            on_phase(built.case.id, name)

        try:
            on_verdict(await run.case(built, phase))
        except EarwitnessError:
            if run.broken is None:
                raise
            not_run.append(built.case.id)

    try:
        async with asyncio.TaskGroup() as group:
            for index, built in start_order(cases):
                group.create_task(one(index, built))
    except BaseExceptionGroup as group:
        raise first_explained(group) from group
    if run.broken is not None:
        run.errors.append(f"the run was broken off: {run.broken}")
    return run.broken is None and not not_run


def _phases_of(built: BuiltCase, on_phase: OnPhase) -> Callable[[str], None]:
    return lambda phase: on_phase(built.case.id, phase)
