"""How regularly the agent's frames reached the probe while it spoke.

20 ms frames, arrival times on the host's monotonic clock. The same event loop that records also runs the call: where it
lagged, lateness is the harness's own and those intervals are not to be believed (H-77).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harness.listen.read.reading import HostLoadLine
from harness.listen.read.records import no_number, number
from harness.model.measurement import Metric

LOOP_LAG_LIMIT_MS = 10.0
MIN_FRAMES = 5
KEPT_AT_LEAST = 0.5


def load_within(load: Sequence[HostLoadLine], start_ms: float, end_ms: float) -> list[HostLoadLine]:
    """Lines that cover part of [start, end]: each covers the time since the line before it."""
    ordered = sorted(load, key=lambda line: line.t_mono_ms)
    before = [float("-inf"), *(line.t_mono_ms for line in ordered)]
    return [line for since, line in zip(before, ordered, strict=False) if line.t_mono_ms > start_ms and since < end_ms]


def worst_lag_ms(lines: Sequence[HostLoadLine]) -> float | None:
    return max((line.loop_lag_ms for line in lines if line.loop_lag_ms is not None), default=None)


def inter_arrival(arrivals: npt.NDArray[np.float64], span: tuple[int, int], load: Sequence[HostLoadLine]) -> Metric:
    """95th percentile (linear interpolation) of the times between the frames of post_rtc[span].

    Intervals during which our own loop lagged beyond the limit are left out; INVALID if fewer than half remain.
    """
    inside = arrivals[(arrivals[:, 1] >= span[0]) & (arrivals[:, 1] < span[1])]
    times = np.sort(inside[:, 0])
    if len(times) < MIN_FRAMES:
        return no_number("ms", f"only {len(times)} frames of the reply have an arrival time")
    intervals = np.diff(times)
    if not load:
        return number(float(np.percentile(intervals, 95)), "ms", reason="the harness's own loop lag is not known")
    ours = _intervals_of_our_own(times, load)
    kept = intervals[~ours]
    worst = worst_lag_ms(load_within(load, float(times[0]), float(times[-1])))
    in_words = (
        f"the harness's own event loop lagged up to {worst or 0.0:.1f} ms meanwhile (limit {LOOP_LAG_LIMIT_MS:.0f} ms)"
    )
    if len(kept) < max(MIN_FRAMES, KEPT_AT_LEAST * len(intervals)):
        return number(float(np.percentile(intervals, 95)), "ms", reason=in_words, invalid=True)
    reason = f"{int(ours.sum())} of {len(intervals)} intervals left out: {in_words}" if ours.any() else ""
    return number(float(np.percentile(kept, 95)), "ms", reason=reason)


def _intervals_of_our_own(times: npt.NDArray[np.float64], load: Sequence[HostLoadLine]) -> npt.NDArray[np.bool_]:
    """Which of the intervals between `times` overlap a stretch in which the loop lagged beyond the limit."""
    ordered = sorted(load, key=lambda line: line.t_mono_ms)
    since = [float("-inf"), *(line.t_mono_ms for line in ordered)]
    ours = np.zeros(len(times) - 1, bool)
    for start_ms, line in zip(since, ordered, strict=False):
        if line.loop_lag_ms is not None and line.loop_lag_ms > LOOP_LAG_LIMIT_MS:
            ours |= (times[1:] > start_ms) & (times[:-1] < line.t_mono_ms)
    return ours
