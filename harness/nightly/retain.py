"""Shrink captures: WAV to FLAC, checked sample by sample before the WAV goes; or only the numbers.

A 16-bit recording is kept to the bit, a float recording to 24 bits (0.00000006 of full scale); a recording beyond full
scale stays as it is. `retained.json` in the capture says what was done. A kill leaves a capture as it was, or finished: the
new file is complete before the old one goes, and files are marked before they go.
"""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from harness.errors import HistoryError
from harness.model.capture import RETAINED, write_atomic
from harness.model.riff import RiffError
from harness.model.wav_file import open_wav
from harness.nightly.folder import size_bytes
from harness.nightly.plan_file import Keep
from harness.nightly.retention import BULKY, RECORDINGS, Held, Level, Step, Survey, by_age, for_space, survey

GIB = 2**30
LAST_OF_24_BITS = 2.0**-23


@dataclass
class Done:
    """The result. `over_bytes`: how far the folder is still above its limit."""

    steps: list[Step] = field(default_factory=list)
    freed_bytes: int = 0
    total_bytes: int = 0
    over_bytes: int = 0
    kept_whole: int = 0
    problems: list[str] = field(default_factory=list)
    passed_by: tuple[str, ...] = ()

    def in_words(self, *, dry_run: bool = False) -> list[str]:
        """One line each."""
        flac = sum(step.to is Level.FLAC for step in self.steps)
        numbers = sum(step.to is Level.NUMBERS for step in self.steps)
        would = "would free about" if dry_run else "freed"
        lines = [
            f"disk: {flac} captures to FLAC, {numbers} to their numbers, {would} {self.freed_bytes / GIB:.2f} GiB; "
            f"{self.kept_whole} kept whole (failures, baselines); {self.total_bytes / GIB:.2f} GiB in all"
        ]
        if self.over_bytes > 0:
            lines.append(
                f"disk: still {self.over_bytes / GIB:.2f} GiB above the limit: what is left are failures, baselines and "
                "what was not recognised, which is never deleted; move runs elsewhere, or raise the limit"
            )
        return lines + [f"disk: {problem}" for problem in self.problems]


def retain(
    root: Path,
    keep: Keep,
    *,
    history: str | Path | None,
    own: Path | None = None,
    dry_run: bool = False,
    on_step: Callable[[Step], None] = lambda step: None,
) -> Done:
    """Shrink by age, then for the limit. Raises UsageError, HistoryError (the baselines' runs are not known), OSError."""
    now = datetime.datetime.now(datetime.UTC)
    found = survey(root, baselines=baseline_runs(history), own=own, now=now)
    done = Done(passed_by=found.passed_by, kept_whole=sum(bool(h.kept_because) for h in found.held))
    done.total_bytes = size_bytes(root)
    for step in by_age(found.held, keep, now):
        _do(step, done, dry_run, on_step)
    _keep_the_limit(found, keep, done, dry_run, on_step, root)
    return done


def _keep_the_limit(
    found: Survey, keep: Keep, done: Done, dry_run: bool, on_step: Callable[[Step], None], root: Path
) -> None:
    if keep.disk_limit_gb is None:
        return
    limit = round(keep.disk_limit_gb * 1e9)
    levels = {step.held.folder: step.to for step in done.steps}
    gone = {folder for folder, level in levels.items() if level is Level.NUMBERS}
    for step in for_space(found.held, gone):
        if done.total_bytes <= limit:
            break
        if levels.get(step.held.folder, step.held.level) < step.to:
            _do(step, done, dry_run, on_step)
    if not dry_run:
        done.total_bytes = size_bytes(root)
    done.over_bytes = max(0, done.total_bytes - limit)


def _do(step: Step, done: Done, dry_run: bool, on_step: Callable[[Step], None]) -> None:
    try:
        freed = step.saves_bytes if dry_run else make_less(step.held, step.to)
    except (OSError, soundfile.LibsndfileError) as error:
        done.problems.append(f"{step.held.folder}: {error}")
        return
    done.steps.append(step)
    done.freed_bytes += freed
    done.total_bytes -= freed
    on_step(step)


def make_less(held: Held, to: Level) -> int:
    """Return the bytes freed. Raises OSError, soundfile.LibsndfileError."""
    before = size_bytes(held.folder)
    if to is Level.FLAC:
        packed = {name: pack(held.folder / name) for name in RECORDINGS if _is_ours(held.folder / name)}
        _mark(held.folder, "flac", packed)
    else:
        names = [*RECORDINGS, *(f"{Path(name).stem}.flac" for name in RECORDINGS), *BULKY]
        there = [name for name in names if _is_ours(held.folder / name)]
        _mark(held.folder, "numbers", dict.fromkeys(there, "deleted"))
        for name in there:
            (held.folder / name).unlink(missing_ok=True)
    return before - size_bytes(held.folder)


def pack(wav: Path) -> str:
    """Make FLAC of `wav`, and say how exact it is. Raises OSError, soundfile.LibsndfileError."""
    try:
        if notes := open_wav(wav).notes:
            return f"kept as it is: {notes[0]}"
    except RiffError as error:
        return f"kept as it is: {error}"
    samples, rate_hz = soundfile.read(wav, dtype="float64", always_2d=True)
    if len(samples) == 0 or float(np.abs(samples).max()) > 1 - LAST_OF_24_BITS:
        return "kept as it is: FLAC holds nothing at or beyond full scale" if len(samples) else "kept as it is: empty"
    whole = bool(np.all(np.round(samples * 2**15) == samples * 2**15))
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format="FLAC", subtype="PCM_16" if whole else "PCM_24")
    data = buffer.getvalue()
    again, _ = soundfile.read(io.BytesIO(data), dtype="float64", always_2d=True)
    most = 0.0 if whole else LAST_OF_24_BITS
    if again.shape != samples.shape or float(np.abs(again - samples).max()) > most:
        return "kept as it is: it did not come back the same"
    write_atomic(wav.with_suffix(".flac"), data)
    wav.unlink()
    return "16 bits, to the bit" if whole else "24 bits"


def _is_ours(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _mark(folder: Path, level: str, files: dict[str, str]) -> None:
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    write_atomic(folder / RETAINED, json.dumps({"level": level, "at": at, "files": files}, indent=1).encode())


def baseline_runs(history: str | Path | None) -> set[str]:
    """Run ids of every version of all baselines. Raises HistoryError if they cannot be read."""
    if history is None or ("://" not in str(history) and not Path(history).is_file()):
        return set()
    from sqlalchemy import select  # loads only where a history is kept

    from harness.history.database import open_history
    from harness.history.tables import Baseline

    try:
        with open_history(history) as opened, opened.reading() as session:
            return {str(run) for runs in session.scalars(select(Baseline.runs)) for run in runs}
    except HistoryError as error:
        raise HistoryError(f"{error}; without it the baselines are not known, so nothing is given back") from error
