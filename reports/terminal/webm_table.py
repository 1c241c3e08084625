"""What the browser's own recorder did to the sound, in a terminal: ear.webm beside ear.wav."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.judge.numbers import show
from harness.listen.recorder import Beside, WebmHeard
from reports.terminal.measurement_table import UNITS


def webm_table(heard: WebmHeard) -> RenderableType:
    if heard.reason:
        return Text.assemble((heard.trace_id, "bold"), "  not compared: ", (heard.reason, "magenta"))
    head = Text.assemble(
        (heard.trace_id, "bold"),
        f"  ear.webm {show(heard.webm_ms, 'ms')} of {heard.packets} packets, ear.wav {show(heard.ear_ms, 'ms')}; "
        f"it begins at {show(heard.lag_ms, 'ms')} of ear.wav, drifts {show(heard.drift_ms, 'ms')}; "
        f"level {show(heard.level_db, 'dB')}, correlation {show(heard.identity)}",
    )
    table = Table(title="what differs is the recorder's own codec", title_justify="left")
    for heading in ("reply", "metric", "ear.wav", "ear.webm"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for row in heard.replies:
        table.add_row(str(row.reply_seq), row.metric, _shown(row, row.ear), _shown(row, row.webm))
    return Group(head, table)


def _shown(row: Beside, value: float | None) -> str:
    return show(value, UNITS.get(row.unit, row.unit))
