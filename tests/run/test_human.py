"""`earwitness setup --human`: the suite in the cache, where `--suite` finds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from harness.commands.main import app
from harness.errors import UsageError
from harness.run.human import case_folders, set_up_human
from tests.listen.captures import speech


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one caller, and a cache of its own."""
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "own" / "callers").mkdir(parents=True)
    soundfile.write(tmp_path / "own" / "callers" / "hello.wav", np.pad(speech(900, 1), 4_800), 48_000)
    return tmp_path / "own"


def test_the_suite_is_found_where_it_is_named_and_nowhere_else(own: Path, tmp_path: Path) -> None:
    said = set_up_human(own, lambda text: None)
    assert said.startswith("1 callers of one breath (suite human), 0 with pauses")
    cases = tmp_path / "cases"
    assert case_folders(cases, "fast") == [cases]
    assert case_folders(cases, "all") == [cases]
    assert case_folders(cases, "human") == [cases, tmp_path / "cache" / "human-suite" / "cases"]


def test_a_folder_is_read_anew_each_time(own: Path, tmp_path: Path) -> None:
    set_up_human(own, lambda text: None)
    (own / "callers" / "hello.wav").rename(own / "callers" / "good_day.wav")
    set_up_human(own, lambda text: None)
    names = sorted(p.name for p in (tmp_path / "cache" / "human-suite" / "cases").glob("*.yaml"))
    assert names == ["human_own_good_day.yaml"]


def test_a_folder_that_cannot_be_used_leaves_the_suite_that_is_there(own: Path, tmp_path: Path) -> None:
    set_up_human(own, lambda text: None)
    (own / "callers" / "hello.wav").unlink()
    with pytest.raises(UsageError, match="there is no recording in it"):
        set_up_human(own, lambda text: None)
    assert len(list((tmp_path / "cache" / "human-suite" / "cases").glob("*.yaml"))) == 1
    with pytest.raises(UsageError, match="is no folder"):
        set_up_human(own / "nowhere", lambda text: None)


def test_the_suite_that_is_not_there_says_how_to_get_it(own: Path) -> None:
    with pytest.raises(UsageError, match="run `earwitness setup --human`"):
        case_folders(own, "human")


def test_the_cases_command_lists_the_suite(own: Path) -> None:
    set_up_human(own, lambda text: None)
    done = CliRunner().invoke(app, ["cases", "--suite", "human"])
    assert done.exit_code == 0, done.output
    assert "1 cases" in done.output
