"""The listening half stands alone: it imports and measures where neither torch, Playwright, LiveKit nor aiohttp exist."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SCRIPT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "playwright", "livekit", "aiohttp", "onnxruntime", "espeakng_loader"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from pathlib import Path
import harness.judge.verdict, reports.render.run_report, reports.render.plots
from harness.errors import UsageError
from harness.listen.measure import listen
try:
    listen(Path(sys.argv[1]))
except UsageError as error:
    print("told:", error)
"""


def test_the_listening_half_needs_nothing_live(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("told:")


def test_importing_the_harness_is_light() -> None:
    script = (
        "import sys, harness, harness.commands.main; "
        "print([m for m in ('livekit', 'playwright', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_cases_are_read_without_the_packages_whose_names_a_repository_may_have_too() -> None:
    script = (
        "import sys, harness.plugin.hooks, harness.run.cases, harness.settings; "
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'runtime', 'reports', 'bots'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Also not for the type checker alone, nor within a function."""
    root = Path(__file__).parents[1]
    modules = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for package in ("harness", "bots", "runtime", "reports", "earwitness")
        for path in (root / package).rglob("*.py")
    }
    imports = {name: _imported(path) & (modules.keys() - {name}) for name, path in modules.items()}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def _imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found
