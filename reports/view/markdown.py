"""Text from elsewhere (titles, details, reasons) as Markdown that shows it as it is and cannot change what is around it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

TEMPLATES = Path(__file__).parents[1] / "templates"
ALWAYS = re.compile(r"[\\`*\[\]|$]")
TAG = re.compile(r"<(?=[A-Za-z/!?])")  # a tag, a comment or a link begins only there (CommonMark 6.5, 6.6)
ENTITY = re.compile(r"&(?=#?\w+;)")
MARK = re.compile(r"(?<![^\W_])_|~(?=~)|(?<=~)~")  # an underscore after a letter or a digit begins nothing
BLOCK = re.compile(r"^(?:[-+#>]|\d+[.)](?=\s|$))")  # at the start of a line: a list, a heading, a quotation


def plain(text: object) -> str:
    """`text` on one line, for a paragraph, a list item or a table's cell."""
    line = " ".join(str(text).split())
    for special in (ALWAYS, TAG, ENTITY, MARK):
        line = special.sub(lambda found: "\\" + found.group(), line)
    return BLOCK.sub(_escaped_start, line)


def _escaped_start(found: re.Match[str]) -> str:
    start = found.group()
    return start[:-1] + "\\" + start[-1]


def code(text: object) -> str:
    """`text` as a code span, whatever backticks are in it."""
    line = " ".join(str(text).split())
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; its cells are Markdown already."""
    lines = [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def render_template(name: str, **content: Any) -> str:
    """A Markdown template, with `plain` as its filter."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=False
    )
    environment.filters["plain"] = plain
    return environment.get_template(name).render(**content)
