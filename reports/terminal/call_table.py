"""What was heard in one recording, in a terminal: the figures, each turn, the worst moments, what is not known."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.model.call_heard import CallHeard
from reports.view.call_page import OVERLAP_HEADINGS, TURN_HEADINGS, clock, figures, headline, overlap_row, turn_row

MOST_ROWS = 40  # the page has them all


def call_table(call: CallHeard) -> Group:
    parts: list[RenderableType] = [
        Text.assemble((call.name, "bold"), f"  {headline(call)}"),
        Text(", ".join(f"{name} {value}" for name, value in figures(call))),
    ]
    if call.turns:
        parts.append(_table("turns", TURN_HEADINGS, [turn_row(turn) for turn in call.turns]))
    if call.overlaps:
        parts.append(_table("both speak", OVERLAP_HEADINGS, [overlap_row(both) for both in call.overlaps]))
    for moment in call.moments:
        why = f" ({moment.why})" if moment.why else ""
        parts.append(Text.assemble((f"{moment.number}. ", "bold"), f"{clock(moment.start_ms)}  {moment.what}{why}"))
    parts += [Text(f"read as: {line}", "dim") for line in call.read_as]
    parts += [Text(f"not known: {line}", "yellow") for line in call.not_known]
    parts += [Text(f"INVALID: {line}", "bold magenta") for line in call.doubts]
    return Group(*parts)


def _table(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    left_out = len(rows) - MOST_ROWS
    caption = f"… and {left_out} more, in the HTML" if left_out > 0 else None
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in (headings[-1], "who began") else "right")
    for row in rows[:MOST_ROWS]:
        table.add_row(*(Text(cell) for cell in row))
    return table
