"""Agents and pages that another package provides by entry point (see `harness.model.extension`)."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from harness.errors import UsageError


def names(group: str) -> list[str]:
    return sorted({point.name for point in entry_points(group=group)})


def of(group: str, name: str) -> EntryPoint | None:
    return next(iter(entry_points(group=group, name=name)), None)


def made(group: str, name: str, method: str) -> Any:
    """The object called `name`, which must have `method`. Raises UsageError."""
    point = of(group, name)
    if point is None:
        raise UsageError(f"{name!r}: no package that is installed has an entry point of this name in {group}")
    where = f"entry point {name} of {group} ({point.value})"
    try:
        found = point.load()
        extension = found if hasattr(found, method) and not isinstance(found, type) else found()
    except Exception as error:  # somebody else's code: whatever it raises becomes one line
        raise UsageError(f"{where} failed: {type(error).__name__}: {error}") from error
    if not hasattr(extension, method):
        raise UsageError(f"{where}: what it gives has no {method}")
    return extension


def version_of(group: str, name: str) -> dict[str, str]:
    """The providing package's version, for the manifest."""
    point = of(group, name)
    return {} if point is None or point.dist is None else {f"agent.{point.dist.name}": point.dist.version}
