"""The doctor looks at every component and says what to do about what is missing; setup says nothing is."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from harness.provide import doctor
from harness.provide.doctor import examine, render
from harness.provide.setup import everything_is_here, run_setup


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where only this Python is."""
    for variable in ("PATH", "EARWITNESS_CACHE", "PLAYWRIGHT_BROWSERS_PATH"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.delenv("EARWITNESS_CHROMIUM", raising=False)


def shown(*, width: int = 200) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(render(examine()))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_after_set_up_nothing_that_is_needed_is_missing() -> None:
    assert [item.name for item in examine() if item.needed and not item.ok] == []
    assert everything_is_here()


def test_a_second_set_up_only_names_what_is_there() -> None:
    console = Console(file=StringIO(), width=200)
    run_setup(console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert all(word in text for word in ("media server", "Chromium", "livekit-client", "silero-vad"))


@pytest.mark.usefixtures("bare")
def test_each_missing_part_comes_with_what_to_do() -> None:
    items = {item.name: item for item in examine()}
    for name in ("livekit-server", "Chromium", "livekit-client", "VAD model", "neural voice"):
        assert not items[name].ok
        assert "earwitness setup" in items[name].advice
    assert not items["Go"].ok
    assert not items["Go"].needed
    assert not everything_is_here()


def test_a_missing_extra_is_shown_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", {"live": ("no-such-package",)})
    assert "pip install 'earwitness[live]' (missing: no-such-package)" in shown()


def test_a_cache_that_cannot_be_made_is_a_line_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path / "file" / "cache"))
    items = {item.name: item for item in examine()}
    assert not items["cache"].ok
    assert "EARWITNESS_CACHE" in items["cache"].advice
