"""Whether an attempt's records of user, agent and probe join on its trace_id (H-47), from the capture alone.

User: the recorded speech. Probe: the agent's sound at the second listener, and events of this trace. Agent: it acknowledged
this trace and its own lines carry it; an agent that does not know the events needs only its sound. The check reads only names
and events, so it works for captures without recordings too.
"""

from __future__ import annotations

import json
from pathlib import Path

from harness.model import capture
from harness.model.capture import Manifest
from harness.model.events import EventType
from harness.model.json_lines import lines_of


def joins(folder: Path, manifest: Manifest) -> bool:
    """`folder` is the capture of `manifest`."""
    files = manifest.files
    user = capture.POST_USER in files if manifest.lane == "bot" else capture.MIC in files
    probe = capture.POST_RTC in files
    if not manifest.agent.instrumented:
        return user and probe
    events = [row.get("event", row) for row in _rows(folder / capture.EVENTS)]
    mine = {str(event.get("type")) for event in events if event.get("trace_id") == manifest.trace_id}
    traces = {row.get("trace_id") for row in _rows(folder / capture.AGENT_TRACE)}
    agent = EventType.TRACE_ACK.value in mine and traces <= {manifest.trace_id}
    if EventType.REPLY_START.value in mine:
        agent = agent and bool(traces)
    return user and probe and agent and EventType.PROBE_READY.value in mine


def _rows(path: Path) -> list[dict]:
    rows = []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    for line in lines_of(text):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows
