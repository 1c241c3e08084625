"""Two commits that a manifest may name: Earwitness's own, where it runs from a checkout, and that of the user's repository.

A run belongs to the repository of its case file, of the working folder's `earwitness.toml`, or of the folder in which the
agent's command is started. A file that git ignores (an environment inside the repository) does not count.
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from harness.options.places import CONFIG_FILE, shipped_cases

OURS = "earwitness.commit"
THEIRS = "commit"
GIT_TIMEOUT_S = 5.0


def commits(case: Path, *, command: bool) -> dict[str, str]:
    """`command`: the agent is a command. An unknown commit is left out; "-dirty" marks uncommitted changes."""
    code = Path(__file__).resolve().parents[1] / "__init__.py"
    ours = _describe(_top(code)) if _tracked(code) else None
    here = Path.cwd()
    signs = [case.resolve(), here / CONFIG_FILE, *([here] if command else [])]
    if ours is None:  # installed, perhaps into an environment inside the repository
        signs = [sign for sign in signs if not sign.is_relative_to(shipped_cases())]
    theirs = next((_describe(_top(sign)) for sign in signs if sign.exists() and _belongs(sign)), None)
    return {name: found for name, found in ((OURS, ours), (THEIRS, theirs)) if found is not None}


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _top(path: Path) -> str | None:
    return _git(_folder(path), "rev-parse", "--show-toplevel")


def _tracked(path: Path) -> bool:
    return _git(path.parent, "ls-files", "--error-unmatch", str(path)) is not None


def _belongs(path: Path) -> bool:
    """Whether `path` is in a repository and not ignored."""
    return _top(path) is not None and _git(_folder(path), "check-ignore", str(path)) is None


@cache  # a run keeps the commit that it began with; --dirty reads every file, maybe beside a call
def _describe(top: str | None) -> str | None:
    return _git(Path(top), "describe", "--always", "--dirty", "--abbrev=12") if top is not None else None


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None if it fails or is not installed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
