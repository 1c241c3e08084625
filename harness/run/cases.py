"""The cases of a run: loaded and checked, chosen by suite, tag or name, built with their speech."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from harness.errors import CaseError, UsageError
from harness.judge.gates import check_overrides
from harness.model.case import EVERY_CASE, Case
from harness.model.limits import SHIPPED, Limits
from harness.model.plan import BuiltCase
from harness.speech.build import build_case
from harness.speech.case_file import load_cases
from harness.speech.voices import Voices


def load_checked_cases(paths: Sequence[Path], limits: Limits = SHIPPED) -> list[tuple[Path, Case]]:
    """All cases under `paths`, each checked against the gate table and the run's limits too. Raises CaseError, UsageError."""
    loaded: list[tuple[Path, Case]] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder of cases; --cases names one")
        loaded += load_cases(path)
    for path, case in loaded:
        problems = check_overrides(case, limits)
        if problems:
            raise CaseError(path, None, "; ".join(problems))
    return loaded


def select_cases(
    cases: Sequence[tuple[Path, Case]], suite: str, names: Sequence[str], tags: Collection[str] = ()
) -> list[tuple[Path, Case]]:
    """The cases of `suite` that have any of `tags`, by tier and name, or the cases in `names`.

    Raises UsageError.
    """
    if names:
        by_id = {case.id: (path, case) for path, case in cases}
        unknown = [name for name in names if name not in by_id]
        if unknown:
            raise UsageError(f"unknown case {', '.join(unknown)}; `earwitness cases` lists them")
        return [by_id[name] for name in names]
    chosen = [(p, c) for p, c in cases if suite == EVERY_CASE or suite in c.suite]
    if not chosen:
        known = ", ".join(sorted({name for _, case in cases for name in case.suite})) or "none"
        raise UsageError(f"no case belongs to the suite {suite!r}; suites of these cases: {known}, and {EVERY_CASE}")
    tagged = [(p, c) for p, c in chosen if not tags or set(tags) & set(c.tags)]
    if not tagged:
        known = ", ".join(sorted({tag for _, case in chosen for tag in case.tags})) or "none"
        raise UsageError(f"no case of the suite {suite!r} has the tag {' or '.join(tags)}; tags there: {known}")
    return sorted(tagged, key=lambda item: (item[1].tier, item[1].id))


def build_cases(cases: Sequence[tuple[Path, Case]], cache: Path) -> tuple[BuiltCase, ...]:
    """The cases with their speech. Raises CaseError, HarnessError."""
    with Voices() as voices:
        return tuple(build_case(case, path, cache, voices) for path, case in cases)
