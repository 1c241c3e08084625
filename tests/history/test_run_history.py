"""A run under way: every attempt is in the history when it is judged, and a history that fails stops nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from harness.errors import NewerHistoryError
from harness.history import run_history
from harness.history.baselines import set_baseline
from harness.history.database import open_history
from harness.history.environment import ears_version
from harness.history.promotion import promote
from harness.history.reading import read_run
from harness.history.run_history import RunHistory
from harness.model.case import SpokenUtterance, Truth
from harness.run.plan import make_plan
from harness.settings import Settings
from tests.history import made
from tests.history.test_baselines import written_calibration

TRUTH = Truth(
    case_id="c",
    n_samples=300,
    sha256="a" * 64,
    source="recipe",
    utterances=[SpokenUtterance(start_sample=0, end_sample=100)],
)


def history_of(tmp_path: Path) -> RunHistory:
    return RunHistory(tmp_path / "h.sqlite", "fast", tmp_path / "r", "2026-03-01T00:00:00+00:00")


def test_an_attempt_is_in_the_history_as_soon_as_it_is_judged(tmp_path: Path) -> None:
    run = history_of(tmp_path)
    run.attempt(made.manifest("r", "c00"), made.verdict("r", "c00", 450.0), TRUTH)
    with open_history(tmp_path / "h.sqlite") as history, history.reading() as session:
        found = read_run(session, "r")
    assert (found.n_attempts, found.status, found.environment["ears"]) == (1, None, ears_version())


def test_what_could_not_be_written_is_written_with_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = history_of(tmp_path)
    with open_history(run.place):
        pass
    quick = lambda place: open_history(place, busy_timeout_s=0.05)  # noqa: E731
    monkeypatch.setattr(run_history, "open_history", quick)
    other = sqlite3.connect(run.place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    run.attempt(made.manifest("r", "c00"), made.verdict("r", "c00", 450.0), TRUTH)
    assert run.problem is not None
    assert "another program holds it" in run.problem
    told = run.finish(made.summary("r", {"c00": [made.verdict("r", "c00", 450.0)]}, "2026-03-01T00:00:00+00:00"))
    assert f"earwitness history add {tmp_path / 'r'}" in told.not_measured[-1]
    other.execute("ROLLBACK")
    other.close()
    run.attempt(made.manifest("r", "c01"), made.verdict("r", "c01", 450.0), TRUTH)
    assert run.problem is None
    with open_history(run.place) as history, history.reading() as session:
        assert sorted(read_run(session, "r").cases) == ["c00", "c01"]


def test_the_summary_says_what_changed(tmp_path: Path) -> None:
    run = history_of(tmp_path)
    with open_history(run.place) as history:
        for i in range(3):
            started_at = f"2026-02-0{i + 1}T00:00:00+00:00"
            made.write_run(history, f"n{i}", [450.0] * 4, cases=("c00",), ears=ears_version(), started_at=started_at)
    judged = [made.verdict("r", "c00", 470.0)]
    run.attempt(made.manifest("r", "c00"), judged[0], None)
    told = run.finish(made.summary("r", {"c00": judged}, "2026-03-01T00:00:00+00:00"))
    assert told.changes is None  # what was said then and now is not known to be the same
    with open_history(run.place) as history:
        made.write_run(
            history, "r2", [470.0] * 4, cases=("c00",), ears=ears_version(), started_at="2026-03-02T00:00:00+00:00"
        )
    run = RunHistory(run.place, "fast", tmp_path / "r2", "2026-03-02T00:00:00+00:00")
    run._manifest = made.manifest("r2", "c00")
    told = run.finish(made.summary("r2", {"c00": [made.verdict("r2", "c00", 470.0)]}, "2026-03-02T00:00:00+00:00"))
    assert told.changes is not None
    assert told.changes.previous is not None
    assert told.changes.previous.what == "run n2"


def test_a_promoted_limit_reaches_the_run(tmp_path: Path) -> None:
    run = history_of(tmp_path)
    hashed = run_history.case_hash(TRUTH)
    with open_history(run.place) as history:
        for i in range(3):
            made.write_run(
                history,
                f"n{i}",
                [440.0 + 5 * k for k in range(10)],
                said=hashed,
                ears=ears_version(),
                started_at=f"2026-02-0{i + 1}T00:00:00+00:00",
            )
        with history.writing() as session:
            set_baseline(session, "main", ["n0", "n1", "n2"], "")
            _, entry = promote(session, "main", written_calibration(tmp_path, "CALIBRATED"), "quiet")
    for case in made.CASES:
        run.attempt(made.manifest("r", case), made.verdict("r", case, 450.0), TRUTH)
    limit = run.limit()
    assert limit is not None
    assert (limit.limit_ms, limit.baseline) == (entry.limit_ms, "main v1")
    assert run.limit_unknown is None


def test_a_history_that_cannot_be_read_leaves_the_limit_unknown_which_is_an_error(tmp_path: Path) -> None:
    run = history_of(tmp_path)
    run.attempt(made.manifest("r", "c00"), made.verdict("r", "c00", 450.0), TRUTH)
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"h.sqlite{suffix}").unlink(missing_ok=True)
    (tmp_path / "h.sqlite").write_bytes(b"no database any more, and of some length" * 50)
    assert run.limit() is None
    assert run.limit_unknown is not None
    assert "not known whether a promoted baseline limits USER_KPI" in run.limit_unknown


def test_a_run_is_refused_before_its_first_call_where_the_history_is_newer(tmp_path: Path) -> None:
    settings = Settings(runs=tmp_path / "runs")
    place = settings.history_place()
    assert place == tmp_path / "runs" / "history.sqlite"
    with open_history(place):
        pass
    database = sqlite3.connect(place)
    database.execute("UPDATE alembic_version SET version_num = '99'")
    database.commit()
    database.close()
    with pytest.raises(NewerHistoryError):
        make_plan(settings, ())
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.is_dir()] == []


def test_no_history_is_kept_where_it_is_off(tmp_path: Path) -> None:
    settings = Settings(runs=tmp_path / "runs", history="off")
    make_plan(settings, ())
    assert settings.history_place() is None
    assert not list((tmp_path / "runs").glob("history*"))
