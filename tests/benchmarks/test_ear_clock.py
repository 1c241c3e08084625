"""The benchmark's own truth: it finds a step without the code that it checks."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ear_clock import steps_of


def test_the_truth_has_the_steps_that_the_readings_have_and_no_other():
    context_s = np.arange(0, 60, 0.05)
    late_ms = 10.0 * (context_s >= 31.0) + np.random.default_rng(1).normal(0, 0.05, len(context_s))
    readings = np.stack(
        [context_s, 1e3 * (context_s + 0.04) + late_ms, np.full_like(context_s, 0.01), np.full_like(context_s, 0.03)], 1
    )
    ((at_s, ms),) = steps_of(readings)
    assert at_s == pytest.approx(31.04, abs=0.06)
    assert ms == pytest.approx(10, abs=0.2)
