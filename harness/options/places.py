"""Where files lie: names of what the working folder may hold, and the shipped cases."""

from __future__ import annotations

from pathlib import Path

CONFIG_FILE = "earwitness.toml"
HISTORY_FILE = "history.sqlite"
OWN_CASES = Path("cases")  # in the working folder


def shipped_cases() -> Path:
    """The folder of the shipped cases: in the wheel's package `earwitness`, at the top of a checkout."""
    root = Path(__file__).parents[2]
    packed = root / "earwitness" / "cases"
    return packed if packed.is_dir() else root / "cases"


def default_cases() -> Path:
    """`cases` of the working folder; the shipped cases if it has none."""
    return OWN_CASES if OWN_CASES.exists() else shipped_cases()
