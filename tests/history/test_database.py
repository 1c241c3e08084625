"""The history's database: what a user relies on when several write, one is killed, or versions differ."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import delete, func, select

from harness.errors import HistoryError, HistoryLockedError, NewerHistoryError, UsageError
from harness.history.database import MIGRATIONS, open_history, schema_version
from harness.history.reading import read_run, turn_values
from harness.history.recording import AttemptInfo, RunInfo, record_attempt
from harness.history.tables import SCHEMA_VERSION, Attempt, Base, MetricRow
from harness.model.limits import SHIPPED
from tests.history import made

ROOT = Path(__file__).parents[2]
PROCESS_TIMEOUT_S = 120


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history, history.reading() as session:
        connection = session.connection()
        assert schema_version(connection) == SCHEMA_VERSION
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_schema_version_is_that_of_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == str(SCHEMA_VERSION)


def test_a_history_of_version_1_is_migrated_and_keeps_its_runs(tmp_path: Path) -> None:
    place = tmp_path / "h.sqlite"
    with open_history(place) as history:
        made.write_run(history, "r1", [450.0, 460.0])
    database = sqlite3.connect(place)
    for table in ("baseline_sample", "baseline_log", "baseline"):
        database.execute(f"DROP TABLE {table}")
    database.execute("ALTER TABLE run DROP COLUMN limits")
    database.execute("ALTER TABLE gate DROP COLUMN limit_note")
    database.execute("UPDATE alembic_version SET version_num = '1'")
    database.commit()
    database.close()
    with open_history(place) as history, history.reading() as session:
        assert schema_version(session.connection()) == SCHEMA_VERSION
        assert [v.value for v in turn_values(session, ["r1"], ["user_kpi_raw_ms"])] == [450.0, 460.0]
        assert read_run(session, "r1").limits == SHIPPED


def test_a_newer_schema_is_refused_with_both_versions_and_nothing_is_changed(tmp_path: Path) -> None:
    place = tmp_path / "h.sqlite"
    with open_history(place):
        pass
    database = sqlite3.connect(place)
    database.execute("UPDATE alembic_version SET version_num = '99'")
    database.commit()
    with pytest.raises(NewerHistoryError, match=rf"schema 99.* knows {SCHEMA_VERSION}; update earwitness"):
        with open_history(place):
            pass
    assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("99",)
    database.close()


def test_a_locked_database_is_named_and_nothing_of_the_attempt_is_written(tmp_path: Path) -> None:
    place = tmp_path / "h.sqlite"
    with open_history(place, busy_timeout_s=0.1) as history:
        made.write_run(history, "r1", [450.0])
        other = sqlite3.connect(place, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(HistoryLockedError, match=r"h\.sqlite: another program holds it .*history add"):
            made.write_run(history, "r2", [450.0])
        with history.reading() as session:  # reading goes on
            assert read_run(session, "r1").n_attempts == 1
        other.execute("ROLLBACK")
        other.close()
        with history.reading() as session, pytest.raises(UsageError, match="not in the history"):
            read_run(session, "r2")


def test_a_file_that_is_no_database_is_an_error_with_its_name(tmp_path: Path) -> None:
    place = tmp_path / "notes.txt"
    place.write_text("not a database, but long enough that one could take it for the header of one" * 20)
    with pytest.raises(HistoryError, match=r"notes\.txt: file is not a database"):
        with open_history(place):
            pass


@pytest.mark.parametrize("url", ["nothing://host/name", "postgresql+nothing://me:secret@host/name"])
def test_a_wrong_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(UsageError, match="--history") as told:
        with open_history(url):
            pass
    assert "secret" not in str(told.value)


WRITER = """
import sys
from harness.history.database import open_history
from harness.model.limits import SHIPPED
from tests.history import made
with open_history(sys.argv[1]) as history:
    for i in range(int(sys.argv[3])):
        made.write_run(history, f"{sys.argv[2]}{i:02}", [450.0 + i, 460.0 + i])
        print(i, flush=True)
"""


def writer(place: Path, name: str, runs: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(place), name, str(runs)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_that_write_at_once_lose_nothing_not_even_while_making_the_database(tmp_path: Path) -> None:
    place = tmp_path / "h.sqlite"
    writers = [writer(place, name, 6) for name in ("a", "b", "c")]
    for process in writers:
        _, errors = process.communicate(timeout=PROCESS_TIMEOUT_S)
        assert process.returncode == 0, errors
    with open_history(place) as history, history.reading() as session:
        assert session.scalar(select(func.count()).select_from(Attempt)) == 3 * 6 * 2
        for name in ("a", "b", "c"):
            assert read_run(session, f"{name}05").complete


def test_a_kill_in_the_middle_of_writing_loses_at_most_the_attempt_in_progress(tmp_path: Path) -> None:
    place = tmp_path / "h.sqlite"
    process = writer(place, "k", 100_000)
    assert process.stdout is not None
    finished = 0
    for line in process.stdout:
        finished = int(line) + 1
        if finished == 5:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PROCESS_TIMEOUT_S)
    with open_history(place) as history, history.reading() as session:
        for i in range(finished):
            run = read_run(session, f"k{i:02}")
            assert (run.n_attempts, run.complete) == (2, True)
        whole = session.scalar(select(func.count()).select_from(MetricRow).where(MetricRow.attempt_id == 1))
        counts = session.execute(select(func.count()).select_from(MetricRow).group_by(MetricRow.attempt_id)).scalars()
        assert set(counts) == {whole}  # what is there is there whole
        assert session.connection().exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    with open_history(place) as history:
        made.write_run(history, "after", [450.0])


HALF = """
import os, sys
from harness.history.database import open_history
from harness.history.recording import _attempt_row, AttemptInfo, record_attempt, RunInfo
from harness.model.limits import SHIPPED
from tests.history import made
with open_history(sys.argv[1]) as history:
    made.write_run(history, "whole", [450.0], finished=False)
    with history.writing() as session:
        session.add(_attempt_row("whole", AttemptInfo(made.verdict("whole", "half", 460.0), "half", "1"), "x"))
        session.flush()
        print("written, not committed", flush=True)
        os.kill(os.getpid(), 9)
"""


def test_an_attempt_that_was_half_written_when_its_process_was_killed_is_not_there(tmp_path: Path) -> None:
    place = tmp_path / "h.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", HALF, str(place)], cwd=ROOT, capture_output=True, text=True, timeout=PROCESS_TIMEOUT_S
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert "written" in done.stdout
    with open_history(place) as history, history.reading() as session:
        run = read_run(session, "whole")
        assert list(run.cases) == ["c00"]
        assert run.status is None  # it never ended


def test_nothing_of_a_failed_transaction_stays(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        made.write_run(history, "r1", [450.0])
        with contextlib.suppress(ZeroDivisionError), history.writing() as session:
            session.execute(delete(Attempt))
            _ = 1 / 0
        with history.reading() as session:
            assert read_run(session, "r1").n_attempts == 1


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HistoryError, match="cannot make its folder"):
        with open_history(tmp_path / "file" / "h.sqlite"):
            pass


def test_a_second_attempt_of_a_case_stands_beside_the_first(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        for attempt, kpi_ms in ((1, 450.0), (2, 470.0)):
            run = RunInfo(made.manifest("r", "c", attempt), "2026-01-01T00:00:00+00:00", "fast", None, None)
            record_attempt(history, run, AttemptInfo(made.verdict("r", "c", kpi_ms, attempt), "c", "1"))
        with history.reading() as session:
            assert [v.value for v in turn_values(session, ["r"], ["user_kpi_raw_ms"])] == [450.0, 470.0]
