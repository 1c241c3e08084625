"""The class of a machine: machines of one class may be compared by their numbers."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

UNKNOWN = "not recorded"


def machine_class(host: Mapping[str, Any]) -> str:
    """Operating system, architecture, number of cores. Memory, kernel and load are recorded, but no part of it."""
    system = str(host.get("system", UNKNOWN)).split()[0] if host.get("system") else UNKNOWN
    cores = host.get("cpu_count")
    return f"{system} {host.get('machine', UNKNOWN)}, {cores if cores is not None else UNKNOWN} cores"


def this_machine(own_name: str | None) -> str:
    """The class of the machine we are on, as a capture's manifest would give it."""
    about = {"system": platform.system(), "machine": platform.machine(), "cpu_count": os.cpu_count()}
    return own_name or machine_class(about)
