"""A sweep's curve: points from runs, intervals of their medians, and the knee from which on blocking gates fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.judge.sweep import Point, Sweep, interval, knee, point
from harness.network.profile import Direction, Profile, load_profile
from harness.run.sweep import make_profiles, profile_at
from harness.run.sweep_axis import parse_axis
from harness.settings import Settings
from reports.render.sweep import headline, render, write_sweep
from tests.judge.canned import case, measurement, metric, summary, verdict

NETWORK = {
    "netem_actually_applied": metric(1, "bool"),
    "network_allowance_ms": metric(1_000),
    "network_impaired": metric(1, "bool"),
}


def at(value: float, *, latency_ms: float = 450.0, gap_ms: float = 0.0, proven: bool = True) -> Point:
    call = NETWORK if proven else NETWORK | {"netem_actually_applied": metric(0, "bool")}
    measured = measurement(call=call, user_kpi_raw_ms=metric(latency_ms), max_gap_ms=metric(gap_ms))
    return point(value, summary([(case(), verdict(case(), measured))], link="x"), {"c": case()}, f"loss-{value:g}/r")


def test_a_hole_fails_here_by_the_limits_of_a_clean_network() -> None:
    found = at(5, gap_ms=300)
    assert (found.measured, found.failed, found.gates) == (1, 1, {"max_gap": 1})


def test_a_call_over_a_network_that_was_not_proven_does_not_count() -> None:
    found = at(5, gap_ms=300, proven=False)
    assert (found.attempts, found.measured, found.failed) == (1, 0, 0)
    assert found.latency_ms.median is None


def test_the_knee_is_where_gates_begin_to_fail_for_good() -> None:
    points = [at(0), at(1, gap_ms=300), at(2), at(3, gap_ms=300), at(4, gap_ms=500)]
    assert knee(points) == (3, ["max_gap"])
    assert knee([at(0), at(1)]) == (None, [])
    assert knee([at(0, gap_ms=300)]) == (0, ["max_gap"])
    assert knee([]) == (None, [])


def test_an_interval_holds_its_median_and_narrows_with_more_values() -> None:
    few, many = interval([400, 450, 500, 430]), interval([400, 450, 500, 430] * 20)
    for found in (few, many):
        assert found.low is not None
        assert found.high is not None
        assert found.median is not None
        assert found.low <= found.median <= found.high
    assert (many.high or 0) - (many.low or 0) < (few.high or 0) - (few.low or 0)
    assert interval([400]).low is None
    assert interval([]).median is None


@pytest.mark.parametrize(
    ("text", "values"),
    [("0:10:5", (0, 5, 10)), ("0:1:0.25", (0, 0.25, 0.5, 0.75, 1)), ("2", (2,)), ("0,3,9", (0, 3, 9))],
)
def test_values_are_a_range_or_a_list(text: str, values: tuple[float, ...]) -> None:
    axis = parse_axis({"loss": text, "delay": None})
    assert (axis.parameter, axis.values, axis.what.key) == ("loss", values, "loss_percent")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"loss": None}, "give exactly one of --loss, --delay"),
        ({"loss": "1", "delay": "2"}, "give exactly one of"),
        ({"loss": "0:x:1"}, "--loss 0:x:1: expected FIRST:LAST:STEP"),
        ({"loss": "5:0:1"}, "the last value not below the first"),
        ({"loss": "0:100:0.1"}, "more than 200 values"),
    ],
)
def test_a_wrong_axis_is_explained(given: dict[str, str | None], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_axis(given)


def test_one_thing_is_varied_and_the_rest_of_the_network_stays() -> None:
    found = profile_at(load_profile("bad_wifi"), parse_axis({"loss": "7"}), 7)
    assert found.up == Direction(delay_ms=50, jitter_ms=40, loss_percent=7) == found.down
    assert found.name == "bad_wifi-loss-7"
    assert Profile.model_validate(found.model_dump(exclude_defaults=True)) == found


def test_an_impossible_network_is_said_before_anything_starts() -> None:
    with pytest.raises(UsageError, match="--jitter: 40 ms is no possible network: jitter_ms 40 needs a delay_ms of 40"):
        make_profiles(Settings(), parse_axis({"jitter": "0,40"}))


def test_values_that_could_not_be_measured_are_named() -> None:
    points = [at(0), at(10, proven=False)]
    sweep = Sweep(parameter="loss", unit="%", cases=["c"], lane="bot", points=points, knee=None, knee_gates=[])
    assert headline(sweep) == "no blocking gate fails up to 0 % of loss; not measured at 10 %"


def test_the_report_names_the_knee_and_draws_the_curve(tmp_path: Path) -> None:
    points = [at(0), at(2, latency_ms=500), at(4, latency_ms=700, gap_ms=300)]
    sweep = Sweep(
        parameter="loss", unit="%", cases=["c"], lane="browser", points=points, knee=4, knee_gates=["max_gap"]
    )
    assert headline(sweep) == "from 4 % of loss on blocking gates fail: max_gap"
    text = render(sweep)
    assert "do not ship" not in text
    assert "**Limits that do not ship**: yours" in render(sweep.model_copy(update={"limits": "yours"}))
    assert "| 4 % | 700 ms, n 1 | – | 1 | 1 of 1 | max_gap 1 | [report](loss-4/r/report.md) |" in text
    write_sweep(sweep, tmp_path)
    assert (tmp_path / "sweep.png").stat().st_size > 5_000


def test_of_a_bandwidth_less_is_worse_so_the_knee_is_where_it_breaks_on_the_way_down() -> None:
    points = [at(50, gap_ms=300), at(100, gap_ms=300), at(200), at(400)]
    assert knee(points, "less") == (100, ["max_gap"])
    assert knee(points) == (None, [])
    sweep = Sweep(
        parameter="bandwidth", unit="kbit/s", cases=["c"], lane="bot", points=points, worse="less",
        knee=100, knee_gates=["max_gap"],
    )  # fmt: skip
    assert headline(sweep) == "from 100 kbit/s of bandwidth down blocking gates fail: max_gap"
