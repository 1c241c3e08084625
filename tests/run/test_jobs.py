"""How many sessions at once: what is asked for, or what calibration has shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.run.jobs import (
    SHIFTS_FILE,
    LaneShifts,
    Shift,
    auto_jobs,
    decide_jobs,
    keep_shifts,
    known_shifts,
)
from harness.settings import Settings, load_settings


def measured(*p95_ms: float, turns: int = 60, lane: str = "browser", machine: str = "m") -> LaneShifts:
    shifts = [Shift(sessions=n, turns=turns, p50_ms=0.0, p95_ms=ms) for n, ms in enumerate(p95_ms, start=2)]
    return LaneShifts(machine=machine, lane=lane, run_id="r", measured_at="now", turns=60, shifts=shifts)


@pytest.mark.parametrize(
    ("p95_ms", "jobs", "why"),
    [
        ((3.0, 9.9, 24.0), 3, "4 shift a known delay by +24.0 ms at P95"),
        ((12.0, 4.0), 1, "2 shift a known delay by +12.0 ms"),
        ((10.0,), 2, "no more were calibrated"),
        ((-31.0,), 1, "2 shift a known delay by -31.0 ms"),
        ((), 1, "no more were calibrated"),
    ],
)
def test_auto_is_the_largest_number_that_shifts_nothing_by_more_than_the_limit(
    p95_ms: tuple[float, ...], jobs: int, why: str
) -> None:
    decided = auto_jobs(measured(*p95_ms), "m", "browser")
    assert decided.jobs == jobs
    assert why in decided.why


def test_auto_without_a_measurement_is_one_and_says_what_would_measure_it() -> None:
    decided = auto_jobs(None, "Linux x86_64, 2 cores", "bot")
    assert decided.jobs == 1
    assert "Linux x86_64, 2 cores, bot lane" in decided.why
    assert "earwitness calibrate --user bot" in decided.why
    assert "\n" not in decided.why


def test_too_few_turns_are_no_measurement() -> None:
    assert auto_jobs(measured(1.0, turns=19), "m", "browser").jobs == 1
    few = measured(1.0).model_copy(update={"turns": 19})
    assert auto_jobs(few, "m", "browser").jobs == 1


def test_what_is_kept_is_known_of_this_machine_and_lane_and_takes_the_place_of_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    for one in (measured(1.0), measured(2.0, lane="bot"), measured(3.0, machine="other"), measured(4.0, 5.0)):
        keep_shifts(one)
    known = known_shifts("m", "browser")
    assert known is not None
    assert [shift.p95_ms for shift in known.shifts] == [4.0, 5.0]
    assert known_shifts("m", "bot") == measured(2.0, lane="bot")
    assert known_shifts("elsewhere", "bot") is None
    asked = Settings(jobs="auto", machine_class="m")
    assert decide_jobs(asked).jobs == 3
    (tmp_path / SHIFTS_FILE).write_text("spoilt")
    assert decide_jobs(asked).jobs == 1


def test_a_number_is_taken_as_it_is_and_less_than_one_is_refused() -> None:
    assert decide_jobs(Settings(jobs=3)).jobs == 3
    with pytest.raises(UsageError, match="--jobs 0: a number from 1 on, or auto"):
        decide_jobs(Settings(jobs=0))


def test_jobs_come_from_flags_environment_and_file(tmp_path: Path) -> None:
    (tmp_path / "earwitness.toml").write_text('[earwitness]\njobs = "auto"\n')
    assert load_settings({}, folder=tmp_path, env={}).jobs == "auto"
    assert load_settings({}, folder=tmp_path, env={"EARWITNESS_JOBS": "3"}).jobs == 3
    assert load_settings({"jobs": "2"}, folder=tmp_path, env={"EARWITNESS_JOBS": "3"}).jobs == 2
    with pytest.raises(UsageError, match=r"setting jobs = 'many'"):
        load_settings({"jobs": "many"}, folder=tmp_path, env={})


def test_this_machine_has_the_class_that_its_captures_have() -> None:
    from harness.live.host import describe_host
    from harness.model.machine import machine_class, this_machine

    assert this_machine(None) == machine_class(describe_host())
    assert this_machine("my laptop") == "my laptop"
