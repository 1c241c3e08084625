"""`earwitness run --network`: what is wrong with it is said before anything starts."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("both:\n  delay_ms: -1\n", ":2: both.delay_ms: must be greater than or equal to 0, not -1"),
        ("both:\n  loss_percent: 140\n", ":2: both.loss_percent: must be less than or equal to 100, not 140"),
        ("both:\n  delay: 5\n", ":2: unknown key 'both.delay'; did you mean 'delay_ms'?"),
    ],
)
def test_a_wrong_profile_names_file_and_line(earwitness: Run, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    done = earwitness("run", "--user", "bot", "--network", str(path))
    assert done.returncode == 2
    assert done.stderr == f"earwitness: {path}{says}\n"
    assert not (tmp_path / "runs").exists()


def test_an_unknown_profile_lists_those_there_are(earwitness: Run) -> None:
    done = earwitness("run", "--network", "4g")
    assert done.returncode == 2
    assert "--network 4g: no profile of this name; known: 4g_ok, bad_wifi, call_drop" in done.stderr


def test_a_link_without_a_network_has_nothing_to_apply(earwitness: Run) -> None:
    done = earwitness("run", "--link", "user")
    assert done.returncode == 2
    assert "--link user: needs a profile to apply" in done.stderr
