"""How far sessions at once shift a known delay: the floor (KPI − D0) with n at once against alone. Pure; in ms.

The floor is what the path adds to a perfect agent, so it includes whatever sessions do to each other: late frames, grown jitter
buffers, a starved encoder. Two distributions are compared, not single turns, because a jitter buffer's state differs from
call to call by more than the limit: the shift at P50 is the difference of the medians, at P95 of the 95th percentiles.
"""

from __future__ import annotations

from harness.prove.calibration_record import Calibration, Figures
from harness.run.jobs import LaneShifts, Shift


def shifts_of(calibration: Calibration, machine: str) -> list[LaneShifts]:
    """One for each lane played alone and side by side; none if the calibration was interrupted."""
    if calibration.interrupted:
        return []
    found = []
    for lane in dict.fromkeys(f.lane for f in calibration.figures):
        alone = next((f for f in calibration.figures if (f.lane, f.sessions) == (lane, 1)), None)
        beside = [f for f in calibration.figures if f.lane == lane and f.sessions > 1]
        shifts = [shift for f in beside if alone is not None and (shift := shift_of(alone, f)) is not None]
        if alone is not None and alone.floor is not None and shifts:
            found.append(
                LaneShifts(
                    machine=machine,
                    lane=lane,
                    run_id=calibration.run_id,
                    measured_at=calibration.started_at,
                    turns=alone.floor.n,
                    shifts=shifts,
                )
            )
    return found


def shift_of(alone: Figures, beside: Figures) -> Shift | None:
    """None where either has no floor."""
    if alone.floor is None or beside.floor is None:
        return None
    return Shift(
        sessions=beside.sessions,
        turns=beside.floor.n,
        p50_ms=round(beside.floor.median_ms - alone.floor.median_ms, 2),
        p95_ms=round(beside.floor.p95_ms - alone.floor.p95_ms, 2),
    )
