"""Whose commit a manifest names: ours where we run from a checkout, the user's repository's only if the run belongs to it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.live import commits as module
from harness.live.commits import OURS, THEIRS, commits

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stranger's, with one commit and a case in it; the working folder."""
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "mine.yaml").write_text("id: mine\n")
    (tmp_path / ".gitignore").write_text("env/\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    monkeypatch.chdir(tmp_path)
    module._describe.cache_clear()
    return tmp_path


def head(folder: Path) -> str:
    command = ["git", "-C", str(folder), "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_case_of_a_repository_names_its_commit_beside_ours(repository: Path) -> None:
    found = commits(Path("cases/mine.yaml"), command=False)
    assert found[THEIRS] == head(repository)
    assert found[OURS].removesuffix("-dirty") == head(ROOT)


def test_a_file_that_was_changed_since_is_told(repository: Path) -> None:
    (repository / "cases" / "mine.yaml").write_text("id: other\n")
    assert commits(Path("cases/mine.yaml"), command=False)[THEIRS] == head(repository) + "-dirty"


def test_a_case_from_elsewhere_does_not_make_the_run_the_repositorys(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "case.yaml"
    elsewhere.write_text("id: case\n")
    ignored = repository / "env" / "case.yaml"
    ignored.parent.mkdir()
    ignored.write_text("id: case\n")
    for case in (elsewhere, ignored):
        assert THEIRS not in commits(case, command=False)
        assert commits(case, command=True)[THEIRS] == head(repository), "its agent is tried"
    (repository / "earwitness.toml").write_text("")
    assert THEIRS in commits(elsewhere, command=False), "its settings are tried"


def test_an_installed_earwitness_has_no_commit_and_its_cases_are_not_the_repositorys(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = repository / "venv" / "site-packages"  # which nothing ignores
    (installed / "harness" / "live").mkdir(parents=True)
    (installed / "earwitness" / "cases").mkdir(parents=True)
    case = installed / "earwitness" / "cases" / "question_short.yaml"
    case.write_text("id: question_short\n")
    monkeypatch.setattr(module, "__file__", str(installed / "harness" / "live" / "commits.py"))
    monkeypatch.setattr(module, "shipped_cases", lambda: case.parent)
    assert commits(case, command=False) == {}


def test_without_a_repository_nothing_of_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert THEIRS not in commits(tmp_path / "case.yaml", command=True)
