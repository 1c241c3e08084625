"""Baselines: what may stand in one, what may be compared with it, and what may become a limit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from harness.errors import HistoryError, UsageError
from harness.history.baselines import newest, read_baseline, read_log, samples_of_baseline, set_baseline
from harness.history.changes import against_baseline
from harness.history.database import History, open_history
from harness.history.promotion import examine, limit_for, promote
from harness.history.reading import read_run
from tests.history import made


@pytest.fixture
def history(tmp_path: Path):
    with open_history(tmp_path / "h.sqlite") as opened:
        yield opened


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    return written_calibration(tmp_path, "CALIBRATED")


def written_calibration(folder: Path, verdict: str, **host: object) -> Path:
    path = folder / "calibration.json"
    record = {
        "verdict": verdict,
        "interrupted": False,
        "host": {**made.HOST, **host},
        "settings": [{"lane": "browser"}],
    }
    path.write_text(json.dumps(record))
    return path


def baseline_of(history: History, runs: list[str], name: str = "main", reason: str = "") -> None:
    with history.writing() as session:
        set_baseline(session, name, runs, reason)


def test_a_baseline_keeps_its_samples_whatever_happens_to_its_runs(history: History) -> None:
    made.write_run(history, "r1", [450.0, 460.0])
    baseline_of(history, ["r1"])
    made.write_run(history, "r1", [650.0, 660.0])  # heard again, with other numbers
    with history.reading() as session:
        kept = samples_of_baseline(session, read_baseline(session, "main"))
        assert [s.value for s in kept if s.metric == "user_kpi_raw_ms"] == [450.0, 460.0]


def test_a_new_version_of_a_name_needs_a_reason_and_the_old_one_stays(history: History) -> None:
    made.write_run(history, "r1", [450.0])
    made.write_run(history, "r2", [550.0])
    baseline_of(history, ["r1"])
    with pytest.raises(UsageError, match="exists as v1; a new version needs --reason"):
        baseline_of(history, ["r2"])
    baseline_of(history, ["r2"], reason="a new model")
    with history.reading() as session:
        assert read_baseline(session, "main").runs == ("r2",)
        assert read_baseline(session, "main@1").runs == ("r1",)
        assert [(e.action, e.version, e.reason) for e in read_log(session)] == [
            ("set", 1, ""),
            ("set", 2, "a new model"),
        ]


@pytest.mark.parametrize("statement", ["UPDATE {} SET name = 'x'", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["baseline", "baseline_log"])
def test_what_is_in_the_log_cannot_be_changed(history: History, table: str, statement: str) -> None:
    made.write_run(history, "r1", [450.0])
    baseline_of(history, ["r1"])
    with pytest.raises(HistoryError, match="is never changed"), history.writing() as session:
        session.execute(text(statement.format(table)))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"lane": "bot", "mic": "bot"}, "lane is bot, was browser"),
        ({"mic": "device"}, "mic is device, was scheduled"),
        ({"link": "bad_wifi"}, "profile is bad_wifi, was none"),
        ({"host": {**made.HOST, "cpu_count": 8}}, "machine class is Linux x86_64, 8 cores, was Linux x86_64, 2 cores"),
        ({"versions": {**made.VERSIONS, "chromium": "157.0"}}, "chromium is 157.0, was 156.0"),
        ({"said": "2"}, "case c00 is speech 2, was 1"),
        ({"ears": "e2"}, "ears is e2, was e1"),
        ({"finished": False}, "run r2 never ended"),
        ({"complete": False}, "run r2 is incomplete"),
    ],
)
def test_runs_that_are_not_one_thing_make_no_baseline(history: History, fields: dict, says: str) -> None:
    made.write_run(history, "r1", [450.0])
    made.write_run(history, "r2", [450.0], **fields)
    with pytest.raises(UsageError, match=says):
        baseline_of(history, ["r1", "r2"])
    with history.reading() as session:
        assert newest(session, "main") is None


def test_turns_by_an_engines_reserve_make_no_baseline(history: History) -> None:
    made.write_run(history, "r1", [450.0] * 4, degraded=1)
    with pytest.raises(UsageError, match="run r1 has 1 DEGRADED turn, which"):
        baseline_of(history, ["r1"])


def test_a_failing_run_makes_no_baseline(history: History) -> None:
    made.write_run(history, "r1", [450.0, 950.0])  # a warning is in order
    made.write_run(history, "r2", [450.0], gap_ms=250.0)
    baseline_of(history, ["r1"])
    with pytest.raises(UsageError, match="run r2 is FAIL"):
        baseline_of(history, ["r2"], name="other")
    with pytest.raises(UsageError, match="run r3: not in the history"):
        baseline_of(history, ["r3"], name="other")


AGAINST = [
    ({"lane": "bot", "mic": "bot"}, "lane is bot, was browser"),
    ({"link": "4g_ok"}, "profile is 4g_ok, was none"),
    ({"host": {**made.HOST, "machine": "arm64"}}, "machine class is Linux arm64, 2 cores, was Linux x86_64, 2 cores"),
    ({"versions": {**made.VERSIONS, "livekit-server": "2.0"}}, "livekit-server is 2.0, was 1.13.5"),
    ({"ears": None}, "ears is not recorded, was e1"),
    ({"said": "2"}, "no case says the same on both sides"),
]


@pytest.mark.parametrize(("fields", "says"), AGAINST)
def test_a_comparison_is_refused_with_the_difference_named(history: History, fields: dict, says: str) -> None:
    baseline_of(history, made.nights(history, 3))
    made.write_run(history, "now", [450.0] * 20, **fields)
    with history.reading() as session:
        found = against_baseline(session, read_run(session, "now"), read_baseline(session, "main"))
    assert says in found.refused
    assert found.comparisons == []


def test_versions_can_be_accepted_by_name_and_stay_visible_others_cannot(history: History) -> None:
    baseline_of(history, made.nights(history, 3))
    new = {**made.VERSIONS, "chromium": "157.0"}
    made.write_run(history, "now", [450.0] * 20, versions=new, link="4g_ok")
    made.write_run(history, "only", [450.0] * 20, versions=new)
    with history.reading() as session:
        baseline = read_baseline(session, "main")
        refused = against_baseline(session, read_run(session, "now"), baseline, accept=["chromium", "profile"])
        assert refused.refused == ["profile is 4g_ok, was none"]
        found = against_baseline(session, read_run(session, "only"), baseline, accept=["chromium"])
        assert found.accepted == ["chromium is 157.0, was 156.0"]
        assert found.comparisons


def test_cases_that_say_something_else_are_left_out_by_name(history: History) -> None:
    baseline_of(history, made.nights(history, 3))
    made.write_run(history, "now", [450.0] * 10, cases=("c00", "new"))
    with history.reading() as session:
        found = against_baseline(session, read_run(session, "now"), read_baseline(session, "main"))
    assert "case new is run, was not run" in found.left_out
    assert found.comparisons[0].now.n_turns == 5


def test_promotion_sets_the_limit_at_p95_plus_50_and_is_logged(history: History, calibration: Path) -> None:
    baseline_of(history, made.nights(history, 3))
    with history.writing() as session:
        found, entry = promote(session, "main", calibration, "three quiet nights")
    assert found.p95_ms is not None
    assert entry.limit_ms == round(found.p95_ms + 50, 1)
    assert (entry.action, entry.reason) == ("promote", "three quiet nights")
    assert entry.by
    assert entry.detail["runs"] == ["n00", "n01", "n02"]


def problems(history: History, calibration: Path | None, name: str = "main") -> str:
    with history.reading() as session:
        return "; ".join(examine(session, name, calibration).problems)


def test_every_precondition_of_a_promotion_is_asked_for_at_once(history: History, tmp_path: Path) -> None:
    made.write_run(history, "r1", [700.0, 880.0])
    baseline_of(history, ["r1"])
    told = problems(history, None)
    assert "2 turns; a P95 needs 20" in told
    assert "no calibration was named" in told
    assert "1 consecutive nights inside" in told
    assert "above 900 ms" in told


def test_a_calibration_that_does_not_say_so_or_is_of_another_machine_promotes_nothing(
    history: History, tmp_path: Path
) -> None:
    baseline_of(history, made.nights(history, 3))
    assert "says BIASED" in problems(history, written_calibration(tmp_path, "BIASED"))
    assert "machine class is Linux x86_64, 8 cores" in problems(
        history, written_calibration(tmp_path, "CALIBRATED", cpu_count=8)
    )
    assert "cannot be read" in problems(history, tmp_path / "nowhere")


def test_nights_that_are_not_consecutive_or_not_inside_promote_nothing(history: History, calibration: Path) -> None:
    names = made.nights(history, 4)
    baseline_of(history, [names[0], names[1], names[3]])
    assert "2 consecutive nights inside" in problems(history, calibration)


def test_a_limit_is_never_loosened_unless_it_is_said(history: History, calibration: Path) -> None:
    baseline_of(history, made.nights(history, 3))
    with history.writing() as session:
        promote(session, "main", calibration, "first")
    slower = made.nights(history, 3, kpi_ms=600.0, prefix="s")
    baseline_of(history, slower, reason="slower model")
    with history.writing() as session, pytest.raises(UsageError, match=r"loosens .* only with --loosen"):
        promote(session, "main", calibration, "second")
    with history.reading() as session:  # the old limit is still the one in force
        run = read_run(session, "s00")
        limit, _ = limit_for(session, run.environment, run.cases)
        assert limit is not None
        assert limit.limit_ms < 600
        assert limit.baseline == "main v1"
    with history.writing() as session:
        _, entry = promote(session, "main", calibration, "second", loosen=True)
    assert "loosens" in entry.detail["notes"][0]


def test_a_promotion_needs_its_reason(history: History, calibration: Path) -> None:
    baseline_of(history, made.nights(history, 3))
    with history.writing() as session, pytest.raises(UsageError, match="--reason"):
        promote(session, "main", calibration, "  ")


def test_a_limit_judges_its_own_environment_and_cases_only_and_says_so(history: History, calibration: Path) -> None:
    baseline_of(history, made.nights(history, 3))
    with history.writing() as session:
        promote(session, "main", calibration, "quiet")
    made.write_run(history, "newer", [450.0] * 20, versions={**made.VERSIONS, "chromium": "157.0"})
    made.write_run(history, "net", [450.0] * 20, link="4g_ok")
    made.write_run(history, "few", [450.0] * 4, cases=("c00", "c01"))
    with history.reading() as session:
        runs = {name: read_run(session, name) for name in ("newer", "net", "few")}
        limits = {name: limit_for(session, run.environment, run.cases) for name, run in runs.items()}
    assert limits["newer"][0] is not None  # a new browser does not loosen
    assert limits["net"][0] is None
    assert "profile is 4g_ok, was none" in limits["net"][1][0]
    assert limits["few"][0] is None
    assert "case c09 is not run, was run" in limits["few"][1][0]
