"""The benchmark of applied networks: a packet's fate is compared by its number, what fits is told from what does not."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.networks_applied import Pool, fates, rows
from harness.network.fate import Impairment
from harness.network.log import Row

IMPAIRED = Impairment(delay_ms=50.0, loss=0.02)


def row(n: int, *, delay_ms: float = 50.0, fate: str = "ok", kind: str = "rtp") -> Row:
    arrived = 20.0 * n
    left = None if fate != "ok" else arrived + delay_ms
    return Row("down", n, 0, kind, 100, "a", n, 960 * n, arrived, 0.0, left, left, fate)


def pool(delay_ms: float, lost: int) -> Pool:
    filled = Pool({"up": IMPAIRED, "down": IMPAIRED}, calls=4, turns=20, proven=4)
    for way in ("up", "down"):
        filled.delays_ms[way] = [delay_ms] * 1_000
        filled.decided[way], filled.lost[way] = 1_000, lost
    return filled


def test_what_fits_the_profile_is_told_without_a_no_and_what_does_not_with_one() -> None:
    fine, slow, lossy = rows({"fine": pool(51.0, 20)}), rows({"slow": pool(54.0, 20)}), rows({"lossy": pool(50.0, 60)})
    assert not any(cell.endswith(" NO") for cells in fine for cell in cells)
    assert all(cells[3].endswith(" NO") and not cells[4].endswith(" NO") for cells in slow)
    assert all(cells[4].endswith(" NO") and not cells[3].endswith(" NO") for cells in lossy)


def test_more_profiles_make_the_interval_of_each_wider() -> None:
    def width(profiles: int) -> int:
        low, high = rows({f"p{n}": pool(50.0, 20) for n in range(profiles)})[0][4].split("; ")[1].split(" to ")
        return int(high) - int(low)

    assert width(10) > width(1)


def test_a_packets_fate_is_what_was_meant_for_it_and_not_when_it_left() -> None:
    late = replace(row(1), departed_ms=75.0)
    assert fates([late], "down") == fates([row(1)], "down") == {1: (False, 50.0)}
    assert fates([row(2, fate="loss")], "down") == {2: (True, None)}
    assert fates([row(3, kind="echo")], "down") == {}
