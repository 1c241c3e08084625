"""The verbs `history add | list | show`: show the history, and take run folders into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.history.reading import RunRecord

EPILOG = (
    "Exit status: 0 done; 2 a wrong file or option; 3 the history cannot be read or written, or a capture was left out."
)
NOT_ALL = 3
history_app = typer.Typer(
    help="Every run's measurements: take runs in, list them, show one.", epilog=EPILOG, no_args_is_help=True
)
console = Console(highlight=False)

HistoryOption = Annotated[
    str | None,
    typer.Option("--history", help="The history: a file or a database URL.", show_default="runs/history.sqlite"),
]


def history_place(history: str | None) -> str | Path:
    """The file or URL in force. Raises UsageError if none is kept."""
    from harness.settings import load_settings

    place = load_settings({"history": history}).history_place()
    if place is None:
        raise UsageError("no history is kept here (history = off); name one with --history FILE_OR_URL")
    return place


def existing_history(history: str | None) -> str | Path:
    """`history_place`, where a file must exist: reading makes none. Raises UsageError."""
    place = history_place(history)
    if "://" not in str(place) and not Path(place).is_file():
        raise UsageError(f"{place}: there is no history yet; `earwitness run` writes one, `earwitness history add` too")
    return place


@history_app.command(epilog=EPILOG)
def add(
    run: Annotated[list[Path], typer.Argument(help="Run folders.", metavar="RUN...")],
    again: Annotated[
        bool,
        typer.Option("--again", help="Hear the recordings again with today's ears, and judge them by today's gates."),
    ] = False,
    history: HistoryOption = None,
) -> None:
    """Take finished (or killed) run folders into the history. What is there already is not written twice."""
    from harness.history.database import open_history
    from harness.history.ingest import ingest_run
    from harness.settings import load_settings

    machine = load_settings({}).machine_class
    problems = 0
    with open_history(history_place(history)) as opened:
        for folder in run:
            done = ingest_run(opened, folder, again=again, machine=machine)
            counts = ", ".join(f"{count} {what}" for what, count in sorted(done.attempts.items()))
            console.print(f"{done.run_id}: {counts}", soft_wrap=True)
            for problem in done.problems:
                console.print(f"  left out: {problem}", markup=False, soft_wrap=True)
            problems += len(done.problems)
    if problems:
        raise typer.Exit(NOT_ALL)


@history_app.command("list", epilog=EPILOG)
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many runs are listed, newest first.")] = 20,
    lane: Annotated[
        str | None, typer.Option("--user", "--lane", help="Only runs of this lane: browser or bot.")
    ] = None,
    history: HistoryOption = None,
) -> None:
    """List the runs, newest first, with their first latency: USER_KPI, in the bot lane the second listener's.

    Below 20 turns the maximum stands in P95's place. `history show` has the machine and the versions.
    """
    from harness.history.database import open_history
    from harness.history.reading import latest_runs, turn_values
    from harness.judge.numbers import show
    from harness.judge.statistics import distribution

    table = Table()
    for heading in ("run", "status", "what", "turns", "P50", "P95", "commit"):
        number = heading in ("turns", "P50", "P95")
        table.add_column(heading, justify="right" if number else "left", no_wrap=heading in ("run", "status"))
    with open_history(existing_history(history)) as opened, opened.reading() as session:
        for run in latest_runs(session, limit, lane=lane):
            values = distribution([v.value for v in turn_values(session, [run.run_id], [first_latency(run)])])
            tail = f"max {show(values.max, 'ms')}" if values.n < 20 else show(values.p95, "ms")
            where = run.environment
            profile = f", {where['profile']}" if where["profile"] != "none" else ""
            what = (
                f"{run.suite}, {where['lane']}"
                + (f" {where['mic']}" if where["lane"] != where["mic"] else "")
                + profile
            )
            table.add_row(
                run.run_id, run.status or "unfinished", what, str(values.n), show(values.p50, "ms"),
                tail if values.n else "–", _commit(run),
            )  # fmt: skip
    console.print(table)


@history_app.command(epilog=EPILOG)
def show(
    run: Annotated[str, typer.Argument(help="A run's id, or the beginning of it.", metavar="RUN_ID")],
    history: HistoryOption = None,
) -> None:
    """Show one run: its environment, its cases, its gates."""
    from harness.history.database import open_history
    from harness.history.reading import gates_of, read_run
    from harness.judge.numbers import show as shown
    from harness.judge.numbers import show_limit

    with open_history(existing_history(history)) as opened, opened.reading() as session:
        record = read_run(session, run)
        console.print(f"{record.run_id}  {record.status or 'unfinished'}  {record.started_at}  {record.folder or ''}")
        facts: dict[str, Any] = {**record.environment, "commit": _commit(record)}
        facts |= {name: value for name, value in record.host.items() if name != "load_1min"}
        _print_pairs("environment", facts)
        _print_pairs("cases, with the hash of what they say", {k: v or "not recorded" for k, v in record.cases.items()})
        table = Table(title="gates", title_justify="left")
        for heading in ("gate", "value", "threshold", "n", "status", "reason"):
            table.add_column(heading)
        excluded: dict[str, list[str]] = {}  # one reason often holds for many gates
        for gate in gates_of(session, record.run_id):
            if gate.status == "NOT_APPLICABLE":
                excluded.setdefault(gate.reason, []).append(gate.gate_id)
                continue
            value = shown(gate.value, gate.unit, beside=gate.threshold)
            limit = ", ".join(filter(None, [show_limit(gate.op, gate.threshold, gate.unit), gate.limit_note]))
            table.add_row(gate.gate_id, value, limit, str(gate.n), gate.status, gate.reason)
        console.print(table)
        for reason, names in excluded.items():
            console.print(f"NOT_APPLICABLE: {', '.join(names)}: {reason}", markup=False, soft_wrap=True)


def first_latency(run: RunRecord) -> str:
    return "user_kpi_raw_ms" if run.environment["lane"] == "browser" else "eot_to_first_audio_ms"


def _commit(run: RunRecord) -> str:
    return "–" if run.commit is None else run.commit + ("-dirty" if run.dirty else "")


def _print_pairs(title: str, pairs: dict[str, Any]) -> None:
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in pairs.items():
        table.add_row(name, str(value))
    console.print(table)
