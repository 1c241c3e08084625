"""A run over a bad network beside the last one over the clean link: the right run, or the reason why there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.history.changes import changes_of
from harness.history.database import History, open_history
from harness.history.reading import read_run
from harness.model.networks import SideBySide
from tests.history.made import CASES, write_run

TURNS = [450.0 + n for n in range(20)]


def found(history: History, run_id: str) -> SideBySide | None:
    with history.reading() as session:
        changes = changes_of(session, read_run(session, run_id))
    return changes.networks if changes is not None else None


def day(n: int) -> str:
    return f"2026-01-{n:02}T02:00:00+00:00"


def test_the_last_comparable_run_over_the_clean_link_stands_beside_it_by_name(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        write_run(history, "old", TURNS, started_at=day(1), link="wifi_good")
        write_run(history, "clean", TURNS, started_at=day(2), link="wifi_good")
        write_run(history, "other", TURNS, started_at=day(3), link="4g_ok")
        write_run(history, "bad", [v + 180 for v in TURNS], started_at=day(4), link="bad_wifi")
        beside = found(history, "bad")
    assert beside is not None
    assert not beside.refused
    assert [(column.run_id, column.link, column.turns) for column in beside.columns] == [
        ("clean", "wifi_good", 20),
        ("bad", "bad_wifi", 20),
    ]
    kpi = [next(f for f in c.figures if f.metric == "user_kpi_raw_ms") for c in beside.columns]
    assert [one.median for one in kpi] == [459.5, 639.5]
    assert beside.cases == sorted(CASES)


def test_a_run_without_a_link_will_do_where_none_went_through_the_clean_one(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        write_run(history, "bare", TURNS, started_at=day(1))
        write_run(history, "bad", TURNS, started_at=day(2), link="bad_wifi")
        beside = found(history, "bad")
    assert beside is not None
    assert [column.link for column in beside.columns] == ["none", "bad_wifi"]


def test_a_run_over_the_clean_link_has_nothing_to_stand_beside(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        write_run(history, "a", TURNS, started_at=day(1), link="wifi_good")
        write_run(history, "b", TURNS, started_at=day(2), link="wifi_good")
        assert found(history, "b") is None


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        ({"versions": {"chromium": "157.0", "livekit-server": "1.13.5", "livekit-client": "2.23.0"}}, "chromium is"),
        ({"host": {"system": "Linux 6.1", "machine": "x86_64", "cpu_count": 16}}, "machine class is"),
        ({"said": "2"}, "no case says the same on both sides"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_runs_name(
    tmp_path: Path, differs: dict[str, object], said: str
) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        write_run(history, "clean", TURNS, started_at=day(1), link="wifi_good", **differs)  # type: ignore[arg-type]
        write_run(history, "bad", TURNS, started_at=day(2), link="bad_wifi")
        beside = found(history, "bad")
    assert beside is not None
    assert beside.columns == []
    (reason,) = beside.refused
    assert "the last one, clean: " in reason
    assert said in reason


def test_without_any_clean_run_it_is_said_that_there_is_none(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        write_run(history, "torn", TURNS, started_at=day(1), link="wifi_good", complete=False)
        write_run(history, "bad", TURNS, started_at=day(2), link="bad_wifi")
        beside = found(history, "bad")
    assert beside is not None
    assert beside.refused == ["the history holds no earlier complete run over wifi_good or without a link"]


def test_only_the_cases_that_both_runs_have_are_shown_and_the_others_are_named(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        write_run(history, "clean", TURNS[:5], started_at=day(1), cases=CASES[:5], link="wifi_good")
        write_run(history, "bad", TURNS, started_at=day(2), link="bad_wifi")
        beside = found(history, "bad")
    assert beside is not None
    assert beside.cases == sorted(CASES[:5])
    assert [column.turns for column in beside.columns] == [5, 10]
    assert "case c09 is run, was not run" in beside.left_out
