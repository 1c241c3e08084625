"""What hides a package of ours: another package or module of that name, not a plain folder; and what the plugin does then."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from earwitness.names import OURS, HiddenError, check_ours, hidden
from harness.errors import UsageError
from harness.plugin.hooks import must_run_apart


@pytest.fixture
def first_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of somebody's; `reports` is not imported yet."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "reports", raising=False)
    return tmp_path


def test_here_nothing_hides_ours() -> None:
    assert [hidden(name) for name in OURS] == [None] * len(OURS)
    assert not must_run_apart(may=True)


def test_a_plain_folder_of_that_name_hides_nothing(first_on_the_path: Path) -> None:
    (first_on_the_path / "reports").mkdir()
    (first_on_the_path / "reports" / "2026.csv").write_text("")
    assert hidden("reports") is None


@pytest.mark.parametrize("file", ["reports.py", "reports/__init__.py"])
def test_a_module_or_package_of_that_name_is_found_without_being_imported(first_on_the_path: Path, file: str) -> None:
    (first_on_the_path / file).parent.mkdir(exist_ok=True)
    (first_on_the_path / file).write_text("raise SystemExit('imported')")
    assert hidden("reports") == first_on_the_path / file
    assert must_run_apart(may=True)
    with pytest.raises(UsageError, match=r"hides Earwitness.s own of that name\. Run without -n"):
        must_run_apart(may=False)


def test_what_is_imported_already_counts_though_the_path_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reports", sys.modules["json"])
    with pytest.raises(HiddenError, match="advice of the caller") as raised:
        check_ours("reports", advice="advice of the caller")
    assert not raised.value.of_children


def test_where_pythonpath_hides_it_from_children_a_process_apart_would_not_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reports.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", f"/nowhere:{tmp_path}")
    with pytest.raises(UsageError, match="PYTHONPATH puts it first"):
        must_run_apart(may=True)
