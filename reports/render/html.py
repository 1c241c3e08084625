"""Write `report.html`: one file with everything in it, readable without a network, a script or the run's folder.

Templates escape everything. On top, the page's content security policy forbids scripts and any fetch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from harness.model.capture import write_atomic
from harness.model.verdict import Summary
from reports.view.page import make_page

TEMPLATES = Path(__file__).parents[1] / "templates"
REPORT_HTML = "report.html"


def render_html(summary: Summary, run_dir: Path) -> Path:
    """`report.html` in `run_dir`. Raises OSError."""
    path = run_dir / REPORT_HTML
    write_page(path, "report.html.j2", p=make_page(summary, run_dir))
    return path


def write_page(path: Path, template: str, **content: Any) -> None:
    """Raises OSError."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    write_atomic(path, environment.get_template(template).render(**content).encode())
