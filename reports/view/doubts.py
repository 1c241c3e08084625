"""Where the measurement itself is not to be believed: one line a call or turn, each reason once."""

from __future__ import annotations

from collections import defaultdict

from harness.model.measurement import Turn
from harness.model.verdict import Summary

SEPARATOR = "; "  # between the reasons of one figure


def doubts(summary: Summary) -> tuple[str, ...]:
    """Calls that are INVALID as a whole, and in other calls the turns with INVALID figures."""
    lines = []
    for attempt in (attempt for case in summary.cases for attempt in case.attempts):
        measurement = attempt.measurement
        if measurement is None:
            continue
        if not measurement.validity.ok:
            lines.append(f"{attempt.trace_id}: {SEPARATOR.join(measurement.validity.reasons)}")
            continue
        for turn in measurement.turns:
            found = _of_turn(turn)
            if found:
                lines.append(f"{attempt.trace_id}, reply {turn.reply_seq}: {found}")
    return tuple(lines)


def _of_turn(turn: Turn) -> str:
    reasons = {name: (m.reason or "").split(SEPARATOR) for name, m in turn.metrics.items() if m.invalid}
    if not reasons:
        return ""
    first = next(iter(reasons.values()))
    shared = [reason for reason in first if all(reason in own for own in reasons.values())]
    if shared and len(reasons) > 1:  # what is wrong is the turn, not these figures
        return f"{SEPARATOR.join(shared)} ({len(reasons)} figures)"
    named: defaultdict[str, list[str]] = defaultdict(list)
    for name, own in reasons.items():
        named[SEPARATOR.join(own)].append(name)
    return ", ".join(f"{', '.join(names)} ({reason})" for reason, names in named.items())
