"""A repository that knows nothing of ours: packages with our names, a conftest.py that uses one, YAML files of its own."""

from __future__ import annotations

from pathlib import Path

CONFTEST = """
import reports
import pytest


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".yaml" and file_path.parent.name == "specs":
        return Spec.from_parent(parent, path=file_path)


class Spec(pytest.File):
    def collect(self):
        yield Line.from_parent(self, name=f"{reports.WHOSE}_{self.path.stem}")


class Line(pytest.Item):
    def runtest(self):
        assert self.path.read_text()
"""
TEST = """
def test_packages_are_our_own():
    import bots, reports, runtime
    from reports.render import run_report
    assert {bots.WHOSE, reports.WHOSE, runtime.WHOSE, run_report.WHOSE} == {"theirs"}
"""
CASE = """
id: mine
title: Somebody's own case
tier: P1
reply_timeout_ms: 30000
speech: {utterances: [{parts: [{say: "What time is it?"}]}]}
"""


def make_repository(folder: Path) -> Path:
    for name in ("bots", "reports", "runtime", "reports/render"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text('WHOSE = "theirs"\n')
    (folder / "reports" / "render" / "run_report.py").write_text('WHOSE = "theirs"\n')
    files = {"conftest.py": CONFTEST, "tests/test_own.py": TEST, "cases/mine.yaml": CASE}
    files |= {"specs/gold.yaml": "tier: gold\nspeech: free\n", "cases/data/notes.yaml": "tier: P0\n"}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
