"""Write a run's report: pictures, then `report.md` from the summary by its template. Atomic; never raises for a
picture.
"""

from __future__ import annotations

import logging
from pathlib import Path

import jinja2

from harness.model.capture import write_atomic
from harness.model.status import Status
from harness.model.verdict import AttemptVerdict, Summary
from reports.view import find_turn, make_view

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
REPORT = "report.md"
PICTURES = "pictures"


def render_report(summary: Summary, run_dir: Path, pictures: dict[str, str] | None = None) -> Path:
    """`report.md` in `run_dir`. Raises OSError."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=False
    )
    text = environment.get_template("report.md.j2").render(v=make_view(summary, run_dir, pictures or {}))
    path = run_dir / REPORT
    write_atomic(path, text.encode())
    return path


def draw_pictures(summary: Summary, run_dir: Path) -> dict[str, str]:
    """Pictures of the cases that did not pass and of the slowest turn: trace_id → path relative to `run_dir`."""
    from reports.plots import draw_attempt  # matplotlib loads only where something is drawn

    wanted = [
        attempt
        for case in summary.cases
        for attempt in case.attempts
        if attempt.status not in (Status.PASS, Status.WARN, Status.NOT_APPLICABLE)
    ]
    slowest = find_turn(summary, summary.waterfall_slowest)
    if slowest is not None and slowest[0] not in wanted:
        wanted.append(slowest[0])
    pictures: dict[str, str] = {}
    for attempt in wanted:
        if attempt.measurement is None or not attempt.measurement.turns:
            continue
        turn = attempt.measurement.turns[0]
        if slowest is not None and slowest[0] is attempt:
            turn = slowest[1]
        relative = f"{PICTURES}/{attempt.trace_id}.png"
        title = f"{attempt.measurement.case_id}: {attempt.status}, reply {turn.reply_seq}"
        try:
            drawn = draw_attempt(run_dir / attempt.folder, attempt.measurement, turn, title, run_dir / relative)
        except (OSError, ValueError) as error:
            log.warning("no picture of %s: %s", attempt.trace_id, error)
            continue
        if drawn:
            pictures[attempt.trace_id] = relative
    return pictures


def finish_report(summary: Summary, run_dir: Path) -> Summary:
    """Draw, write the report, and give the summary back with its pictures named. Raises OSError."""
    pictures = draw_pictures(summary, run_dir)

    def named(attempt: AttemptVerdict) -> AttemptVerdict:
        picture = pictures.get(attempt.trace_id)
        return attempt if picture is None else attempt.model_copy(update={"pictures": [picture]})

    cases = [case.model_copy(update={"attempts": [named(a) for a in case.attempts]}) for case in summary.cases]
    summary = summary.model_copy(update={"cases": cases})
    render_report(summary, run_dir, pictures)
    return summary
