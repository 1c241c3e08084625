"""Open the history: SQLite in a file by default, any other database by its URL; one transaction a `writing` block.

SQLite is used in WAL mode, so that readers and one writer do not wait for each other. A writer takes its lock when its
transaction begins (BEGIN IMMEDIATE) and waits at most BUSY_TIMEOUT_S for it: no transaction fails half-way. A
database of an older schema is migrated when it is opened, in one transaction; one of a newer schema is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

from harness.errors import HistoryError, HistoryLockedError, NewerHistoryError, UsageError
from harness.history.tables import SCHEMA_VERSION

BUSY_TIMEOUT_S = 10.0
MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_TABLE = "alembic_version"
_WRITES = "earwitness_writes"


@dataclass(frozen=True)
class History:
    """An open history. `name` is its file or URL without a password, to be shown."""

    name: str
    busy_timeout_s: float
    _engine: Engine

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent view. Raises HistoryError."""
        with _explained(self), Session(self._engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: everything in the block, or nothing of it. Raises HistoryError."""
        with _explained(self), Session(self._engine.execution_options(**{_WRITES: True})) as session:
            with session.begin():
                yield session

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def open_history(where: str | Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Iterator[History]:
    """The history at `where` (a file or a URL), made or migrated if need be. Raises UsageError, HistoryError."""
    url = _url(where)
    name = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        name = str(url.database)
        try:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HistoryError(f"history {name}: cannot make its folder: {error.strerror}") from error
    history = History(name, busy_timeout_s, _engine(url, busy_timeout_s))
    try:
        _bring_up_to_date(history)
        yield history
    finally:
        history.close()


def _url(where: str | Path) -> URL:
    if isinstance(where, Path) or "://" not in where:
        return URL.create("sqlite", database=str(where))
    try:
        return make_url(where)
    except ArgumentError as error:
        raise UsageError(
            "--history: not a database URL; expected a file or DIALECT://USER:PASSWORD@HOST/NAME"
        ) from error


def _engine(url: URL, busy_timeout_s: float) -> Engine:
    sqlite = url.get_backend_name() == "sqlite"
    try:
        engine = create_engine(url, connect_args={"timeout": busy_timeout_s} if sqlite else {})
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        shown = url.render_as_string(hide_password=True)
        raise UsageError(
            f"--history {shown}: no driver for it ({error}); install the one that its URL names"
        ) from error
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """SQLAlchemy's own recipe: the driver begins no transaction by itself, so that ours are whole, DDL included."""
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA foreign_keys = ON")
        # in WAL mode a kill loses nothing committed; after a power cut the run folder still has what is missing
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA journal_mode")
        if cursor.fetchone()[0] != "wal":
            try:
                cursor.execute("PRAGMA journal_mode = WAL")
            except connection.OperationalError:  # another connection holds it: the next opening tries again
                cursor.fetchall()
    finally:
        cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _explained(history: History) -> Iterator[None]:
    """The database's errors, as one line of ours."""
    try:
        yield
    except OperationalError as error:
        said = str(error.orig)
        if "locked" in said or "busy" in said:
            raise HistoryLockedError(
                f"history {history.name}: another program holds it (waited {history.busy_timeout_s:g} s); end that "
                "program, then `earwitness history add RUN` takes in what is missing"
            ) from error
        raise HistoryError(f"history {history.name}: {said}") from error
    except DBAPIError as error:
        raise HistoryError(f"history {history.name}: {error.orig}") from error


def schema_version(connection: Connection) -> int:
    """0 for an empty database."""
    if not inspect(connection).has_table(_VERSION_TABLE):
        return 0
    found = connection.execute(text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar()
    return int(found) if found is not None else 0


def _bring_up_to_date(history: History) -> None:
    """Check without a lock first, so that opening a current history never waits for a writer."""
    with history.reading() as session:
        version = schema_version(session.connection())
    if version == SCHEMA_VERSION:
        return
    if version > SCHEMA_VERSION:
        raise NewerHistoryError(
            f"history {history.name}: has schema {version}, this version of earwitness knows {SCHEMA_VERSION}; "
            "update earwitness, or name another file with --history"
        )
    with history.writing() as session:
        connection = session.connection()
        if schema_version(connection) < SCHEMA_VERSION:  # unless another process has just done it
            _migrate(connection)


def _migrate(connection: Connection) -> None:
    from alembic import command  # loads only where there is something to migrate
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
