"""Write what was heard in one recording as one HTML file, with the sound of its worst moments in it."""

from __future__ import annotations

from pathlib import Path

from harness.model.audio import Audio
from harness.model.call_heard import CallHeard
from reports.render.html import write_page
from reports.view.call_page import DEFECT_HEADINGS, OVERLAP_HEADINGS, TURN_HEADINGS, make_call_page


def write_call_page(call: CallHeard, user: Audio | None, agent: Audio, path: Path) -> None:
    """Raises OSError."""
    write_page(
        path,
        "call.html.j2",
        p=make_call_page(call, user, agent),
        turn_headings=TURN_HEADINGS,
        overlap_headings=OVERLAP_HEADINGS,
        defect_headings=DEFECT_HEADINGS,
    )
