"""Holes that come in packets are told from holes that do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.listen.metrics.gaps import find_packets, histogram


def read(lengths_ms: np.ndarray, seed: int) -> list[float]:
    """As the ears read them: a few ms off."""
    return list(lengths_ms + np.random.default_rng(seed).uniform(-4, 4, len(lengths_ms)))


@pytest.mark.parametrize("packet_ms", [60.0, 80.0, 120.0])
def test_holes_of_one_and_two_packets_are_multiples_of_the_packet(packet_ms: float) -> None:
    holes = read(packet_ms * np.array([1, 2, 1, 1, 2, 3, 1, 2, 1, 2]), 1)
    found = find_packets(holes)
    assert found is not None
    assert found.period_ms == pytest.approx(packet_ms, abs=5)


def test_holes_of_any_length_are_no_packets() -> None:
    rng = np.random.default_rng(2)
    flagged = sum(find_packets(list(rng.uniform(40, 400, 12))) is not None for _ in range(300))
    assert flagged <= 9  # 1 % is the test's own rate


def test_few_holes_and_holes_of_one_length_say_nothing() -> None:
    assert find_packets([160.0, 80.0]) is None
    assert find_packets(read(np.full(20, 160.0), 3)) is None


@given(st.lists(st.floats(0, 5_000), max_size=60))
def test_every_hole_is_in_one_bin(durations: list[float]) -> None:
    assert sum(b.count for b in histogram(durations)) == len(durations)
