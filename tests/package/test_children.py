"""Children of ours are started with `-P`: the folder that somebody works in is never searched for our modules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = [path for name in ("harness", "bots", "runtime", "reports") for path in sorted((ROOT / name).rglob("*.py"))]
STARTS = re.compile(r"sys\.executable,\s*(\"-u\",\s*)?\"-m\"")


def test_no_child_of_ours_is_looked_for_in_the_working_folder() -> None:
    assert any('sys.executable, "-P", "-m"' in path.read_text() for path in OURS)
    assert not [path.relative_to(ROOT).as_posix() for path in OURS if STARTS.search(path.read_text())]


async def test_a_child_of_ours_runs_where_somebody_has_a_package_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runtime.engines.worker import Worker

    for name in ("runtime", "harness"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('somebody else is run')")
    monkeypatch.chdir(tmp_path)
    worker = Worker("runtime.engines.espeak_process")
    try:
        await worker.ensure()
        worker.send({"do": "ping"})
        message, _ = await worker.receive()
        assert message["rate_hz"] > 0
    finally:
        await worker.aclose()
