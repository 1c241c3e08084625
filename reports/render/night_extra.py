"""Two sections of night.md: turns in which an engine's reserve worked, and the browser's own recording of each case."""

from __future__ import annotations

from harness.judge.degraded import added_up
from harness.judge.numbers import show
from harness.judge.webm import best_of
from harness.model.night import NightResult, WebmCase
from reports.view.markdown import code, plain, table

NONE = "–"
MOST_REASONS = 20


def degraded_section(result: NightResult) -> list[str]:
    """Empty where no turn was DEGRADED."""
    found = added_up(row for part in result.parts for row in part.degraded)
    if not found:
        return []
    rows = [
        (plain(f.engine), plain(f.why), str(f.turns), ", ".join(code(t) for t in f.examples[:3]))
        for f in found[:MOST_REASONS]
    ]
    more = [f"… and {len(found) - MOST_REASONS} more reasons"] if len(found) > MOST_REASONS else []
    about = (
        "The configured engine did not do its part, its reserve did. The label changes no status; the latencies count."
    )
    headings = ("engine", "why", "turns", "for example")
    return ["## DEGRADED turns", "", about, "", *table(headings, rows), *more]


def webm_section(result: NightResult) -> list[str]:
    """Empty where no case was recorded by a browser."""
    found = best_of(result.parts)
    if not found:
        return []
    about = (
        "The recording that Chromium itself made (ear.webm, its own Opus) of one call of each case, decoded and heard like "
        "ear.wav. What differs is the recorder's or the tap's, not the agent's. “Begins” is its first sample in ear.wav."
    )
    headings = ("case", "status", "begins", "drift", "level", "longest hole", "dropouts", "USER_KPI", "correlation", "")
    return ["## The browser's own recording", "", about, "", *table(headings, [_webm_row(one) for one in found])]


def _webm_row(one: WebmCase) -> tuple[str, ...]:
    why = f"{code(one.trace_id)}: {plain(one.reason)}" if one.reason else code(one.trace_id)
    return (
        plain(one.case),
        f"**{one.status}**",
        show(one.lag_ms, "ms"),
        show(one.drift_ms, "ms"),
        NONE if one.level_db is None else f"{one.level_db:+.2f} dB",
        _both(show(one.hole_ear_ms, "ms"), show(one.hole_webm_ms, "ms")),
        _both(_count(one.dropouts_ear), _count(one.dropouts_webm)),
        NONE if one.kpi_shift_ms is None else f"{one.kpi_shift_ms:+.1f} ms",
        NONE if one.correlation is None else f"{one.correlation:.3f}",
        why,
    )


def _count(n: int | None) -> str:
    return NONE if n is None else str(n)


def _both(ear: str, webm: str) -> str:
    """Both recordings' values; one where they are the same."""
    return ear if ear == webm else f"{ear} → {webm}"
