"""Which recordings may go, and in which order. Pure but for looking into the folder of runs.

Kept whole: calls of a case that did not pass in all its attempts, runs of a baseline (of the history, or `baseline: true` in a
night's plan), unfinished runs. Other recordings become FLAC; later only their numbers are kept. Folders that are not
recognised (no summary, no manifest, another schema, a link) are not touched.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.judge.verdict import PASSING
from harness.model import capture
from harness.model.capture import CAPTURE_SCHEMA_VERSION
from harness.model.inside import OutsideError, inside
from harness.nightly.folder import NIGHT, is_locked
from harness.nightly.plan_file import Keep

SUMMARY = "summary.json"
#: Where runs of `run`, of a night's parts and of a sweep's values lie.
PLACES = (f"*/{SUMMARY}", f"*/parts/*/*/{SUMMARY}", f"sweep-*/*/*/{SUMMARY}")
RECORDINGS = (
    capture.PRE_RTC, capture.POST_RTC, *capture.TRACKS, capture.POST_USER, capture.EAR, capture.MIC, capture.SAID,
)  # fmt: skip
#: Files that go with the recordings when only the numbers are kept.
BULKY = (
    capture.EAR_WEBM, capture.ARRIVALS, capture.EAR_CLOCK, capture.EAR_RECEIVED, capture.SCREENSHOT, capture.LINK_LOG,
)  # fmt: skip
FLAC_SHARE = 0.15  # estimated share of the WAV's size; 0.10 to 0.12 were measured
SETTLED_S = 600.0  # a run with a younger summary may still draw its report


class Level(IntEnum):
    """How much of a capture is there."""

    WHOLE = 0
    FLAC = 1
    NUMBERS = 2


@dataclass(frozen=True)
class Held:
    """A capture and what is kept of it. `kept_because`: "" if it may shrink."""

    folder: Path
    at: datetime.datetime
    level: Level
    wav_bytes: int
    flac_bytes: int
    bulky_bytes: int
    kept_because: str = ""


@dataclass(frozen=True)
class Step:
    """One capture to shrink. `why`: age, or the disk limit."""

    held: Held
    to: Level
    why: str

    @property
    def saves_bytes(self) -> int:
        """Bytes saved; estimated for FLAC."""
        held = self.held
        if self.to is Level.FLAC:
            return round(held.wav_bytes * (1 - FLAC_SHARE))
        return held.wav_bytes + held.flac_bytes + held.bulky_bytes


@dataclass(frozen=True)
class Survey:
    """All recognised captures, and the folders passed by, with the reason."""

    held: tuple[Held, ...]
    passed_by: tuple[str, ...]


def by_age(held: Sequence[Held], keep: Keep, now: datetime.datetime) -> list[Step]:
    """The steps that the policy's ages demand, oldest first."""
    steps = []
    for item in sorted(held, key=lambda h: h.at):
        if item.kept_because:
            continue
        days = (now - item.at).total_seconds() / 86_400
        if keep.numbers_after_days is not None and days >= keep.numbers_after_days and item.level < Level.NUMBERS:
            steps.append(Step(item, Level.NUMBERS, f"older than {keep.numbers_after_days:g} days"))
        elif keep.flac_after_days is not None and days >= keep.flac_after_days and item.level < Level.FLAC:
            steps.append(Step(item, Level.FLAC, "passed"))
    return steps


def for_space(held: Sequence[Held], done: Collection[Path]) -> Iterator[Step]:
    """Steps to meet the disk limit, in order: all remaining captures to FLAC, then to numbers, oldest first."""
    rest = sorted((h for h in held if not h.kept_because and h.folder not in done), key=lambda h: h.at)
    yield from (Step(h, Level.FLAC, "disk limit") for h in rest if h.level < Level.FLAC)
    yield from (Step(h, Level.NUMBERS, "disk limit") for h in rest if h.level < Level.NUMBERS)


# looking


def survey(
    root: Path, *, baselines: Collection[str] = (), own: Path | None = None, now: datetime.datetime | None = None
) -> Survey:
    """All captures under `root`. `baselines`: ids of runs; `own`: a night that is ours, though it is locked.

    Raises UsageError if `root` is no folder.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; give the folder of runs")
    held: list[Held] = []
    passed_by: list[str] = []
    for path in sorted({path for pattern in PLACES for path in root.glob(pattern)}):
        why_not = _busy(path, root, own, now or datetime.datetime.now(datetime.UTC))
        found = why_not or _captures_of(path.parent, baselines, passed_by)
        if isinstance(found, str):
            passed_by.append(f"{path.parent}: {found}")
        else:
            held += found
    for path in sorted(root.glob(f"*/{NIGHT}")):
        if not _busy(path, root, own, now or datetime.datetime.now(datetime.UTC)):
            held += _of_steps(path.parent, passed_by)
    return Survey(tuple(held), tuple(passed_by))


def _of_steps(night: Path, passed_by: list[str]) -> Iterator[Held]:
    """Calls of a night's proof and calibration. Calls of a passed step may shrink: its record has the numbers."""
    record = _json(night / NIGHT) or {}
    passed = {part.get("id") for part in _parts(record.get("result")) if part.get("status") in PASSING}
    for part in _parts(record):
        if part.get("kind") == "cases":
            continue
        kept_because = "" if part.get("id") in passed else f"{part.get('id')} did not pass"
        try:
            folder = _really_inside(night, part.get("folder"))
        except OutsideError as error:
            passed_by.append(f"{night}: {error}")
            continue
        for manifest in sorted(folder.glob(f"**/captures/*/{capture.MANIFEST}")):
            found = _held(manifest.parent, manifest.parent.name, kept_because, measured=False)
            if isinstance(found, Held):
                yield found


