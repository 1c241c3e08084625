"""The wheel in a clean environment and an empty folder: no torch, and everything a run needs; and in a stranger's
repository, whose packages have our names. The calls are in test_first_report.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.package.installed import ROOT, Installed
from tests.package.stranger import make_repository

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


@pytest.mark.parametrize("how", [("pytest",), ("python", "-m", "pytest")])
def test_a_strangers_own_tests_are_collected_and_run_as_before(
    installed: Installed, tmp_path: Path, how: tuple[str, ...]
) -> None:
    folder = make_repository(tmp_path)
    done = installed.run(*how, "-v", "-p", "no:cacheprovider", "--strict-markers", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = [line.partition(" ")[0] for line in done.stdout.splitlines() if " PASSED" in line]
    assert passed == ["specs/gold.yaml::theirs_gold", "tests/test_own.py::test_packages_are_our_own"]


def test_a_case_is_what_has_id_and_speech_below_a_path_that_is_named(installed: Installed, tmp_path: Path) -> None:
    folder = make_repository(tmp_path)
    collect = ("pytest", "-q", "--collect-only", "-p", "no:cacheprovider")
    for named in ("cases", "cases/mine.yaml", "."):
        done = installed.run(*collect, named, cwd=folder)
        assert "cases/mine.yaml::mine" in done.stdout, done.stdout + done.stderr
        assert "notes.yaml" not in done.stdout
    (folder / "pytest.ini").write_text("[pytest]\nearwitness_cases = cases\n")
    assert "cases/mine.yaml::mine" in installed.run(*collect, cwd=folder).stdout


def test_the_command_works_in_a_folder_with_packages_of_our_names(installed: Installed, tmp_path: Path) -> None:
    done = installed.run("earwitness", "cases", cwd=make_repository(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Somebody's own case" in " ".join(done.stdout.split())


def test_what_hides_our_packages_is_told_in_one_line_with_what_to_do(installed: Installed, tmp_path: Path) -> None:
    folder = make_repository(tmp_path)
    beside = replace(installed, env={**installed.env, "PYTHONPATH": "."})
    line = f"the package 'bots' of {folder / 'bots'} hides Earwitness's own of that name. "
    done = beside.run("earwitness", "--version", cwd=folder)
    assert done.returncode == 2
    assert done.stderr == f"earwitness: {line}PYTHONPATH puts it first: leave its folder out of that variable\n"
    done = beside.run("pytest", "cases", "-p", "no:cacheprovider", cwd=folder)
    assert done.returncode == 1
    assert f"{line}PYTHONPATH puts it first" in done.stdout
    done = installed.run("python", "-m", "earwitness", "--version", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith(f"earwitness: {line}Start it as the command `earwitness`")


def test_even_a_package_with_the_name_of_the_plugins_own_leaves_a_strangers_tests_alone(
    installed: Installed, tmp_path: Path
) -> None:
    folder = make_repository(tmp_path)
    (folder / "harness").mkdir()
    (folder / "harness" / "__init__.py").write_text('WHOSE = "theirs"\n')
    (folder / "tests" / "test_harness.py").write_text(
        "def test_it_is_our_own():\n    import harness\n    assert harness.WHOSE == 'theirs'\n"
    )
    for how in (("pytest",), ("python", "-m", "pytest")):
        done = installed.run(*how, "-q", "-p", "no:cacheprovider", cwd=folder)
        assert "3 passed" in done.stdout, done.stdout + done.stderr
    done = installed.run("pytest", "cases", "-p", "no:cacheprovider", cwd=folder)
    assert "Run the cases by the command: earwitness run --cases FOLDER" in done.stdout
