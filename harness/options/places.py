"""Where a user's things and ours lie: names of what the working folder may have, and the cases that ship."""

from __future__ import annotations

from pathlib import Path

CONFIG_FILE = "earwitness.toml"
HISTORY_FILE = "history.sqlite"
OWN_CASES = Path("cases")  # of the working folder


def shipped_cases() -> Path:
    """Where the cases that ship lie: in the package `earwitness` of the wheel, at the top of a checkout."""
    root = Path(__file__).parents[2]
    packed = root / "earwitness" / "cases"
    return packed if packed.is_dir() else root / "cases"


def default_cases() -> Path:
    """`cases` of the working folder, where there is none those that ship: a user works in a folder of his own."""
    return OWN_CASES if OWN_CASES.exists() else shipped_cases()
