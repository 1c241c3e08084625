"""The suites of people's voices: made by `earwitness setup --human` in the cache, found where `--suite` names one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import UsageError
from harness.provide.cache import cache_dir, install
from harness.speech.human_suite import CASES, ONE_BREATH, WITH_PAUSES, Written, write_from_folder, write_from_prompts

SOURCE = "source.txt"  # what the suite was made from
DEBIAN = "Debian's recordings, version 1"  # must change whenever the same recordings give other cases
SUITES = (ONE_BREATH, WITH_PAUSES)


def _place() -> Path:
    from runtime.engines.recordings import HUMAN_FOLDER  # the agent finds its voices there too

    return cache_dir() / HUMAN_FOLDER


def set_up_human(folder: Path | None, progress: Callable[[str], None]) -> str:
    """Makes the suite from `folder`, or from Debian's recordings. What there is, in words.

    Raises ProvisionError, UsageError, CaseError.
    """
    if folder is not None and not folder.is_dir():
        raise UsageError(f"--human-folder {folder}: is no folder")
    place = _place()
    if folder is None and _source(place) == DEBIAN:
        return DEBIAN
    recordings = folder
    if recordings is None:
        from harness.provide.human_recordings import ensure_human_recordings

        recordings = ensure_human_recordings(progress)
    said = ""

    def build(work: Path) -> None:
        nonlocal said
        progress("making cases of the recordings")
        written = write_from_prompts(recordings, work) if folder is None else write_from_folder(folder, work)
        said = _in_words(written)
        (work / SOURCE).write_text(DEBIAN if folder is None else str(folder.resolve()), encoding="utf-8")

    install(place.name, build, anew=True)
    return said


def _source(place: Path) -> str:
    try:
        return (place / SOURCE).read_text(encoding="utf-8")
    except OSError:
        return ""


def _in_words(written: Written) -> str:
    return (
        f"{written.one_breath} callers of one breath (suite {ONE_BREATH}), {written.with_pauses} with pauses (suite "
        f"{WITH_PAUSES}), {written.replies} replies for an agent"
    )


def case_folders(cases: Path, suite: str) -> list[Path]:
    """Where the cases of `suite` are: beside `cases` the cache, for people's voices. Raises UsageError if they are not there."""
    if suite not in SUITES:
        return [cases]
    found = _place() / CASES
    if not found.is_dir():
        raise UsageError(f"--suite {suite}: no recordings of people are here; run `earwitness setup --human`")
    return [cases, found]
