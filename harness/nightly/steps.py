"""The steps of a night beside its cases: the proof of the ears and the calibration, in short form.

A step that was broken off starts over in a new folder beside the old one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.judge.verdict import EXIT_NOT_MEASURED
from harness.model.night import PlannedPart
from harness.model.plan import Lane

CALIBRATION_TURNS = 20  # about a minute; the fewest with a meaningful 95th percentile (H-92)
SEED = 1


@dataclass(frozen=True)
class StepResult:
    """`report` is a path."""

    exit_code: int
    text: str
    report: Path


def new_place(folder: Path) -> Path:
    """The first of folder/1, folder/2, … that is not there. Raises OSError."""
    place = next(p for n in range(1, 10_000) if not (p := folder / str(n)).exists())
    place.mkdir(parents=True)
    return place


async def do_step(part: PlannedPart, folder: Path, on_note: Callable[[str], None]) -> StepResult:
    """Do the step in its own `folder`. Raises EarwitnessError, OSError, CancelledError."""
    if part.kind == "proof":
        return await _prove(part.lane, folder, on_note)
    return await _calibrate(part.lane, folder, on_note)


async def _prove(lane: Lane, folder: Path, on_note: Callable[[str], None]) -> StepResult:
    from harness.prove.proof_report import verdict_of, write_proof
    from harness.prove.prove import check_folder, make_wanted, prove_live
    from harness.prove.trials import ears_version
    from harness.provide.cache import cache_dir

    wanted = make_wanted([], fast=True, trials=1, lane=lane, clean={}, captures=1)
    check_folder(folder)
    await prove_live(folder, cache_dir() / "proof", wanted, on_note)
    summary = await asyncio.to_thread(write_proof, folder, ears_version())
    code, text = proof_verdict(verdict_of(summary), summary, [fault.id for fault in wanted.faults])
    return StepResult(code, text, folder / "proof.md")


def proof_verdict(told: tuple[int, str], summary: Mapping[str, Any], wanted: Sequence[str]) -> tuple[int, str]:
    """(exit status, one line). A fault without a valid trial (its call broke) was not heard: no proof."""
    tried = {fault["id"] for fault in summary["faults"] if any(cell["n"] for cell in fault["cells"])}
    untried = [name for name in wanted if name not in tried]
    code, text = told
    if not untried:
        return code, text
    return code or EXIT_NOT_MEASURED, f"{text}; without a trial that counts: {', '.join(untried)}"


async def _calibrate(lane: Lane, folder: Path, on_note: Callable[[str], None]) -> StepResult:
    from harness.prove.calibrate import calibrate, exit_code, make_calibration
    from harness.prove.calibration_report import REPORT

    plan = make_calibration(folder, turns=CALIBRATION_TURNS, user=lane, sessions="1", seed=SEED)
    done = await calibrate(plan, on_note=on_note)
    if done.interrupted:  # the step ended by the cancellation; the night passes it on
        raise asyncio.CancelledError
    return StepResult(exit_code(done), f"{done.verdict}", plan.run_dir / REPORT)
