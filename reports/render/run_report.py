"""Write a run's reports: pictures, then `report.md` and `report.html` from the summary by their templates. Atomic; never
raises for a picture.
"""

from __future__ import annotations

import logging
from pathlib import Path

from harness.judge.claims import claims_of
from harness.model.capture import write_atomic
from harness.model.measurement import Turn
from harness.model.status import Status
from harness.model.verdict import AttemptVerdict, Summary
from reports.render.html import render_html
from reports.view.heard import turn_to_show
from reports.view.markdown import render_template
from reports.view.view import CLAIMS, TREND, find_turn, make_view, turn_key

log = logging.getLogger(__name__)

REPORT = "report.md"
PICTURES = "pictures"


def render_report(summary: Summary, run_dir: Path, pictures: dict[str, str] | None = None) -> Path:
    """`report.md` in `run_dir`. Raises OSError."""
    text = render_template("report.md.j2", v=make_view(summary, run_dir, pictures or {}))
    path = run_dir / REPORT
    write_atomic(path, text.encode())
    return path


def draw_pictures(summary: Summary, run_dir: Path) -> dict[str, str]:
    """Pictures of the turns that failed a case and of the slowest turn: `trace_id:reply_seq` → path in `run_dir`."""
    from reports.render.plots import draw_attempt  # matplotlib loads only where something is drawn

    pictures = _draw_trend(summary, run_dir) | _draw_claims(summary, run_dir)
    for attempt, turn in _turns_to_draw(summary):
        assert attempt.measurement is not None
        relative = f"{PICTURES}/{attempt.trace_id}-r{turn.reply_seq}.png"
        title = f"{attempt.measurement.case_id}: {attempt.status}, reply {turn.reply_seq}"
        try:
            drawn = draw_attempt(run_dir / attempt.folder, attempt.measurement, turn, title, run_dir / relative)
        except (OSError, ValueError) as error:
            log.warning("no picture of %s, reply %d: %s", attempt.trace_id, turn.reply_seq, error)
            continue
        if drawn or (run_dir / relative).is_file():  # the recordings may be gone while their picture remains
            pictures[turn_key(attempt, turn)] = relative
    return pictures


def _draw_trend(summary: Summary, run_dir: Path) -> dict[str, str]:
    """The KPI over the last comparable runs, under the key TREND."""
    if summary.changes is None:
        return {}
    from reports.render.trend_plot import draw_trend

    title = "USER_KPI" if summary.lane == "browser" else "end of turn → first audio"
    relative = f"{PICTURES}/trend.png"
    try:
        drawn = draw_trend(summary.changes.trend, title, summary.changes.limit_ms, run_dir / relative)
    except OSError as error:
        log.warning("no picture of the trend: %s", error)
        return {}
    return {TREND: relative} if drawn else {}


def _draw_claims(summary: Summary, run_dir: Path) -> dict[str, str]:
    """What the agent claims against what was heard, under the key CLAIMS."""
    claims = claims_of(summary)
    if claims is None:
        return {}
    from reports.render.claims_plot import draw_claims

    relative = f"{PICTURES}/claims.png"
    try:
        drawn = draw_claims(claims, run_dir / relative)
    except OSError as error:
        log.warning("no picture of the claims: %s", error)
        return {}
    return {CLAIMS: relative} if drawn else {}


def _turns_to_draw(summary: Summary) -> list[tuple[AttemptVerdict, Turn]]:
    wanted: dict[str, tuple[AttemptVerdict, Turn]] = {}
    for case in summary.cases:
        for attempt in case.attempts:
            turn = turn_to_show(attempt)
            if turn is not None and attempt.status not in (Status.PASS, Status.WARN, Status.NOT_APPLICABLE):
                wanted[turn_key(attempt, turn)] = attempt, turn
    slowest = find_turn(summary, summary.waterfall_slowest)
    if slowest is not None:
        wanted[turn_key(*slowest)] = slowest
    return list(wanted.values())


def finish_report(summary: Summary, run_dir: Path) -> Summary:
    """Draw, write the reports, and return the summary with its pictures named. Raises OSError."""
    pictures = draw_pictures(summary, run_dir)

    def named(attempt: AttemptVerdict) -> AttemptVerdict:
        turns = attempt.measurement.turns if attempt.measurement is not None else []
        own = [pictures[key] for key in (turn_key(attempt, turn) for turn in turns) if key in pictures]
        return attempt.model_copy(update={"pictures": own}) if own else attempt

    cases = [case.model_copy(update={"attempts": [named(a) for a in case.attempts]}) for case in summary.cases]
    summary = summary.model_copy(update={"cases": cases})
    render_report(summary, run_dir, pictures)
    render_html(summary, run_dir)
    return summary
