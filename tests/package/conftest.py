"""The wheel, built and installed into an environment of its own outside the checkout, once for all tests here.

What it requires is taken in the versions of uv.lock (which the checkout's own environment has too), so that uv finds it in its
cache; nothing else of this environment is used. Without uv, or without a registry for what the cache lacks, the tests skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.provide.tools import find_uv
from tests.package.installed import ROOT, Installed

BUILD_TIMEOUT_S = 120.0
INSTALL_TIMEOUT_S = 600.0
TESTERS = ("pytest", "pytest-asyncio")  # of the stranger's own tests
EXAMPLE = ROOT / "examples" / "packaged"  # a package that brings an agent
OFFLINE = ("error sending request", "failed to fetch", "could not connect", "dns error", "network")


def _uv(uv: str, *arguments: str, timeout_s: float, env: dict[str, str]) -> None:
    """Skips where there is no registry."""
    done = subprocess.run([uv, *arguments], cwd=ROOT, env=env, timeout=timeout_s, capture_output=True, text=True)
    if done.returncode != 0 and any(sign in done.stderr.lower() for sign in OFFLINE):
        pytest.skip(f"no package registry: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    uv = find_uv()
    if uv is None:
        pytest.skip("uv is not here: `make setup` brings it")
    folder = tmp_path_factory.mktemp("installed")
    own = ("EARWITNESS_", "PYTHON", "PYTEST_", "VIRTUAL_ENV", "UV_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    if "EARWITNESS_CACHE" in os.environ:  # what set-up has built is not built again
        env["EARWITNESS_CACHE"] = os.environ["EARWITNESS_CACHE"]
    _uv(uv, "build", "--quiet", "--wheel", "--out-dir", str(folder / "dist"), timeout_s=BUILD_TIMEOUT_S, env=env)
    (wheel,) = (folder / "dist").glob("*.whl")
    constraints = folder / "constraints.txt"
    export = ("export", "--quiet", "--frozen", "--all-extras", "--no-emit-project", "--no-hashes", "--no-annotate")
    _uv(uv, *export, "--output-file", str(constraints), timeout_s=BUILD_TIMEOUT_S, env=env)
    _uv(uv, "venv", "--quiet", "--python", sys.executable, str(folder / "env"), timeout_s=BUILD_TIMEOUT_S, env=env)
    into = ("--python", str(folder / "env" / "bin" / "python"), "--constraints", str(constraints))
    what = (f"{wheel}[all]", *TESTERS, str(EXAMPLE))
    _uv(uv, "pip", "install", "--quiet", *into, *what, timeout_s=INSTALL_TIMEOUT_S, env=env)
    yield Installed(uv, wheel, constraints, folder / "env", env)
    shutil.rmtree(folder / "env")
