"""What a calibration says of sessions side by side, and that `--jobs auto` then knows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.prove.calibrate import keep_side_by_side
from harness.prove.calibration_record import Setting
from harness.prove.calibration_report import render
from harness.prove.calibration_shifts import shifts_of
from harness.run.jobs import auto_jobs, known_shifts
from tests.prove.test_calibration_report import calibration, turns

HOST = {"system": "Linux 6.1", "machine": "x86_64", "cpu_count": 2}


def later(n: int, shift_ms: float, share: float = 1.0) -> list:
    """As `turns`, the first answer of the last `share` of them heard later."""
    made = turns(n)
    for index in range(round(n * (1 - share)), n):
        first = made[index].first
        assert first is not None
        assert first.kpi_ms is not None
        made[index] = replace(made[index], first=replace(first, kpi_ms=first.kpi_ms + shift_ms))
    return made


def test_a_shift_is_the_difference_of_the_floors_at_the_median_and_at_p95() -> None:
    made = calibration(
        Setting("browser", 1, turns(60)),
        Setting("browser", 2, later(60, 6.0)),
        Setting("browser", 3, later(60, 40.0, 0.1)),
    )
    (found,) = shifts_of(made, "m")
    two, three = found.shifts
    assert (two.sessions, two.turns) == (2, 60)
    assert two.p50_ms == pytest.approx(6.0, abs=0.01)
    assert two.p95_ms == pytest.approx(6.0, abs=0.01)
    assert three.p50_ms == pytest.approx(0.0, abs=1.0), "one turn in ten does not move the median"
    assert three.p95_ms == pytest.approx(40.0, abs=2.0)
    assert auto_jobs(found, "m", "browser").jobs == 2
    assert "| shift of P95 against the fewest at once | – | +6.0 | " in render(made, {})


def test_a_lane_that_was_not_played_alone_or_was_broken_off_says_nothing() -> None:
    beside = Setting("bot", 2, turns(30, lane="bot"))
    assert shifts_of(calibration(beside), "m") == []
    assert shifts_of(calibration(Setting("browser", 1, turns(30)), beside), "m") == []
    whole = calibration(Setting("bot", 1, turns(30, lane="bot")), beside)
    assert len(shifts_of(whole, "m")) == 1
    assert shifts_of(replace(whole, interrupted=True), "m") == []


def test_what_was_calibrated_is_what_auto_goes_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    made = replace(calibration(Setting("browser", 1, turns(40)), Setting("browser", 2, later(40, 3.0))), host=HOST)
    keep_side_by_side(made)
    known = known_shifts("Linux x86_64, 2 cores", "browser")
    assert known is not None
    assert known.run_id == "run"
    keep_side_by_side(made, "laptop")
    assert known_shifts("laptop", "browser") is not None
