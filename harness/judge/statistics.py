"""Percentiles with their n. Method: linear interpolation between order statistics (numpy's default, Hyndman-Fan 7)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.model.verdict import Distribution

ENOUGH_FOR_P95 = 20  # below, the 95th percentile is the maximum in disguise (H-92)


def distribution(values: Sequence[float]) -> Distribution:
    """Every percentile is None without values."""
    if not values:
        return Distribution(n=0, p50=None, p95=None, p99=None, min=None, max=None)
    p50, p95, p99 = (round(float(value), 3) for value in np.percentile(values, [50, 95, 99]))
    return Distribution(n=len(values), p50=p50, p95=p95, p99=p99, min=round(min(values), 3), max=round(max(values), 3))
