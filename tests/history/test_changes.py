"""What a report gets from the history: the previous comparable run, the baseline, the trend, and nothing where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.history.baselines import set_baseline
from harness.history.changes import changes_of
from harness.history.database import open_history
from harness.history.reading import read_run
from harness.model.changes import Changes, Verdict
from harness.model.limits import Limits
from tests.history import made


def changes(place: Path, run_id: str) -> Changes | None:
    with open_history(place) as history, history.reading() as session:
        return changes_of(session, read_run(session, run_id))


def test_the_first_run_has_nothing_to_compare_with(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        made.write_run(history, "r1", [450.0])
    assert changes(tmp_path / "h.sqlite", "r1") is None


def test_the_previous_run_is_the_last_comparable_one(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        made.nights(history, 5)
        made.write_run(history, "net", [900.0] * 20, started_at="2026-01-08T00:00:00+00:00", link="bad_wifi")
        made.write_run(history, "part", [450.0] * 20, started_at="2026-01-08T01:00:00+00:00", complete=False)
        made.write_run(history, "now", [450.0] * 20, started_at="2026-01-09T00:00:00+00:00")
        made.write_run(history, "later", [450.0] * 20, started_at="2026-01-10T00:00:00+00:00")
    found = changes(tmp_path / "h.sqlite", "now")
    assert found is not None
    assert found.previous is not None
    assert found.previous.what == "run n04"
    assert [point.run_id for point in found.trend] == ["n00", "n01", "n02", "n03", "n04", "now"]
    assert found.trend[0].p95_ms is not None  # 20 turns


def test_a_regression_of_100_ms_is_worse_than_the_last_night_and_than_the_baseline(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        names = made.nights(history, 10)
        with history.writing() as session:
            set_baseline(session, "main", names, "")
        slow = [k + 100 for k in (440.0, 452.0, 461.0, 447.0, 455.0) * 4]
        made.write_run(history, "now", slow, started_at="2026-02-01T00:00:00+00:00")
    found = changes(tmp_path / "h.sqlite", "now")
    assert found is not None
    for against in (found.previous, found.baseline):
        assert against is not None
        first = against.comparisons[0]
        assert (first.metric, first.primary, first.verdict) == ("user_kpi_raw_ms", True, Verdict.WORSE)
        assert first.effect is not None
        assert 70 < first.effect < 130
        latencies = ("user_kpi_raw_ms", "eot_to_first_audio_ms")
        assert all(c.verdict is not Verdict.WORSE for c in against.comparisons if c.metric not in latencies)


def test_two_runs_alone_give_numbers_but_no_verdict(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        made.nights(history, 1)
        made.write_run(history, "now", [950.0] * 20, started_at="2026-02-01T00:00:00+00:00")
    found = changes(tmp_path / "h.sqlite", "now")
    assert found is not None
    assert found.previous is not None
    first = found.previous.comparisons[0]
    assert first.verdict is Verdict.INCOMPARABLE
    assert "known from 1 of them; it takes 3" in first.reason
    assert (first.then.n_turns, first.now.value) == (20, 950.0)


def test_a_baseline_that_cannot_be_compared_is_shown_with_the_reason(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        names = made.nights(history, 3)
        with history.writing() as session:
            set_baseline(session, "main", names, "")
        other = {**made.HOST, "cpu_count": 4}
        made.write_run(history, "now", [450.0] * 20, started_at="2026-02-01T00:00:00+00:00", host=other)
    found = changes(tmp_path / "h.sqlite", "now")
    assert found is not None
    assert found.previous is None
    assert found.baseline is not None
    assert found.baseline.refused == ["machine class is Linux x86_64, 4 cores, was Linux x86_64, 2 cores"]


def test_what_differs_and_is_no_hindrance_is_noted(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        made.nights(history, 3)
        new = {**made.VERSIONS, "commit": "def456", "agent.python": "3.13"}
        made.write_run(history, "now", [450.0] * 20, started_at="2026-02-01T00:00:00+00:00", versions=new)
    found = changes(tmp_path / "h.sqlite", "now")
    assert found is not None
    assert found.previous is not None
    assert found.previous.noted == ["commit is def456, was abc123", "agent.python is 3.13, was not there"]


def test_turns_by_an_engines_reserve_are_said_to_be_among_the_others(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        made.write_run(history, "then", [450.0] * 20)
        made.write_run(history, "now", [450.0] * 20, started_at="2026-02-01T00:00:00+00:00", degraded=3)
    found = changes(tmp_path / "h.sqlite", "now")
    assert found is not None
    assert found.previous is not None
    (noted,) = found.previous.noted
    assert noted.startswith("3 of the turns of run now were DEGRADED")
    assert noted.endswith("they are counted with the others")


LOOSER = Limits(own={"max_gap": 400})


def test_what_passes_by_another_limit_is_no_gate_that_newly_passes(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        made.write_run(history, "then", [450.0] * 3, gap_ms=300)
        made.write_run(history, "now", [450.0] * 3, gap_ms=300, started_at="2026-01-02T00:00:00+00:00", limits=LOOSER)
    found = changes(tmp_path / "h.sqlite", "now")
    assert found is not None
    assert found.previous is not None
    assert found.previous.newly_passing == []
    assert found.previous.noted == ["limit of max_gap is < 400 ms (yours; shipped 200), was < 200 ms"]
    assert found.previous.comparisons  # numbers are compared whatever they were judged by


def test_a_baseline_knows_by_which_limits_its_runs_passed(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        for name, day in (("a", 1), ("b", 2)):
            started = f"2026-01-0{day}T00:00:00+00:00"
            made.write_run(
                history, name, [440.0 + 10 * k for k in range(10)], gap_ms=300, started_at=started, limits=LOOSER
            )
        made.write_run(history, "now", [440.0 + 10 * k for k in range(10)], started_at="2026-01-03T00:00:00+00:00")
        with history.writing() as session:
            with pytest.raises(
                UsageError, match="run now was judged by limits those that ship; run a by yours: max_gap"
            ):
                set_baseline(session, "mixed", ["a", "now"], "")
            made_of = set_baseline(session, "main", ["a", "b"], "")
        assert made_of.about["limits"] == "yours: max_gap < 400 ms (shipped 200 ms)"
    found = changes(tmp_path / "h.sqlite", "now")
    assert found is not None
    assert found.baseline is not None
    assert "limits are those that ship, were yours: max_gap < 400 ms (shipped 200 ms)" in found.baseline.noted
