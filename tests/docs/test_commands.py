"""Every command of the docs is one that there is: quick ones are run, those that call somebody are read as the program reads
them, and of a script its `--help` must know the options.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from harness.commands.main import app
from harness.provide.media_server import find_media_server
from harness.provide.tools import find_uv
from tests.docs.blocks import PAGES, ROOT, Shown, commands

# Run as they stand, in a folder of their own: they take seconds and call nobody.
QUICK = ("doctor", "cases", "nightly --list", "prove --list", "serve status")
PLACEHOLDER = re.compile(r"\s(?:…|\[[^\]]*\])")  # "RUN_ID …", "[main | main@2]"
SHELL_OWN = ("export", "source", "cd")
TIMEOUT_S = 120


@pytest.mark.parametrize("shown", commands(), ids=str)
def test_the_command_is_one_that_there_is(shown: Shown, tmp_path: Path) -> None:
    words = shlex.split(PLACEHOLDER.sub("", shown.text))
    while "=" in words[0]:  # VARIABLE=value ahead of a command
        words = words[1:]
    program = Path(words[0]).name
    if program in SHELL_OWN:
        return
    assert program in PROGRAMS, f"nothing here checks {program!r}: add how to tests/docs/test_commands.py"
    PROGRAMS[program](words, tmp_path)


def _earwitness(words: list[str], folder: Path) -> None:
    command, context = typer.main.get_command(app), None
    args = words[1:]
    while True:
        context = command.make_context(words[0], list(args), parent=context)
        if not getattr(command, "commands", None) or not (rest := [*context._protected_args, *context.args]):
            break
        _, command, args = command.resolve_command(context, rest)  # type: ignore[attr-defined]
        assert command is not None, words
    if " ".join(words[1:]) in QUICK:
        _run([str(Path(sys.executable).with_name("earwitness")), *words[1:]], folder, allowed=(0, 3))


def _python(words: list[str], _: Path) -> None:
    if words[1] == "-m" and words[2] in ("venv", "http.server"):
        return
    head = words[1:3] if words[1] == "-m" else words[1:2]
    if "worker-env" in words[0]:  # of another environment
        compile((ROOT / words[1]).read_text(encoding="utf-8"), words[1], "exec")
    else:
        _knows(_help(sys.executable, *head), words)


def _pytest(words: list[str], _: Path) -> None:
    """Options by its own help, which the plugin's are part of; what -k picks is a case that ships."""
    _knows(_help(sys.executable, "-m", "pytest"), words)
    for flag, value in itertools.pairwise(words):
        assert flag != "-k" or (ROOT / "cases" / f"{value}.yaml").is_file(), f"no case {value}"


def _knows(told: str, words: list[str]) -> None:
    unknown = [word for word in words if word.startswith("-") and word.partition("=")[0] not in told]
    assert not unknown, f"{' '.join(words)}: no option {unknown}"


def _make(words: list[str], _: Path) -> None:
    _run(["make", "--dry-run", *words[1:]], ROOT)


def _pip(words: list[str], _: Path) -> None:
    for flag, value in itertools.pairwise(words):
        assert flag != "-r" or (ROOT / value).is_file(), f"{value}: no such file"


def _livekit_server(words: list[str], _: Path) -> None:
    server = find_media_server()
    if server is None:
        pytest.skip("no livekit-server here: make setup")
    told = _help(str(server))
    assert all(word in told for word in words[1:])


def _uv(words: list[str], _: Path) -> None:
    uv = find_uv()
    if uv is None:
        pytest.skip("no uv here: make setup")
    verbs = ["tool", "run"] if words[0] == "uvx" else words[1:3] if words[1] in ("pip", "tool") else words[1:2]
    _help(uv, *verbs)
    if words[0] == "uvx":  # `uvx --from WHEEL earwitness run …`
        _earwitness(words[words.index("earwitness") :], ROOT)


def _docker(words: list[str], folder: Path) -> None:
    """Without a Docker here: what is built has its file, and what runs in it is a verb of ours."""
    if words[1] == "build":
        assert (ROOT / "Dockerfile").is_file()
    elif words[1] == "run":
        image = next(n for n, word in enumerate(words) if word.startswith("earwitness"))
        _earwitness(["earwitness", *words[image + 1 :]], folder)


def _git(words: list[str], _: Path) -> None:
    assert subprocess.run(["git", words[1], "-h"], capture_output=True, timeout=TIMEOUT_S).returncode == 129


PROGRAMS: dict[str, Callable[[list[str], Path], None]] = {
    "earwitness": _earwitness,
    "python": _python,
    "python3": _python,
    "pytest": _pytest,
    "make": _make,
    "pip": _pip,
    "livekit-server": _livekit_server,
    "uv": _uv,
    "uvx": _uv,
    "docker": _docker,
    "git": _git,
}


@cache
def _help(*command: str) -> str:
    return _run([*command, "--help"], ROOT)


def _run(command: list[str], folder: Path, allowed: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, env=os.environ | {"COLUMNS": "200"}
    )
    assert done.returncode in allowed, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def _inline() -> list[Shown]:
    found = []
    for page in PAGES:
        for text in re.findall(r"`(earwitness [a-z][^`]*)`", page.read_text(encoding="utf-8").replace("\n", " ")):
            found.append(Shown(str(page.relative_to(ROOT)), text))
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("shown", _inline(), ids=str)
def test_what_a_sentence_names_is_a_verb_with_that_option(shown: Shown) -> None:
    command: Any = typer.main.get_command(app)
    words = re.split(r"[\s/|]+", shown.text.replace("…", " "))[1:]
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    assert command is not typer.main.get_command(app), f"no such verb: {shown.text}"
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]
    assert not unknown, f"no option {unknown}"
