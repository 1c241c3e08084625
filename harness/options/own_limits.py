"""The user's own limits: the table [gates] of earwitness.toml, `--gate ID=VALUE`, a calibration's floor.

Every mistake is a UsageError in one line, with file and line where there is a file. A value has the unit of its gate's row
(docs/reference/gates.md); a share is 0 to 1.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import UsageError
from harness.judge.limits import PROFILES
from harness.judge.table import BY_ID, TABLE, Gate
from harness.model.limits import LIMITS, Floor, Limits, read_limits
from harness.model.machine import machine_class

TABLE_NAME = "gates"
SETTINGS = {"profile": "limits", "floor": "floor"}  # keys of the table that are no gate → their setting
CALIBRATION = "calibration.json"


def from_table(table: Mapping[str, Any], place: Mapping[str, str]) -> dict[str, Any]:
    """The settings that [gates] gives. `place`: "FILE:LINE" of each of its keys. Raises UsageError."""
    found: dict[str, Any] = {}
    gates: dict[str, float] = {}
    for key, value in table.items():
        where = f"{place[key]}: [{TABLE_NAME}] {key}"
        if key not in SETTINGS:
            gates[key] = checked(key, value, where)
        elif not isinstance(value, str):
            raise UsageError(f"{where} = {value!r}: expected a text")
        elif key == "profile" and value not in PROFILES:
            raise UsageError(f"{where} = {value!r}: no profile of this name; known: {', '.join(PROFILES)}")
        else:
            found[SETTINGS[key]] = value
    return {**found, "gates": gates} if gates else found


def from_words(words: Iterable[str], where: str) -> dict[str, float]:
    """Limits from ID=VALUE words of an option or a variable. Raises UsageError."""
    gates = {}
    for word in words:
        gate_id, equals, value = (part.strip() for part in word.partition("="))
        if not equals or not gate_id:
            raise UsageError(f"{where} {word!r}: expected ID=VALUE, as in eot_to_first_audio=1500")
        gates[gate_id] = checked(gate_id, value, f"{where} {word}")
    return gates


def checked(gate_id: str, value: Any, where: str) -> float:
    """A user's valid limit for a gate that allows one. Raises UsageError."""
    gate = BY_ID.get(gate_id)
    if gate is None:
        like = difflib.get_close_matches(gate_id, BY_ID, n=1)
        meant = f"; did you mean {like[0]}?" if like else f"; known: {', '.join(g.id for g in TABLE if not g.fixed)}"
        raise UsageError(f"{where}: no gate has the name {gate_id!r}{meant}")
    if gate.fixed:
        raise UsageError(f"{where}: {gate_id} is what a case asks for ({gate.title}); it has no limit of one's own")
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{where}: {value!r} is not a number")
    problem = _impossible(gate, number)
    if problem:
        raise UsageError(f"{where}: {problem}")
    return number


def _impossible(gate: Gate, value: float) -> str:
    if gate.unit == "share" and not 0 <= value <= 1:
        return "a share is a number from 0 to 1 (0.001 is 0.1 %)"
    if gate.unit not in ("dB", "dBFS") and value < 0:
        return f"{gate.title}: cannot be below 0"
    return ""


def read_floor(place: str, machine: str) -> Floor:
    """The path's own latency, from a run of `earwitness calibrate` on this class of machine. Raises UsageError."""
    path = Path(place)
    file = path / CALIBRATION if path.is_dir() else path
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        verdict, host, run_id = record["verdict"], record["host"], str(record["run_id"])
        medians = _medians(record["settings"])
    except OSError as error:
        raise UsageError(f"--floor {file}: {error.strerror}; give a run folder of `earwitness calibrate`") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"--floor {file}: is no {CALIBRATION} ({error.__class__.__name__}: {error})") from error
    if verdict != "CALIBRATED" or record.get("interrupted"):
        was = " and was interrupted" if record.get("interrupted") else ""
        raise UsageError(f"--floor {file}: says {verdict}{was}; only a floor that is CALIBRATED is allowed for")
    if machine_class(host) != machine:
        raise UsageError(f"--floor {file}: was measured on {machine_class(host)}, this machine is {machine}")
    floor = Floor(run_id=run_id, **medians)
    if floor.ear_ms is None and floor.bot_probe_ms is None:
        raise UsageError(f"--floor {file}: holds no floor: no lane was calibrated far enough")
    return floor


def _medians(settings: list[dict[str, Any]]) -> dict[str, float]:
    """Each lane's median at the fewest sessions at once, ms."""
    found: dict[str, float] = {}
    for setting in sorted(settings, key=lambda setting: -setting["sessions"]):
        if setting["floor"] is None:
            continue
        at = round(float(setting["floor"]["median_ms"]), 1)
        if setting["lane"] == "bot":
            found["bot_probe_ms"] = at
            continue
        found["ear_ms"] = at
        if setting["probe_delta"] is not None:  # how much later the ear hears than the second listener
            found["browser_probe_ms"] = round(at - float(setting["probe_delta"]["bias_ms"]), 1)
    return found


def limits_of(run_dir: Path) -> Limits:
    """An existing run's limits. Raises UsageError."""
    try:
        return read_limits(run_dir)
    except (OSError, ValueError) as error:
        what = f"{error.error_count()} errors" if isinstance(error, ValidationError) else str(error)
        raise UsageError(f"{run_dir / LIMITS}: the limits of this run cannot be read: {what}") from error
