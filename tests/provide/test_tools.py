"""The programs of a set-up: their failures are explained in one error."""

from __future__ import annotations

import pytest

from harness.errors import ProvisionError
from harness.provide.tools import run_tool


def test_a_program_that_fails_is_reported_with_the_end_of_its_output() -> None:
    with pytest.raises(ProvisionError, match=r"failed \(3\): disk full"):
        run_tool(["sh", "-c", "echo disk full >&2; exit 3"], timeout_s=10.0)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ProvisionError, match="no-such-program cannot be run"):
        run_tool(["no-such-program"], timeout_s=10.0)


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(ProvisionError, match=r"sleep 600 did not end within"):
        run_tool(["sleep", "600"], timeout_s=0.2)
