"""The verbs `baseline set | show | diff | promote | log`: name runs that later ones are compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from harness.commands.history import HistoryOption, existing_history
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.model.changes import Against

EPILOG = "Exit status: 0 done; 1 `diff` found something worse; 2 wrong, refused or cannot be compared; 3 no history."
WORSE, REFUSED = 1, 2
baseline_app = typer.Typer(
    help="Name runs as a baseline, compare with it, promote USER_KPI to FAIL.", epilog=EPILOG, no_args_is_help=True
)
console = Console(highlight=False)
NameArgument = Annotated[str, typer.Argument(help="The baseline's name; NAME@2 is its version 2.", metavar="NAME")]


@baseline_app.command("set", epilog=EPILOG)
def set_(
    name: Annotated[str, typer.Argument(help="The baseline's name.", metavar="NAME")],
    run: Annotated[list[str], typer.Argument(help="Ids of runs in the history.", metavar="RUN_ID...")],
    reason: Annotated[str, typer.Option(help="Reason; needed for a new version of a name that exists.")] = "",
    history: HistoryOption = None,
) -> None:
    """Make a new version of NAME from these runs. Refused if they are not comparable among themselves, complete and in order.

    It keeps their samples; nothing is judged by it until it is promoted.
    """
    from harness.history.baselines import set_baseline
    from harness.history.database import open_history

    with open_history(existing_history(history)) as opened, opened.writing() as session:
        made = set_baseline(session, name, run, reason)
    console.print(f"baseline {made.title}: {len(made.runs)} runs, {len(made.cases)} cases")


@baseline_app.command(epilog=EPILOG)
def show(
    name: Annotated[
        str | None, typer.Argument(help="All if none is named; NAME@2 is version 2.", metavar="[NAME]")
    ] = None,
    history: HistoryOption = None,
) -> None:
    """Show a baseline: its environment, its runs, its latency, and the limit that is in force."""
    from harness.history.baselines import newest_of_each, read_baseline, samples_of_baseline
    from harness.history.database import open_history
    from harness.history.promotion import limit_in_force
    from harness.judge.compared import PRIMARY
    from harness.judge.numbers import show as shown
    from harness.judge.statistics import distribution

    with open_history(existing_history(history)) as opened, opened.reading() as session:
        found = [read_baseline(session, name)] if name is not None else newest_of_each(session)
        if not found:
            console.print("no baseline yet; `earwitness baseline set NAME RUN_ID…` makes one")
        for baseline in found:
            kpi = PRIMARY[baseline.environment["lane"]]
            values = distribution([s.value for s in samples_of_baseline(session, baseline) if s.metric == kpi])
            limit = limit_in_force(session, baseline.name)
            table = Table(title=f"baseline {baseline.title}", title_justify="left", show_header=False)
            for key, value in baseline.environment.items():
                table.add_row(key, value)
            table.add_row("limits its runs passed by", baseline.about.get("limits", "those that ship"))
            table.add_row("commits", ", ".join(baseline.about["commits"]))
            table.add_row("runs", ", ".join(baseline.runs))
            table.add_row("cases", ", ".join(sorted(baseline.cases)))
            table.add_row(kpi, f"n {values.n}, P50 {shown(values.p50, 'ms')}, P95 {shown(values.p95, 'ms')}")
            in_force = f"{limit.limit_ms:g} ms since {limit.at} (v{limit.version}: {limit.reason})" if limit else "none"
            table.add_row("limit of USER_KPI's P95", in_force)
            table.add_row("made", f"{baseline.made_at} by {baseline.made_by} {baseline.reason}".strip())
            console.print(table)


@baseline_app.command(epilog=EPILOG)
def diff(
    name: NameArgument,
    run: Annotated[
        str | None, typer.Argument(help="A run's id; the newest of the baseline's lane if none.", metavar="[RUN_ID]")
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare although this differs: chromium, livekit-server, livekit-client or ears (nothing else is possible)."
        ),
    ] = None,
    history: HistoryOption = None,
) -> None:
    """Compare a run with a baseline, number by number; refused where the two cannot be compared, with every difference."""
    from harness.history.baselines import read_baseline
    from harness.history.changes import against_baseline
    from harness.history.database import open_history
    from harness.history.environment import ACCEPTABLE
    from harness.history.reading import latest_runs, read_run

    unknown = sorted(set(accept or []) - set(ACCEPTABLE))
    if unknown:
        raise UsageError(f"--accept {', '.join(unknown)}: only {', '.join(ACCEPTABLE)} can be accepted")
    with open_history(existing_history(history)) as opened, opened.reading() as session:
        baseline = read_baseline(session, name)
        lane = baseline.environment["lane"]
        newest = latest_runs(session, 1, lane=lane) if run is None else [read_run(session, run)]
        if not newest:
            raise UsageError(f"the history has no run of the {lane} lane")
        console.print(f"run {newest[0].run_id} against baseline {baseline.title}", soft_wrap=True)
        against = against_baseline(session, newest[0], baseline, accept=accept or [])
    raise typer.Exit(_print_against(against))


@baseline_app.command(epilog=EPILOG)
def promote(
    name: NameArgument,
    reason: Annotated[str, typer.Option(help="Reason; it is kept in the log.")],
    calibration: Annotated[
        Path | None,
        typer.Option(help="Run folder of `earwitness calibrate` on this class of machine.", metavar="RUN_DIR"),
    ] = None,
    loosen: Annotated[bool, typer.Option("--loosen", help="The new limit may be above the one in force.")] = False,
    history: HistoryOption = None,
) -> None:
    """USER_KPI fails a run from now on whose P95 is above this baseline's P95 + 50 ms.

    Asks for a calibration that says CALIBRATED, turns that are all to be believed, at least 20 of them (30 recommended), three
    consecutive nights inside the limit, and a limit of at most 900 ms that is not above the one in force.
    """
    from harness.history.database import open_history
    from harness.history.promotion import promote as write_limit

    with open_history(existing_history(history)) as opened, opened.writing() as session:
        found, entry = write_limit(session, name, calibration, reason, loosen=loosen)
    console.print(
        f"baseline {found.baseline.title}: USER_KPI fails above {entry.limit_ms:g} ms "
        f"(P95 {found.p95_ms:g} ms of {found.n_turns} turns + 50 ms)",
        soft_wrap=True,
    )
    for note in found.notes:
        console.print(f"  note: {note}", markup=False, soft_wrap=True)


@baseline_app.command(epilog=EPILOG)
def log(
    name: Annotated[str | None, typer.Argument(help="Only this baseline.", metavar="[NAME]")] = None,
    history: HistoryOption = None,
) -> None:
    """Who set or promoted what, when and why. The log only grows."""
    from harness.history.baselines import read_log
    from harness.history.database import open_history

    table = Table()
    for heading in ("at", "by", "baseline", "action", "limit", "reason"):
        table.add_column(heading)
    with open_history(existing_history(history)) as opened, opened.reading() as session:
        for entry in read_log(session, name):
            limit = f"{entry.limit_ms:g} ms" if entry.limit_ms is not None else ""
            table.add_row(entry.at, entry.by, f"{entry.name} v{entry.version}", entry.action, limit, entry.reason)
    console.print(table)


def _print_against(against: Against) -> int:
    from harness.model.changes import Verdict
    from reports.view.changes import HEADINGS, against_view

    view = against_view(against)
    console.print(view.headline, markup=False, soft_wrap=True)
    for title, lines in (("accepted", view.accepted), ("left out", view.left_out), ("noted", view.noted)):
        for line in lines:
            console.print(f"  {title}: {line}", markup=False, soft_wrap=True)
    if view.refused:
        return REFUSED
    table = Table()
    for heading in HEADINGS:
        table.add_column(heading)
    for row in view.rows:
        table.add_row(*row)
    console.print(table)
    for metrics, reason in view.not_compared:
        console.print(f"  not compared: {metrics}: {reason}", markup=False, soft_wrap=True)
    return WORSE if any(c.verdict is Verdict.WORSE for c in against.comparisons) else 0
