"""How far the recordings' clocks run from the host's during a call, in ppm (positive: the recording runs fast).

Differences within a pair of recordings share a clock and cannot drift; figures across clocks (waterfall, end-of-turn error,
ear against probe) can. The browser's clock is read against the host's at both ends of the call; the probe's is dated by
every frame that arrives: the earliest of each second, and the Theil-Sen slope through them with its 95 % interval.
pre_rtc has no clock of its own to be compared: its timeline is only nominal between replies.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import theilslopes

from harness.listen.metrics.latency import NO_EAR, NO_SECOND_LISTENER
from harness.listen.place.scene import Scene
from harness.listen.read.clocks import CLOCK_ERROR_LIMIT_MS
from harness.listen.read.records import no_number, not_applicable, number
from harness.model import capture
from harness.model.measurement import Metric

RATE_HZ = 48_000
BIN_MS = 1_000.0
MIN_BINS, MOST_BINS = 5, 300
SHORTEST_MS = 5_000.0  # below it a millisecond of error is 200 ppm
RECORDINGS_ONLY = "recordings alone have no clock but their own"


def clock_metrics(scene: Scene) -> dict[str, Metric]:
    """Drift over the whole call."""
    return {"clock_drift_browser_ppm": _browser(scene), "clock_drift_probe_ppm": _probe(scene)}


def drift_reasons(scene: Scene) -> list[str]:
    """Clocks that surely drifted by more than the error limit: one offset no longer holds for the whole call."""
    drift, ring = _probe(scene), scene.rings.get("post_rtc")
    if drift.value is None or drift.uncertainty is None or ring is None:
        return []
    surely_ms = max(0.0, abs(drift.value) - drift.uncertainty) * ring.audio.duration_ms / 1e6
    if surely_ms <= CLOCK_ERROR_LIMIT_MS:
        return []
    return [f"the probe's clock drifts by {drift.value:.0f} ppm: {surely_ms:.0f} ms or more over the call"]


def _browser(scene: Scene) -> Metric:
    manifest = scene.capture.manifest
    if manifest.source == "recordings":
        return not_applicable("ppm", RECORDINGS_ONLY)
    if manifest.lane == "bot":
        return not_applicable("ppm", NO_EAR)
    timeline, ear = scene.clocks.of("ear"), scene.rings.get("ear")
    if ear is None:
        return no_number("ppm", scene.capture.why_missing("ear"))
    if timeline is None or timeline.slip_ms is None:
        return no_number("ppm", "the browser's clock was not read at the end of the call")
    length_ms = ear.audio.duration_ms
    if length_ms < SHORTEST_MS:
        return no_number("ppm", f"a call of {length_ms / 1e3:.1f} s is too short to tell")
    error_ppm = round(1e6 * 2 * timeline.error_ms / length_ms, 1)
    local = scene.clocks.map_of("ear")
    stepped_ms = sum(step.size_ms for step in local.steps) if local is not None else 0.0  # a step is no drift
    return number(-1e6 * (timeline.slip_ms - stepped_ms) / length_ms, "ppm", uncertainty=error_ppm)


def _probe(scene: Scene) -> Metric:
    manifest, arrivals = scene.capture.manifest, scene.capture.arrivals
    if manifest.source == "recordings":
        return not_applicable("ppm", RECORDINGS_ONLY)
    if manifest.second_listener == "none":
        return not_applicable("ppm", NO_SECOND_LISTENER)
    if arrivals is None:
        return no_number("ppm", scene.capture.why_missing(capture.ARRIVALS))
    drift = drift_ppm(arrivals)
    if drift is None:
        return no_number("ppm", f"too few frames over too short a time to tell (needs {SHORTEST_MS / 1e3:.0f} s)")
    return number(drift[0], "ppm", uncertainty=round(drift[1], 1))


def drift_ppm(arrivals: npt.NDArray[np.float64]) -> tuple[float, float] | None:
    """(ppm, ±) of the samples' clock against that of the arrival times; shape (n, 2): ms, sample."""
    if len(arrivals) == 0 or np.ptp(arrivals[:, 0]) < SHORTEST_MS:
        return None
    ordered = arrivals[np.argsort(arrivals[:, 0], kind="stable")]
    since_ms = ordered[:, 0] - ordered[0, 0]
    late_ms = since_ms - 1e3 * (ordered[:, 1] - ordered[0, 1]) / RATE_HZ
    bin_ms = max(BIN_MS, float(since_ms[-1]) / MOST_BINS)
    edges = np.flatnonzero(np.diff((since_ms // bin_ms).astype(np.int64))) + 1
    bins = np.split(np.arange(len(ordered)), edges)
    earliest = np.array([part[np.argmin(late_ms[part])] for part in bins])
    if len(earliest) < MIN_BINS:
        return None
    found = theilslopes(late_ms[earliest], since_ms[earliest])
    # growing lateness means that the samples' clock is slow
    return -1e6 * float(found.slope), 1e6 * float(found.high_slope - found.low_slope) / 2
