"""CONTRIBUTING.md: five lists of five lines, and every file and name in them is there. The changelog begins with our version."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import harness

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
NAMED = re.compile(r"`([\w./-]+/[\w./-]*)(?::(\w+))?`")


def names_in(path: Path) -> set[str]:
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def test_there_are_five_lists_of_five_lines() -> None:
    sections = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    assert [section.partition("\n")[0] for section in sections] == [
        "A metric", "A gate", "A fault", "A verb", "A kind of agent",
    ]  # fmt: skip
    for section in sections:
        assert re.findall(r"^(\d)\. ", section, flags=re.MULTILINE) == list("12345")


def test_every_file_and_name_is_there() -> None:
    named = NAMED.findall(TEXT)
    assert len(named) > 25
    for path, name in named:
        assert (ROOT / path).exists(), path
        assert not name or name in names_in(ROOT / path), f"{path} has no {name}"


def test_the_changelog_begins_with_the_version_that_the_package_has() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert newest is not None
    assert newest.group(1) == harness.__version__
