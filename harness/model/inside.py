"""Names and paths read from files: a path from another machine must not lead out of the folder it is joined to.

`Inner` is a relative path within a folder, `OneName` one part of such a path; both are checked when a model is read.
`inside` joins what comes from plain JSON. They check text only; code that deletes checks for links too.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator


class OutsideError(ValueError):
    """A path leads out of its folder."""


def _inner(told: str) -> str:
    path = PurePosixPath(told)
    if path.is_absolute() or ".." in path.parts or "\\" in told or "\0" in told:
        raise OutsideError(f"{told!r} leads out of its folder")
    return told


def _one_name(told: str) -> str:
    if "/" in told or told in (".", ".."):
        raise OutsideError(f"{told!r} is no name of one folder")
    return _inner(told)


def inside(folder: Path, told: object) -> Path:
    """`told` within `folder`. Raises OutsideError for a path that leads out, is none, or is `folder` itself."""
    if not isinstance(told, str) or not PurePosixPath(told).parts:
        raise OutsideError(f"{told!r} is no path")
    return folder / _inner(told)


Inner = Annotated[str, AfterValidator(_inner)]
OneName = Annotated[str, AfterValidator(_one_name)]
