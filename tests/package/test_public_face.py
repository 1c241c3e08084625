"""What may be imported from `earwitness`: this list, and nothing by accident."""

from __future__ import annotations

import subprocess
import sys

import pytest

import earwitness

PUBLIC = {
    "__version__", "Agent", "Call", "Capture", "CaptureStatus", "Case", "EarwitnessError", "Event", "EventType", "Manifest",
    "Measurement", "Page", "Status", "Summary", "listen", "load_case", "read_capture",
}  # fmt: skip


def test_the_list_of_what_may_be_imported() -> None:
    assert set(earwitness.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(earwitness, name) is not None
        assert name == "__version__" or f"`{name}`" in (earwitness.__doc__ or ""), f"{name} is not documented"


def test_anything_else_is_refused_with_what_there_is() -> None:
    with pytest.raises(AttributeError, match="earwitness has no 'run_plan'; it has: Agent, Call"):
        earwitness.run_plan  # noqa: B018


def test_importing_it_is_light() -> None:
    script = "import sys, earwitness; print([m for m in ('harness', 'numpy', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
