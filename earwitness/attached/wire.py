"""The events of the data channel as bytes, without pydantic: an agent's environment need not have it.

The schema is `harness/model/events.py`; a test holds the two together. Times are ms of the host's monotonic clock.
"""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

VERSION = 1
TOPIC = "earwitness.v1"
MAX_EVENT_BYTES = 14_000
TRACE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
NAME_LENGTH = 120
SENDER = "agent"


@dataclass(frozen=True)
class Question:
    """What an agent needs of an event of the probe's."""

    type: str
    trace_id: str
    run_id: str
    case_id: str
    attempt: int
    user: str | None = None  # the identity of who speaks to the agent, as a `trace` names it


def now_ms() -> float:
    return time.monotonic() * 1e3


def since_epoch_to_ms(t_s: float) -> float:
    """`time.time()` of a moment → ms of the monotonic clock."""
    return (t_s - time.time() + time.monotonic()) * 1e3


@cache
def clock() -> dict[str, str]:
    """All processes of a machine share it, so it is named after the machine's boot."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    name = boot.read_text().strip() if boot.exists() else platform.node()
    return {"id": f"mono:{name}", "kind": "monotonic"}


def read_question(payload: bytes) -> Question | None:
    """None for what is no event of this schema, which is not for us."""
    if len(payload) > MAX_EVENT_BYTES:
        return None
    try:
        event = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or event.get("v") != VERSION:
        return None
    names = [event.get(key) for key in ("type", "trace_id", "run_id", "case_id")]
    attempt = event.get("attempt")
    if not isinstance(attempt, int) or isinstance(attempt, bool) or attempt < 1:
        return None
    if not all(isinstance(name, str) and len(name) <= NAME_LENGTH for name in names):
        return None
    if TRACE_ID.fullmatch(str(names[1])) is None:
        return None
    data = event.get("data")
    user = data.get("user") if isinstance(data, dict) else None
    event_type, trace_id, run_id, case_id = map(str, names)
    return Question(event_type, trace_id, run_id, case_id, attempt, user if isinstance(user, str) else None)


def event_bytes(
    asked: Question, event_type: str, seq: int, t_ms: float, reply_seq: int | None, data: Mapping[str, Any]
) -> bytes:
    """An event of the trace that `asked` began."""
    event: dict[str, Any] = {
        "v": VERSION,
        "type": event_type,
        "trace_id": asked.trace_id,
        "run_id": asked.run_id,
        "case_id": asked.case_id,
        "attempt": asked.attempt,
        "seq": seq,
        "t_ms": t_ms,
        "clock": clock(),
        "sender": SENDER,
    }
    if reply_seq is not None:
        event["reply_seq"] = reply_seq
    return as_json({**event, "data": dict(data)}).encode()


def cut(text: str, most_bytes: int = NAME_LENGTH) -> str:
    """`text` in at most so many bytes of UTF-8."""
    return well_formed(text).encode()[:most_bytes].decode(errors="ignore")


def as_json(record: Mapping[str, Any]) -> str:
    """One line."""
    return well_formed(json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def well_formed(text: str) -> str:
    """Replace half characters (lone surrogates), which a model may return and UTF-8 may not hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
