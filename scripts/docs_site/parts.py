"""The parts that pages ask the code for, by name, and the filling of a page with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.docs_site import commands, gates, networks, words

PARTS: Mapping[str, Callable[[], str]] = {
    "commands": commands.commands,
    "commands overview": commands.overview,
    "pytest options": commands.pytest_options,
    "gates": gates.overview,
    "capture statuses": words.capture_statuses,
    "event types": words.event_types,
    "event fields": words.event_fields,
    "agent trace": words.agent_trace_fields,
    "turn times": words.turn_times,
    "capture files": words.capture_files,
    "settings": words.settings,
    "public face": words.public_face,
    "example package": words.example_package,
    "action inputs": words.action_inputs,
    "case keys": words.case_fields,
    "networks": networks.shipped,
    "network keys": networks.keys,
}
ASKED = re.compile(r"<!-- from the code: ([\w ]+) -->\n(?:\*.*\*\n)?")
GATES = Path("reference/gates.md")


def filled(page: Path, docs: Path) -> str:
    """The page's text with what it asks for. Raises ValueError for a part that there is not."""
    text = (docs / page).read_text(encoding="utf-8")

    def part(asked: re.Match[str]) -> str:
        if asked[1] not in PARTS:
            raise ValueError(f"docs/{page}: no part {asked[1]!r}; parts: {', '.join(PARTS)}")
        return PARTS[asked[1]]() + "\n"

    text = ASKED.sub(part, text)
    return gates.with_facts(text, docs) if page == GATES else text
