"""The public face of Earwitness: what may be imported. Everything else may move or change without notice.

    from earwitness import Status, listen
    measurement = listen(Path("runs/RUN_ID/captures/ATTEMPT"))
    print(measurement.turns[0].metrics["eot_to_first_audio_ms"].value)

- `Case`, `load_case`: a case file, read and checked.
- `Capture`, `read_capture`, `Manifest`: what one attempt recorded.
- `listen`, `Measurement`: what is heard in it; numbers with their unit, or the reason why there is none.
- `Summary`, `Status`, `CaptureStatus`: the verdict of a run (summary.json), and of what could not be measured.
- `Event`, `EventType`: what an instrumented agent sends (docs/how_to/own_agent.md).
- `Agent`, `Call`, `Page`: what a package provides by the entry points `earwitness.agents` and `earwitness.pages`.
- `EarwitnessError`: everything that is explained in one line.
- `earwitness.livekit.attach(session, ctx)`: a LiveKit Agents worker is measured inside; it runs in the worker's own environment.
- `earwitness.pipecat.attach(worker, transport)`: the same for a Pipecat bot.

`import earwitness` is light: what a name needs is imported with its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness import __version__
    from harness.errors import EarwitnessError
    from harness.listen.measure import listen
    from harness.listen.read.reading import Capture, read_capture
    from harness.model.capture import Manifest
    from harness.model.case import Case
    from harness.model.events import Event, EventType
    from harness.model.extension import Agent, Call, Page
    from harness.model.measurement import Measurement
    from harness.model.status import CaptureStatus, Status
    from harness.model.verdict import Summary
    from harness.speech.case_file import load_case

_HOMES = {
    "__version__": "harness",
    "EarwitnessError": "harness.errors",
    "listen": "harness.listen.measure",
    "Capture": "harness.listen.read.reading",
    "read_capture": "harness.listen.read.reading",
    "Manifest": "harness.model.capture",
    "Case": "harness.model.case",
    "Event": "harness.model.events",
    "EventType": "harness.model.events",
    "Agent": "harness.model.extension",
    "Call": "harness.model.extension",
    "Page": "harness.model.extension",
    "Measurement": "harness.model.measurement",
    "CaptureStatus": "harness.model.status",
    "Status": "harness.model.status",
    "Summary": "harness.model.verdict",
    "load_case": "harness.speech.case_file",
}

__all__ = [
    "Agent",
    "Call",
    "Capture",
    "CaptureStatus",
    "Case",
    "EarwitnessError",
    "Event",
    "EventType",
    "Manifest",
    "Measurement",
    "Page",
    "Status",
    "Summary",
    "__version__",
    "listen",
    "load_case",
    "read_capture",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"earwitness has no {name!r}; it has: {', '.join(__all__)}")
    return getattr(import_module(home), name)
