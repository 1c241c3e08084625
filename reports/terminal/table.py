"""The verdict in a terminal: the cases, the gates that did not pass, the headline."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.judge.limits import limits_text
from harness.judge.numbers import show
from harness.model.status import Status
from harness.model.verdict import Summary
from reports.view.examined import examined
from reports.view.excluded import excluded
from reports.view.view import limit_of

COLOURS = {
    Status.PASS: "green",
    Status.WARN: "yellow",
    Status.FAIL: "bold red",
    Status.FLAKY: "bold red",
    Status.NO_DATA: "magenta",
    Status.INVALID: "magenta",
    Status.NOT_APPLIED: "magenta",
    Status.NOT_APPLICABLE: "dim",
}


def verdict_table(summary: Summary) -> Group:
    gates = Table(title="gates", title_justify="left")
    for heading in ("gate", "value", "threshold", "status"):
        gates.add_column(heading)
    for gate in summary.gates:
        if gate.status is Status.NOT_APPLICABLE:
            continue
        limit = limit_of(gate)
        kind = "" if gate.blocking else " [dim](warns)[/]"
        gates.add_row(gate.gate_id + kind, gate.shown, limit, Text(gate.status.value, COLOURS[gate.status]))
    kpi = summary.turn_taking.raw_ms
    apart = [Text(f"not applicable: {', '.join(names)}: {reason}", "dim") for names, reason in excluded(summary.gates)]
    lines: list[RenderableType] = [gates, *apart, Text(summary.headline, COLOURS[summary.status])]
    if kpi.n:
        tail = f"max of {kpi.n} {show(kpi.max, 'ms')}" if kpi.n < 20 else f"P95 {show(kpi.p95, 'ms')}"
        lines.append(Text(f"USER_KPI P50 {show(kpi.p50, 'ms')}, {tail}"))
    measured = [a.measurement for case in summary.cases for a in case.attempts if a.measurement is not None]
    not_examined = examined([turn for measurement in measured for turn in measurement.turns]).not_examined()
    if measured and not_examined:
        lines.append(Text(not_examined, "yellow"))
    if not summary.limits.shipped:
        lines.append(Text(f"limits: {limits_text(summary.limits)}"))
    lines += [Text(f"error: {error}", "magenta") for error in summary.errors]
    return Group(*lines)
