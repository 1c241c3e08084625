"""What known delays say about the measurement: agreement, line, resolution, verdict. Pure arithmetic, no recordings.

An error is measured minus injected, in ms. Agreement is bias, SD, the 95th percentile of |error| and the limits of
agreement (bias ± 1.96 SD; Bland and Altman, Lancet 1986). The line is measured against injected by least squares, with
the 95 % interval of its slope. The limits below are those of the issue: they are never moved to fit a measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats

LEAST_N = 10  # below it there is no verdict
CONFIDENCE = 0.95
LIMITS_FACTOR = 1.96

PATH_BIAS_MS = 5.0
PATH_P95_MS = 10.0
SLOPE_TOLERANCE = 0.01
DETECTOR_BIAS_MS = 3.0
DETECTOR_P95_MS = 8.0
RESOLUTION_MS = 3.0
LEAST_CORRELATION = 0.99  # with D spread over 1,100 ms this is an error of 45 ms SD: no measurement any more
PROBE_BIAS_RANGE_MS = (20.0, 120.0)  # browser minus probe: jitter buffer and playout (H-150)


class Calibrated(StrEnum):
    """CALIBRATED: within all limits. BIASED: follows the delay, but off by more. UNCORRELATED: does not follow it."""

    CALIBRATED = "CALIBRATED"
    BIASED = "BIASED"
    UNCORRELATED = "UNCORRELATED"
    NO_DATA = "NO_DATA"


@dataclass(frozen=True)
class Agreement:
    """Of n errors, ms. `bias_ci_ms`: half width of the bias's 95 % interval."""

    n: int
    bias_ms: float
    bias_ci_ms: float
    sd_ms: float
    median_ms: float
    p95_abs_ms: float
    max_abs_ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True)
class Line:
    """measured = slope · injected + intercept; `slope_ci`: half width of the slope's 95 % interval."""

    n: int
    slope: float
    slope_ci: float
    intercept_ms: float
    correlation: float


@dataclass(frozen=True)
class Finding:
    """A verdict with its reasons, one sentence for each broken rule."""

    verdict: Calibrated
    reasons: tuple[str, ...] = ()


def agreement(errors_ms: Sequence[float]) -> Agreement | None:
    """None below two errors."""
    if len(errors_ms) < 2:
        return None
    errors = np.asarray(errors_ms, np.float64)
    n, bias, sd = len(errors), float(errors.mean()), float(errors.std(ddof=1))
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1)) * sd / np.sqrt(n)
    return Agreement(
        n=n,
        bias_ms=bias,
        bias_ci_ms=float(half),
        sd_ms=sd,
        median_ms=float(np.median(errors)),
        p95_abs_ms=float(np.percentile(np.abs(errors), 95)),
        max_abs_ms=float(np.max(np.abs(errors))),
        low_ms=bias - LIMITS_FACTOR * sd,
        high_ms=bias + LIMITS_FACTOR * sd,
    )


def fit_line(injected_ms: Sequence[float], measured_ms: Sequence[float]) -> Line | None:
    """None below three points, or if all delays are the same."""
    x, y = np.asarray(injected_ms, np.float64), np.asarray(measured_ms, np.float64)
    if len(x) < 3 or np.ptp(x) == 0:
        return None
    fit = stats.linregress(x, y)
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(x) - 2)) * float(fit.stderr)
    return Line(len(x), float(fit.slope), half, float(fit.intercept), float(fit.rvalue))


def resolution_ms(errors_ms: Sequence[float]) -> float | None:
    """The smallest difference between two delays that two single measurements put in the right order 95 times of 100.

    Taken from the errors themselves, without a distribution: P95 of e_i − e_j over all pairs i ≠ j.
    """
    if len(errors_ms) < 2:
        return None
    errors = np.asarray(errors_ms, np.float64)
    differences = (errors[:, None] - errors[None, :])[~np.eye(len(errors), dtype=bool)]
    return float(np.percentile(differences, 100 * CONFIDENCE))


def judge_path(path: Agreement | None, line: Line | None, resolution: float | None) -> Finding:
    """Measured against injected, the path cancelled within the turn."""
    if path is None or line is None or path.n < LEAST_N:
        return Finding(Calibrated.NO_DATA, (f"fewer than {LEAST_N} turns without a step of the jitter buffer",))
    if line.correlation < LEAST_CORRELATION:
        return Finding(Calibrated.UNCORRELATED, (f"correlation {line.correlation:.4f} < {LEAST_CORRELATION}",))
    reasons = []
    if abs(path.bias_ms) > PATH_BIAS_MS:
        reasons.append(f"|bias| {abs(path.bias_ms):.2f} ms > {PATH_BIAS_MS:g} ms")
    if path.p95_abs_ms > PATH_P95_MS:
        reasons.append(f"P95 of |error| {path.p95_abs_ms:.2f} ms > {PATH_P95_MS:g} ms")
    if abs(line.slope - 1) > SLOPE_TOLERANCE:
        reasons.append(f"slope {line.slope:.4f} is not 1.00 ± {SLOPE_TOLERANCE:g}")
    if resolution is not None and resolution > RESOLUTION_MS:
        reasons.append(f"resolution {resolution:.2f} ms > {RESOLUTION_MS:g} ms")
    return Finding(Calibrated.BIASED if reasons else Calibrated.CALIBRATED, tuple(reasons))


def judge_detector(detector: Agreement | None) -> Finding:
    """The onset detector against the onset known to the sample."""
    if detector is None or detector.n < LEAST_N:
        return Finding(Calibrated.NO_DATA, (f"fewer than {LEAST_N} onsets",))
    reasons = []
    if abs(detector.bias_ms) > DETECTOR_BIAS_MS:
        reasons.append(f"|bias| {abs(detector.bias_ms):.2f} ms > {DETECTOR_BIAS_MS:g} ms")
    if detector.p95_abs_ms > DETECTOR_P95_MS:
        reasons.append(f"P95 of |error| {detector.p95_abs_ms:.2f} ms > {DETECTOR_P95_MS:g} ms")
    return Finding(Calibrated.BIASED if reasons else Calibrated.CALIBRATED, tuple(reasons))


def judge_probe(delta: Agreement | None, correlation: float | None) -> Finding:
    """Browser minus probe (H-150): they measure one turn, so they must move together and differ by one way's buffering."""
    if delta is None or correlation is None or delta.n < LEAST_N:
        return Finding(Calibrated.NO_DATA, (f"fewer than {LEAST_N} turns heard by both",))
    if correlation < LEAST_CORRELATION:
        return Finding(Calibrated.UNCORRELATED, (f"correlation {correlation:.4f} < {LEAST_CORRELATION}",))
    low, high = PROBE_BIAS_RANGE_MS
    if not low <= delta.bias_ms <= high:
        return Finding(
            Calibrated.BIASED, (f"mean difference {delta.bias_ms:.1f} ms is not within {low:g} to {high:g} ms",)
        )
    return Finding(Calibrated.CALIBRATED)
