"""Our packages have everyday names: another package of that name must not run in their place, nor they in its place.

`hidden` looks at what is imported already, else along a search path; it imports nothing. Only a package with an `__init__.py`
or a module hides one; a plain folder of that name does not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

OURS = ("harness", "bots", "runtime", "reports")
ROOT = Path(__file__).resolve().parents[1]  # of the checkout, or site-packages
VARIABLE = "PYTHONPATH"


class HiddenError(Exception):
    """One line: which package lies where, and what to do. `of_children`: it hides ours from them too."""

    def __init__(self, line: str, *, of_children: bool) -> None:
        super().__init__(line)
        self.of_children = of_children


def hidden(name: str, path: Sequence[str] | None = None) -> Path | None:
    """Where the package lies that would run in place of ours. `path`: searched instead of sys.path."""
    known = sys.modules.get(name) if path is None else None
    spec = known.__spec__ if known is not None else PathFinder.find_spec(name, path)
    if spec is None or spec.origin is None or not spec.has_location:
        return None
    place = Path(spec.origin).resolve()
    return None if place == ROOT / name / "__init__.py" else place


def check_ours(*names: str, advice: str) -> None:
    """Raises HiddenError if another package stands in the place of one of ours, for this process or for its children.

    `advice`: what to do about it in this process.
    """
    for name in names:
        place = hidden(name, _of_children())
        if place is not None:
            line = f"{_told(name, place)} {VARIABLE} puts it first: leave its folder out of that variable"
            raise HiddenError(line, of_children=True)
        place = hidden(name)
        if place is not None:
            raise HiddenError(f"{_told(name, place)} {advice}", of_children=False)


def _of_children() -> list[str]:
    """The folders where a child looks for modules before ours: it is started with -P."""
    told = os.environ.get(VARIABLE, "")
    return [entry or os.curdir for entry in told.split(os.pathsep)] if told else []


def _told(name: str, place: Path) -> str:
    return f"the package {name!r} of {place.parent} hides Earwitness's own of that name."
