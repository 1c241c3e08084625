"""`night.md`: a night's verdict first, then what it must show, its parts and networks side by side, flakes, failures, facts.

Rendered from `night.json` alone. Every share has its n and its interval, every latency its n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import quote

from harness.judge.limits import limits_text
from harness.judge.night import added, shown_share
from harness.judge.numbers import show
from harness.judge.statistics import ENOUGH_FOR_P95
from harness.model.limits import Limits
from harness.model.night import Night, NightResult, PartResult, PlannedPart, Share
from harness.model.verdict import Distribution
from reports.render.night_extra import degraded_section, webm_section
from reports.view.markdown import code, plain, table

REPORT, COMPARISON = "night.md", "comparison.html"
MOST_FAILURES = 20
NONE = "–"


def render_night(night: Night, result: NightResult) -> str:
    """Markdown. Its first line is the verdict, so that it can stand as a job's summary."""
    calls = [(p, r) for p in night.parts for r in result.parts if p.id == r.id and p.kind == "cases"]
    sections = [
        _head(night, result),
        _acceptance(result),
        _parts(night, result),
        _networks(calls),
        _flaky(result),
        _failures(result),
        degraded_section(result),
        webm_section(result),
        _not_done(night, result),
        _facts(night, result),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _head(night: Night, result: NightResult) -> list[str]:
    again = f", resumed {result.sessions - 1} times" if result.sessions > 1 else ""
    limits = _limits(night)
    return [
        f"# {plain(result.headline)}",
        "",
        f"Night {code(night.night_id)} · plan {code(night.plan.get('name', ''))} · from {plain(night.started_at)} to "
        f"{plain(result.finished_at)}{again} · exit status {result.exit_code}",
        *(["", f"**Limits that do not ship**: {plain(limits)}"] if limits else []),
    ]


def _limits(night: Night) -> str:
    """The limits that judged all parts, if not those that ship; the parts' reports have the floor's figures."""
    own = Limits(profile=night.options.get("limits", "shipped"), own=night.options.get("gates", {}))
    floor = night.options.get("floor", "off")
    parts = [limits_text(own)] if not own.shipped else []
    return "; ".join([*parts, *([f"the path's floor on top, from {floor}"] if floor != "off" else [])])


def _acceptance(result: NightResult) -> list[str]:
    rows = [(plain(r.name), plain(r.shown), plain(r.wanted), f"**{r.status}**") for r in result.acceptance]
    return ["## What a night must show", "", *table(("", "found", "wanted", "status"), rows)]


def _parts(night: Night, result: NightResult) -> list[str]:
    about = {part.id: part for part in night.parts}
    rows = []
    for r in result.parts:
        part = about[r.id]
        link = f"[report]({quote(r.report)})" if r.report else NONE
        count = f"{r.played} of {r.planned}" if r.planned else NONE
        rows.append((plain(r.id), plain(part.about), f"**{r.status}**", count, plain(r.headline), link))
    return ["## Parts", "", *table(("part", "what", "status", "attempts", "in one sentence", ""), rows)]


def _middle(found: Distribution | None, unit: str = "ms") -> str:
    return f"{show(found.p50, unit)} (n {found.n})" if found is not None and found.n else NONE


def _tail(found: Distribution | None, unit: str = "ms") -> str:
    if found is None or not found.n:
        return NONE
    few = found.n < ENOUGH_FOR_P95
    return f"max of {found.n}: {show(found.max, unit)}" if few else f"{show(found.p95, unit)} (n {found.n})"


def _share(found: Share | None) -> str:
    return shown_share(found) if found is not None else NONE


def _latency(part: PlannedPart) -> str:
    return "USER_KPI" if part.lane == "browser" else "end of turn → audio"


FIGURES: tuple[tuple[str, Callable[[PlannedPart, PartResult], str]], ...] = (
    ("network", lambda p, r: p.network),
    ("lane, microphone", lambda p, r: p.lane if p.lane == p.mic else f"{p.lane}, {p.mic}"),
    ("status", lambda p, r: r.status.value),
    ("first attempts passed", lambda p, r: _share(r.passed)),
    ("network proven", lambda p, r: _share(r.applied)),
    ("latency is", lambda p, r: _latency(p)),
    ("latency P50", lambda p, r: _middle(r.latency_ms)),
    ("latency P95", lambda p, r: _tail(r.latency_ms)),
    ("talk-over", lambda p, r: NONE if r.talk_over is None else str(r.talk_over)),
    ("concealed P50", lambda p, r: _middle(r.concealed, "share")),
    ("concealed P95", lambda p, r: _tail(r.concealed, "share")),
    ("longest hole", lambda p, r: show(r.longest_hole_ms, "ms")),
    ("replies audible", lambda p, r: _share(r.audible)),
    ("turns timed", lambda p, r: _share(r.timed)),
    ("records joined", lambda p, r: _share(r.joined)),
    ("agent's own PCM", lambda p, r: _share(r.pre_rtc)),
    ("flaky cases", lambda p, r: str(len(r.flaky))),
    ("DEGRADED turns", lambda p, r: str(r.degraded_turns)),
    ("crashes", lambda p, r: ", ".join(f"{k} {n}" for k, n in sorted(r.crashes.items())) or "0"),
)


def _networks(calls: Sequence[tuple[PlannedPart, PartResult]]) -> list[str]:
    if not calls:
        return []
    rows = [(plain(name), *(plain(read(p, r)) for p, r in calls)) for name, read in FIGURES]
    caution = "A difference between two columns may be chance: this table holds no test of it."
    if len(calls) > 1:
        caution += f" Case by case: [{COMPARISON}]({COMPARISON})."
    return ["## Side by side", "", *table(("", *(plain(p.id) for p, _ in calls)), rows), "", caution]


def _flaky(result: NightResult) -> list[str]:
    flakes = [flake for part in result.parts for flake in part.flaky]
    if not flakes:
        return []
    rows = [
        (plain(f.part), plain(f.case), f"{f.passed} of {f.attempts}", ", ".join(code(t) for t in f.failed[:5]))
        for f in flakes
    ]
    return ["## Flaky: failed and passed", "", *table(("part", "case", "passed", "failed in"), rows)]


def _failures(result: NightResult) -> list[str]:
    found = added(failure for part in result.parts for failure in part.failures)
    if not found:
        return []
    rows = [(plain(f.kind), str(f.count), ", ".join(code(t) for t in f.examples[:3])) for f in found[:MOST_FAILURES]]
    more = [f"… and {len(found) - MOST_FAILURES} more kinds"] if len(found) > MOST_FAILURES else []
    return ["## What went wrong, by kind", "", *table(("kind", "attempts", "for example"), rows), *more]


def _not_done(night: Night, result: NightResult) -> list[str]:
    lines = [f"{p.id}: left out: {p.left_out}" for p in night.parts if p.left_out]
    lines += [f"{r.id}: {r.played} of {r.planned} attempts played" for r in result.parts if r.played != r.planned]
    begun = {r.id for r in result.parts}
    lines += [f"{p.id}: not begun" for p in night.parts if p.id not in begun and not p.left_out]
    lines += [f"{r.id}: error: {error}" for r in result.parts for error in r.errors]
    lines += [f"{r.id}: not in the history: {r.not_in_history}" for r in result.parts if r.not_in_history]
    lines += result.notes
    if not result.complete:
        lines.append(f"go on with: earwitness nightly --resume {night.night_id}")
    return ["## Not done, not measured", "", *(f"- {plain(line)}" for line in lines)] if lines else []


def _facts(night: Night, result: NightResult) -> list[str]:
    def gib(value: int | None) -> str:
        return NONE if value is None else f"{value / 2**30:.2f} GiB"

    facts = [
        ("wall time", f"{result.wall_s / 60:.1f} min in {result.sessions} session(s)"),
        ("disk, this night", gib(result.disk_bytes)),
        ("most memory, harness and children", f"{gib(result.peak_memory_bytes)} (looked at once a call, as it ends)"),
        *night.environment.items(),
    ]
    shown = [(plain(name), plain(value)) for name, value in facts if not name.startswith("case ")]
    return ["## With what", "", *table(("", ""), shown)]
