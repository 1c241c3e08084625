"""The pytest plugin as pytest loads it wherever Earwitness is installed: its options and markers, and which files are cases.

A YAML file is a case if it has the keys `id` and `speech` (or `dialogue`) and lies below a path that is named: on the command
line (`pytest cases/`), or in the ini option `earwitness_cases`. Nothing of `harness` is imported before such a file is met, so
that a repository without cases, or with packages of our names, has its own tests to itself. What a case does is `harness.plugin`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from earwitness.names import HiddenError, check_ours
from earwitness.plugin_options import OPTIONS

CASES_INI = "earwitness_cases"
NAMED = "earwitness_named"  # workerinput of xdist: what was named to the controller
SUFFIXES = (".yaml", ".yml")
KEYS = (re.compile(r"^id\s*:", re.MULTILINE), re.compile(r"^(speech|dialogue)\s*:", re.MULTILINE))
ADVICE = "Run the cases by the command: earwitness run --cases FOLDER"
NAMED_KEY = pytest.StashKey[list[Path]]()
MARKERS = (
    "p0: a case whose gates block",
    "p1: a case whose fingerprints warn",
    "mini: a case of the mini suite",
    "fast: a case of the fast suite",
    "extended: a case of the extended suite",
    "nightly: a case that the night's plan that ships plays (`earwitness nightly` plays it often, over networks)",
    "net: runs over an impaired network",
    "live: needs a media server, a browser or an agent process, which it starts itself",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("earwitness", "Earwitness: voice agents, as their users hear them")
    for name, text in OPTIONS:
        group.addoption(f"--ew-{name}", default=None, help=text)
    group.addoption("--ew-strict", action="store_true", default=None, help="WARN fails a case too")
    parser.addini(
        CASES_INI, "folders (or files) whose cases are tests; others must be named on the command line", "paths"
    )


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.stash[NAMED_KEY] = _named(config)


def _named(config: pytest.Config) -> list[Path]:
    told = getattr(config, "workerinput", {}).get(NAMED)
    if told is not None:
        return [Path(path) for path in told]
    words = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
    on_command_line = [config.invocation_params.dir / word.partition("::")[0] for word in words]
    return [path.resolve() for path in [*config.getini(CASES_INI), *on_command_line] if path.exists()]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    named = parent.config.stash[NAMED_KEY]
    if file_path.suffix not in SUFFIXES or not any(file_path.resolve().is_relative_to(path) for path in named):
        return None
    text = file_path.read_text(encoding="utf-8", errors="replace")
    if not all(key.search(text) for key in KEYS):
        return None
    try:
        check_ours("harness", advice=ADVICE)
    except HiddenError as error:
        return Refused.from_parent(parent, path=file_path, why=str(error))
    from harness.plugin.hooks import CaseFile, session_of

    session_of(parent.config)
    return CaseFile.from_parent(parent, path=file_path)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist is about to start a worker: we are the controller, which collects nothing itself."""
    named = node.config.stash[NAMED_KEY]
    node.workerinput[NAMED] = [str(path) for path in named]
    if named:
        try:
            check_ours("harness", advice=ADVICE)
        except HiddenError:
            return  # the worker that meets a case says so
        from harness.plugin.hooks import session_of

        session_of(node.config).configure_node(node)


class Refused(pytest.File):
    """A case that cannot be run here, with the reason in one line."""

    def __init__(self, *, why: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.why = why

    def collect(self) -> list[pytest.Item]:
        raise self.CollectError(self.why)
