"""How regularly the agent's frames reached the probe while it spoke.

20 ms frames, arrival times on the host's monotonic clock. The same event loop that records also runs the call: where it
lagged, lateness is the harness's own and the number is not to be believed (H-77).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harness.listen.reading import HostLoadLine
from harness.listen.records import no_number, number
from harness.model.measurement import Metric

LOOP_LAG_LIMIT_MS = 10.0
MIN_FRAMES = 5


def load_within(load: Sequence[HostLoadLine], start_ms: float, end_ms: float) -> list[HostLoadLine]:
    """Lines that say something of [start, end]: each covers the time since the line before it."""
    ordered = sorted(load, key=lambda line: line.t_mono_ms)
    before = [float("-inf"), *(line.t_mono_ms for line in ordered)]
    return [line for since, line in zip(before, ordered, strict=False) if line.t_mono_ms > start_ms and since < end_ms]


def worst_lag_ms(lines: Sequence[HostLoadLine]) -> float | None:
    return max((line.loop_lag_ms for line in lines if line.loop_lag_ms is not None), default=None)


def inter_arrival(arrivals: npt.NDArray[np.float64], span: tuple[int, int], load: Sequence[HostLoadLine]) -> Metric:
    """95th percentile (linear interpolation) of the times between the frames of post_rtc[span]."""
    inside = arrivals[(arrivals[:, 1] >= span[0]) & (arrivals[:, 1] < span[1])]
    times = np.sort(inside[:, 0])
    if len(times) < MIN_FRAMES:
        return no_number("ms", f"only {len(times)} frames of the reply have an arrival time")
    p95_ms = float(np.percentile(np.diff(times), 95))
    lag_ms = worst_lag_ms(load_within(load, float(times[0]), float(times[-1])))
    if lag_ms is None:
        reason = "the harness's own loop lag is not known" if not load else ""
        return number(p95_ms, "ms", reason=reason)
    if lag_ms > LOOP_LAG_LIMIT_MS:
        reason = f"the harness's own event loop lagged {lag_ms:.1f} ms meanwhile (limit {LOOP_LAG_LIMIT_MS:.0f} ms)"
        return number(p95_ms, "ms", reason=reason, invalid=True)
    return number(p95_ms, "ms")
