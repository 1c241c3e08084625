"""The ears' version: what the listening code does, whichever file it stands in and whatever is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import code_hash
from harness.code_hash import FORMER_EARS, ears_hash, listening_files, same_ears
from harness.history.environment import differences

LEVEL = "import math\n\n\ndef level_db(rms: float) -> float:\n    return 20 * math.log10(rms)\n"
HOLE = "HOLE_MS = 40.0\n"


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The version of ears made of these files."""
    monkeypatch.setattr(code_hash, "listening_files", list)
    made = iter(range(100))

    def of(**files: str) -> str:
        folder = tmp_path / f"ears{next(made)}"
        for name, text in files.items():
            path = folder / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return ears_hash(*folder.rglob("*.py"))

    return of


def test_a_move_and_a_word_about_the_code_leave_the_version_as_it_is(version) -> None:
    before = version(level=LEVEL, hole=HOLE)
    assert version(metrics__level=LEVEL, place__gaps=HOLE) == before
    assert version(one=LEVEL + HOLE) == before
    said = LEVEL.replace("    return", '    """In dB."""\n    # of full scale\n    return')
    assert version(level='"""Levels."""\nfrom os import path\n\n__all__ = ["level_db"]\n' + said, hole=HOLE) == before


@pytest.mark.parametrize(
    "changed", [LEVEL.replace("20", "10"), LEVEL.replace("rms", "peak"), LEVEL + "HOLES = 1\n", ""]
)
def test_another_statement_is_another_version(version, changed: str) -> None:
    assert version(level=changed, hole=HOLE) != version(level=LEVEL, hole=HOLE)


def test_every_file_that_listens_counts_in_whichever_room() -> None:
    names = {path.name for path in listening_files()}
    assert {"measure.py", "align.py", "latency.py", "applied.py", "rtp.py"} <= names


def test_a_record_keeps_its_ears_under_their_former_name() -> None:
    then, now = next(iter(FORMER_EARS.items()))
    assert same_ears(then, now)
    assert differences({"ears": now}, {"ears": then}) == ([], [])
    assert not same_ears(then, "another")
    assert not same_ears(None, now)
