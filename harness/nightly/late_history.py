"""A run of the night that the history could not take when it was finished (it was locked): taken in when the night goes on."""

from __future__ import annotations

from pathlib import Path

from harness.errors import HistoryError
from harness.settings import Settings


def how_to_take_in(problem: str, run_dir: Path) -> str:
    """One line: what is wrong, and what to do."""
    return f"{problem}; all of it is in the folder: `earwitness history add {run_dir}`"


def take_in(settings: Settings, run_dir: Path) -> str:
    """ "" if the history has it now, else why not. Raises UsageError for a run that cannot be read."""
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
