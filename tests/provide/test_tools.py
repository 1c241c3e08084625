"""The programs of a set-up: their failures are explained in one error."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from harness.errors import ProvisionError
from harness.provide import tools
from harness.provide.tools import install_wheel, run_tool


def test_a_program_that_fails_is_reported_with_the_end_of_its_output() -> None:
    with pytest.raises(ProvisionError, match=r"failed \(3\): disk full"):
        run_tool(["sh", "-c", "echo disk full >&2; exit 3"], timeout_s=10.0)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ProvisionError, match="no-such-program cannot be run"):
        run_tool(["no-such-program"], timeout_s=10.0)


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(ProvisionError, match=r"sleep 600 did not end within"):
        run_tool(["sleep", "600"], timeout_s=0.2)


def test_its_children_end_with_it_at_the_limit(tmp_path: Path) -> None:
    left = tmp_path / "left"
    with pytest.raises(ProvisionError, match="did not end within 1 s"):
        run_tool(["sh", "-c", f"sleep 600 & echo $! > {left}; wait"], timeout_s=1.0)
    psutil.wait_procs([child] if (child := process_of(left)) else [], timeout=5.0)
    assert process_of(left) is None


def process_of(left: Path) -> psutil.Process | None:
    try:
        child = psutil.Process(int(left.read_text()))
        return None if child.status() == psutil.STATUS_ZOMBIE else child
    except psutil.NoSuchProcess:
        return None


def test_where_nothing_installs_wheels_it_says_how_to_get_what_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a wheel there is no `make`."""
    monkeypatch.setattr(tools, "find_uv", lambda: None)
    monkeypatch.setattr(tools, "find_spec", lambda name: None)
    with pytest.raises(ProvisionError, match=r"fetch it: put uv on PATH, or run `.* -m ensurepip`"):
        install_wheel("it", tmp_path)
