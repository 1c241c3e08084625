"""A fault of ours: one sentence for the report, and the traceback in a file of the run's folder.

It costs what it befell (one attempt, one picture) and nothing that was recorded or judged beside it.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

log = logging.getLogger(__name__)

FAULTS = Path("logs") / "faults.log"


def note_fault(run_dir: Path, doing: str, error: BaseException) -> str:
    """What is to be said of it; `doing`: what was being done ("measuring R-c-a1"). Raises nothing."""
    said = f"a fault of Earwitness while {doing}: {in_words(error)}"
    try:
        (run_dir / FAULTS).parent.mkdir(parents=True, exist_ok=True)
        with (run_dir / FAULTS).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{said}\n{''.join(traceback.format_exception(error))}\n")
    except OSError as unwritten:
        log.error("%s", said, exc_info=error)
        return f"{said} ({FAULTS} cannot be written: {unwritten.strerror or unwritten}; the traceback is in the log)"
    return f"{said} (traceback: {FAULTS})"


def broken_off(error: OSError) -> str:
    """A run that the machine did not let go on: a full disk, a folder that is gone, a port that is taken."""
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"the run was broken off: {where}{error.strerror or in_words(error)}; what was recorded is kept"


def in_words(error: BaseException) -> str:
    """One line: its kind, and what it says; where it comes from, if it says nothing."""
    said = " ".join(str(error).split())
    if said:
        return f"{type(error).__name__}: {said}"
    # of a wait that lasted too long, the last line of our own says more than asyncio's
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _library(frame.filename)]
    where = f" in {frames[-1].name} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return type(error).__name__ + where


def _library(filename: str) -> bool:
    return "site-packages" in filename or "asyncio" in Path(filename).parts
