"""A fault of ours: one sentence goes into the report, the traceback into a file of the run's folder.

The fault costs one attempt or one picture, and nothing else that was recorded or judged.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

log = logging.getLogger(__name__)

FAULTS = Path("logs") / "faults.log"


def note_fault(run_dir: Path, doing: str, error: BaseException) -> str:
    """The sentence for the report; `doing`: what was being done ("measuring R-c-a1"). Raises nothing."""
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
    """One line for a run that the machine ended: a full disk, a missing folder, a port that is taken."""
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"the run was broken off: {where}{error.strerror or in_words(error)}; what was recorded is kept"


def in_words(error: BaseException) -> str:
    """One line: the error's kind and its message, or where it was raised if it has none."""
    said = " ".join(str(error).split())
    if said:
        return f"{type(error).__name__}: {said}"
    # after a timeout our own last line says more than asyncio's
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _library(frame.filename)]
    where = f" in {frames[-1].name} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return type(error).__name__ + where


def _library(filename: str) -> bool:
    return "site-packages" in filename or "asyncio" in Path(filename).parts
