"""The wheel in a clean environment and an empty folder: no torch, and everything a run needs (a call: test_first_report)."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

from tests.package.installed import ROOT, Installed

UVX_TIMEOUT_S = 300.0
PACKED = ("earwitness", "harness", "bots", "runtime", "reports")


def test_every_file_that_git_knows_of_our_packages_is_in_the_wheel_and_the_cases_too(installed: Installed) -> None:
    listed = subprocess.run(["git", "ls-files", *PACKED, "cases"], cwd=ROOT, check=True, capture_output=True, text=True)
    wanted = {name.replace("cases/", "earwitness/cases/", 1) if name.startswith("cases/") else name
              for name in listed.stdout.splitlines() if (ROOT / name).is_file()}  # fmt: skip
    packed = {name for name in zipfile.ZipFile(installed.wheel).namelist() if not name.startswith("earwitness-")}
    assert wanted - packed == set()
    assert len([name for name in packed if name.startswith("earwitness/cases/")]) > 20


def test_all_of_it_pulls_no_torch_and_no_cuda(installed: Installed) -> None:
    listing = [installed.uv, "pip", "list", "--python", str(installed.python), "--format", "json"]
    done = subprocess.run(listing, env=installed.env, check=True, capture_output=True, text=True)
    names = {package["name"] for package in json.loads(done.stdout)}
    assert {"earwitness", "livekit", "playwright", "onnxruntime", "pocketsphinx"} <= names
    assert not [name for name in names if name.startswith(("torch", "nvidia", "triton", "silero", "cuda"))]


def test_the_command_says_the_version_that_the_wheel_has(installed: Installed, tmp_path: Path) -> None:
    done = installed.run("earwitness", "--version", cwd=tmp_path)
    assert done.stdout.split() == ["earwitness", installed.wheel.name.split("-")[1]], done.stderr


def test_it_runs_from_the_wheel_without_being_installed(installed: Installed, tmp_path: Path) -> None:
    """`uvx --from WHEEL`: an environment that uv makes for the call, in its cache."""
    uvx = (installed.uv, "tool", "run", "--quiet", "--python", str(installed.python))
    uvx += ("--constraints", str(installed.constraints), "--from", f"{installed.wheel}[all]")
    try:
        done = subprocess.run(
            [*uvx, "earwitness", "doctor"],
            cwd=tmp_path, env=installed.env, timeout=UVX_TIMEOUT_S, capture_output=True, text=True,
        )  # fmt: skip
    finally:
        _forget(installed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing" not in done.stdout


def _forget(installed: Installed) -> None:
    """The environment that uv has cached for this very wheel: no other call will ask for it."""
    told = subprocess.run([installed.uv, "cache", "dir"], env=installed.env, check=True, capture_output=True, text=True)
    for place in Path(told.stdout.strip()).glob("environments-*/*/*"):
        origins = place.glob("lib/python*/site-packages/earwitness-*.dist-info/direct_url.json")
        if any(str(installed.wheel) in origin.read_text() for origin in origins):
            shutil.rmtree(place.resolve(), ignore_errors=True)
            place.unlink()
