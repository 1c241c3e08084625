"""Add a run of the night that a locked history could not take when the run finished: done when the night goes on."""

from __future__ import annotations

from pathlib import Path

from harness.errors import HistoryError
from harness.settings import Settings


def how_to_take_in(problem: str, run_dir: Path) -> str:
    """One line: the problem, and what to do."""
    return f"{problem}; all of it is in the folder: `earwitness history add {run_dir}`"


def take_in(settings: Settings, run_dir: Path) -> str:
    """ "" if the history has the run now, else why not. Raises UsageError for an unreadable run."""
    place = settings.history_place()
    if place is None:
        return ""
    from harness.history.database import open_history  # SQLAlchemy loads only where a history is kept
    from harness.history.ingest import ingest_run

    try:
        with open_history(place) as history:
            ingest_run(history, run_dir, machine=settings.machine_class)
    except HistoryError as error:
        return how_to_take_in(str(error), run_dir)
    return ""