def _busy(path: Path, root: Path, own: Path | None, now: datetime.datetime) -> str:
    night = root / path.relative_to(root).parts[0]
    ours = own is not None and night.resolve() == own.resolve()
    if path.is_symlink() or any(parent.is_symlink() for parent in path.parents if root in parent.parents):
        return "is a link"
    if ours:
        return ""
    if is_locked(night):
        return "a night that is being played"
    age_s = now.timestamp() - path.stat().st_mtime
    return "was finished only just now" if age_s < SETTLED_S else ""


def _captures_of(run_dir: Path, baselines: Collection[str], passed_by: list[str]) -> list[Held] | str:
    record = _json(run_dir / SUMMARY)
    if record is None or not isinstance(record.get("cases"), list) or not isinstance(record.get("run_id"), str):
        return f"{SUMMARY} cannot be read"
    if record.get("complete") is not True:
        return "is not finished"
    whole = "baseline" if record["run_id"] in baselines or record["run_id"] in _baselines_of_night(run_dir) else ""
    held = []
    try:
        for case in record["cases"]:
            failed = "" if case["status"] in PASSING else f"{case['case_id']} {case['status']}"
            for attempt in case["attempts"]:
                own = "" if attempt["status"] in PASSING else f"attempt {attempt['status']}"
                try:
                    folder = _really_inside(run_dir, attempt["folder"])
                except OutsideError as error:
                    passed_by.append(f"{run_dir}: {error}")
                    continue
                found = _held(folder, attempt["trace_id"], failed or own or whole)
                if isinstance(found, str):
                    passed_by.append(f"{folder}: {found}")
                else:
                    held.append(found)
    except (KeyError, TypeError) as error:
        return f"{SUMMARY} is of another schema ({error})"
    return held


def _baselines_of_night(run_dir: Path) -> set[str]:
    night = _json(run_dir.parents[2] / NIGHT) if len(run_dir.parents) > 2 else None
    return {str(part.get("run_id")) for part in _parts(night) if part.get("baseline")}


def _parts(record: object) -> list[dict[str, Any]]:
    """The parts of a night or its result; none from another schema."""
    parts = record.get("parts") if isinstance(record, dict) else None
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _really_inside(folder: Path, record: object) -> Path:
    """Check with links followed, for the files may be deleted. Raises OutsideError."""
    found = inside(folder, record)
    if not found.resolve().is_relative_to(folder.resolve()):
        raise OutsideError(f"{record!r} leads out of its folder by a link")
    return found


def _held(folder: Path, trace_id: str, kept_because: str, *, measured: bool = True) -> Held | str:
    manifest = _json(folder / capture.MANIFEST)
    if folder.is_symlink() or manifest is None:
        return "no capture"
    if manifest.get("schema_version") != CAPTURE_SCHEMA_VERSION or manifest.get("trace_id") != trace_id:
        return "a capture of another schema, or of another attempt"
    if measured and not (folder / capture.MEASUREMENT).is_file():
        return "was not measured"
    try:
        at = datetime.datetime.fromisoformat(str(manifest.get("started_at")))
    except ValueError:
        return "its manifest has no time"
    wav = sum(_size(folder / name) for name in RECORDINGS)
    flac = sum(_size((folder / name).with_suffix(".flac")) for name in RECORDINGS)
    bulky = sum(_size(folder / name) for name in BULKY)
    level = Level.WHOLE if wav else Level.FLAC if flac else Level.NUMBERS if not bulky else Level.FLAC
    at = at if at.tzinfo is not None else at.replace(tzinfo=datetime.UTC)
    return Held(folder, at, _recorded_level(folder, level), wav, flac, bulky, kept_because)


def _recorded_level(folder: Path, found: Level) -> Level:
    """A recording that FLAC cannot hold stays a WAV; the mark says that it was tried."""
    mark = _json(folder / capture.RETAINED)
    return Level.FLAC if mark is not None and mark.get("level") == "flac" and found is Level.WHOLE else found


def _size(path: Path) -> int:
    try:
        return 0 if path.is_symlink() else path.stat().st_size
    except OSError:
        return 0


def _json(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
