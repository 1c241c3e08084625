"""The benchmark's page: totals by place and voice, then one line a kind, severity and place. Plain Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.changes.all_kinds import BY_ID
from benchmarks.changes.judged import Row
from benchmarks.changes.kind import PLACES, SEVERITIES


def page(rows: Sequence[Row]) -> str:
    return "\n".join([*summary_lines(rows), "", *kind_lines(rows)]) + "\n"


def summary_lines(rows: Sequence[Row]) -> list[str]:
    """One line a voice and place, over what is due; the last over all."""
    lines = [
        "| voice | place | due | blocked | only a warning | not measured | passed silently | right blame | judged right |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    due = [row for row in rows if row.due]
    for voice in sorted({row.voice for row in due}):
        for place in PLACES:
            part = [row for row in due if row.voice == voice and row.place == place]
            if part:
                lines.append(_total(voice, place, part))
    if due:
        lines.append(_total("all", "all", due))
    tolerated = [row for row in rows if not row.due]
    wrong = Counter(row.why for row in tolerated if row.verdict == "wrong")
    named = ", ".join(f"{why} {n}" for why, n in wrong.most_common())
    lines += ["", f"Tolerated changes: {len(tolerated)}; of them named wrongly: {sum(wrong.values())}"
                  + (f" ({named})." if named else ".")]  # fmt: skip
    return lines


def _total(voice: str, place: str, rows: Sequence[Row]) -> str:
    n, outcome = len(rows), Counter(row.outcome for row in rows)
    right = sum(row.blame == "right" for row in rows)
    judged = sum(row.verdict == "right" for row in rows)
    cells = [
        voice, place, str(n), _share(outcome["blocked"], n), _share(outcome["warned"], n), str(outcome["not measured"]),
        str(outcome["silent"]), _share(right, n), _share(judged, n),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _share(k: int, n: int) -> str:
    return f"{k} ({100 * k / n:.1f} %)" if n else "–"


def kind_lines(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| change | severity | place | due | n | silent | warned | blocked | gates | named | blame | wrong |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in BY_ID.values():
        for place in PLACES:
            for severity in SEVERITIES:
                part = [r for r in rows if (r.kind, r.place, r.severity) == (kind.id, place, severity)]
                if part:
                    lines.append(_kind_line(kind.shown(severity), part))
    return lines


def _kind_line(amount: str, rows: Sequence[Row]) -> str:
    first, outcome = rows[0], Counter(row.outcome for row in rows)
    cells = [
        first.kind, amount, first.place, "yes" if first.due else "no", str(len(rows)), str(outcome["silent"]),
        str(outcome["warned"]), str(outcome["blocked"]), _counted(g for r in rows for g in (*r.blocking, *r.warning)),
        _counted(r.named for r in rows), _counted(r.blame for r in rows), _counted(r.why for r in rows if r.why),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in Counter(names).most_common())


def clean_page(replies: Sequence[Mapping[str, object]]) -> str:
    """False alarms by voice, lane and form."""
    lines = [
        "| voice | lane | form | replies | with a blocking gate | with a warning | gates |",
        "|---|---|---|---|---|---|---|",
    ]
    groups = sorted({(str(r["voice"]), str(r["lane"]), str(r["form"])) for r in replies})
    for group in groups:
        part = [r for r in replies if (r["voice"], r["lane"], r["form"]) == group]
        blocked, warned = (sum(bool(r[kind]) for r in part) for kind in ("blocking", "warning"))
        gates = _counted(str(g) for r in part for kind in ("blocking", "warning") for g in _names(r[kind]))
        lines.append(f"| {' | '.join([*group, str(len(part)), str(blocked), str(warned), gates])} |")
    return "\n".join(lines) + "\n"


def _names(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
