"""The zoo's tables in Markdown: what the docs say (from the rows alone), and what came of playing them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.model.status import CaptureStatus
from tests.zoo.agents_rows import AGENTS
from tests.zoo.pages_rows import PAGES
from tests.zoo.play import Played
from tests.zoo.row import Row

ROWS: tuple[Row, ...] = (*AGENTS, *PAGES)
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "strangers.md"
BEGIN, END = "<!-- rows: {} (python -m tests.zoo --docs) -->", "<!-- end of rows -->"
PARTS = {"agents": AGENTS, "pages": PAGES}


def docs_table(rows: Iterable[Row], subject: str) -> str:
    lines = [f"| if your {subject} … | Earwitness says | turns | name |", "|---|---|---|---|"]
    for row in rows:
        status = f"**{row.status}**"
        if row.capture is not CaptureStatus.OK:
            status += f" {row.capture}"
        words = row.says.replace("{}", "…")
        said = f"{status}: “{words}”" if words else status
        only = "" if len(row.lanes) > 1 else f" ({row.lanes[0]} lane)"
        does = row.does + (f" *{row.advice}*" if row.advice else "")
        lines.append(f"| {does}{only} | {said} | {'' if row.turns is None else row.turns} | `{row.name}` |")
    return "\n".join(lines)


def docs_with_rows(text: str) -> str:
    """`text` of docs/reference/strangers.md with its tables made anew."""
    for part, rows in PARTS.items():
        begin = BEGIN.format(part)
        head, found, rest = text.partition(begin)
        if not found:
            raise ValueError(f"{DOCS.name} has no line {begin!r}")
        _, _, tail = rest.partition(END)
        text = f"{head}{begin}\n{docs_table(rows, part.removesuffix('s'))}\n{END}{tail}"
    return text


def played_table(played: Sequence[Played], *, latency: bool) -> str:
    """One line a row and lane, and how many are right."""
    lines = [
        "| stranger | lane | wanted | got | the report's reason | turns | eot → first audio | wall | right |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    right = 0
    for one in played:
        wrong = one.wrong(latency=latency)
        right += not wrong
        wanted = str(one.row.status) + (f" {one.row.capture}" if one.row.capture is not CaptureStatus.OK else "")
        got = "no end" if one.status is None else str(one.status)
        got += f" {one.capture}" if one.capture not in (None, CaptureStatus.OK) else ""
        reason = one.reason.replace("|", "\\|").replace("\n", " ")[:160]
        eot = f"{one.eot_to_first_audio_ms:.0f} ms" if one.eot_to_first_audio_ms is not None else ""
        verdict = "yes" if not wrong else "**no**: " + "; ".join(wrong).replace("|", "\\|")[:300]
        if not wrong and one.status is not one.row.status:
            verdict = "not measured"
        cells = (one.row.name, one.lane, wanted, got, reason, one.turns, eot, f"{one.wall_s:.0f} s", verdict)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join([*lines, "", f"{right} of {len(played)} right."])


def disagreements(played: Sequence[Played], within_ms: float | None = 60.0) -> list[str]:
    """Where the two lanes say different things of one stranger; None: latencies are not compared."""
    found = []
    lanes = {(one.row.name, one.lane): one for one in played}
    for (name, lane), bot in lanes.items():
        browser = lanes.get((name, "browser"))
        if lane != "bot" or browser is None or bot.overloaded or browser.overloaded:
            continue
        for what, a, b in (
            ("status", bot.status, browser.status),
            ("end", bot.capture, browser.capture),
            ("turns", bot.turns, browser.turns),
        ):
            if a != b:
                found.append(f"{name}: {what} {a} in the bot lane, {b} in the browser lane")
        one, other = bot.eot_to_first_audio_ms, browser.eot_to_first_audio_ms
        if within_ms is not None and one is not None and other is not None and abs(one - other) > within_ms:
            found.append(
                f"{name}: end of turn → first audio {one:.0f} ms in the bot lane, {other:.0f} in the browser lane"
            )
    return found
