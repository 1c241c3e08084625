"""The verbs `nightly` and `retain`: play or resume a night, and free disk by its policy."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.model.night import PlannedPart
    from harness.nightly.begin import Begun
    from harness.nightly.plan_file import NightPlan

console = Console(highlight=False)
GUESS_S = 15.0  # an attempt with its measurement, as a first guess

RETAIN_EPILOG = "Exit status: 0 done; 2 a wrong folder or option; 3 the limit cannot be kept, or something failed."


def nightly_command(
    plan: Annotated[
        Path | None,
        typer.Option(help="The plan, a YAML file (docs/how_to/nightly.md).", show_default="the one that ships"),
    ] = None,
    turns: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="How often each case is played, unless its part says otherwise."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "--runs", help="Folder in which the night's own folder is made.", show_default="runs/"),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(help="Continue a night that was broken off, with its own plan and options.", metavar="RUN_ID"),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Show what would be played; play nothing.")] = False,
    lane: Annotated[
        str | None,
        typer.Option(
            "--user", "--lane", help="browser or bot, unless its part says otherwise.", show_default="browser"
        ),
    ] = None,
    agent: Annotated[str | None, typer.Option(help="As of `earwitness run`.", show_default="reference")] = None,
    agent_instrumented: Annotated[
        bool | None, typer.Option("--agent-instrumented", help="As of `earwitness run`.")
    ] = None,
    page: Annotated[str | None, typer.Option(help="As of `earwitness run`.", show_default="the product page")] = None,
    page_script: Annotated[Path | None, typer.Option(help="As of `earwitness run`.")] = None,
    cases: Annotated[
        Path | None,
        typer.Option(help="Case file or folder of cases.", show_default="cases/, else those that ship", metavar="PATH"),
    ] = None,
    livekit_url: Annotated[
        str | None, typer.Option(help="An external media server; key and secret from the environment.")
    ] = None,
    history: Annotated[
        str | None,
        typer.Option(
            help="Where every measurement goes: a file, a database URL, or off.", show_default="OUT/history.sqlite"
        ),
    ] = None,
    limits: Annotated[str | None, typer.Option(help="As of `earwitness run`.", show_default="shipped")] = None,
    gate: Annotated[
        list[str] | None, typer.Option(help="As of `earwitness run`; more than once.", metavar="ID=VALUE")
    ] = None,
    floor: Annotated[
        str | None, typer.Option(help="As of `earwitness run`.", metavar="RUN_DIR", show_default="off")
    ] = None,
    strict: Annotated[bool | None, typer.Option("--strict", help="WARN counts as a failure too.")] = None,
    summary: Annotated[
        Path | None,
        typer.Option(help="Append night.md to this file as well: a CI job's summary.", metavar="FILE"),
    ] = None,
) -> None:
    """Play a night: cases × networks × turns after a plan, with one verdict. Resumable after a kill at any point.

    Writes OUT/NIGHT_ID/night.md and night.json, and a run with its own report for each part. Nothing is repeated to pass:
    a case that fails once and passes once is FLAKY.
    """
    from harness.nightly.begin import begin_night, check_settings, take_up
    from harness.nightly.plan_file import DEFAULT_PLAN, read_plan
    from harness.settings import load_settings

    flags: dict[str, Any] = {
        "lane": lane, "agent": agent, "agent_instrumented": agent_instrumented, "page": page, "cases": cases,
        "page_script": page_script, "livekit_url": livekit_url, "history": history, "strict": strict,
        "limits": limits, "gate": gate or None, "floor": floor,
    }  # fmt: skip
    if resume is not None:
        _nothing_else({**flags, "plan": plan, "turns": turns})
        begun = take_up(resume, out)
    else:
        wanted = read_plan(plan or DEFAULT_PLAN)
        wanted = wanted if turns is None else wanted.model_copy(update={"turns": turns})
        settings = load_settings({**flags, "runs": out})
        check_settings(settings)
        if settings.cases_note():
            console.print(settings.cases_note(), markup=False, soft_wrap=True)
        if show:
            _show(wanted, settings)
            return
        begun = begin_night(wanted, settings)
    if show:
        _table(begun.night.parts)
        return
    raise typer.Exit(_play(begun, summary))


def retain_command(
    runs: Annotated[Path, typer.Argument(help="The folder of runs and nights.", metavar="RUNS")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; do nothing.")] = False,
    flac_after_days: Annotated[float, typer.Option(min=0, help="Age at which calls that passed become FLAC.")] = 0,
    numbers_after_days: Annotated[float, typer.Option(min=0, help="Age at which only their numbers are kept.")] = 14,
    disk_limit_gb: Annotated[
        float | None,
        typer.Option(help="Limit of the whole folder: the oldest calls are reduced first.", show_default="none"),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option(
            help="The history, which knows the runs that a baseline needs.", show_default="RUNS/history.sqlite"
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Print a line for each capture, also for those that are left alone.")
    ] = False,
) -> None:
    """Give disk back: recordings of calls that passed become FLAC, later only their numbers are kept.

    Failures (of a case that did not pass every time), runs of baselines and whatever is not recognised stay as they are.
    """
    from harness.nightly.plan_file import Keep
    from harness.nightly.retain import retain
    from harness.settings import load_settings

    if disk_limit_gb is not None and disk_limit_gb <= 0:
        raise UsageError(f"--disk-limit-gb {disk_limit_gb:g}: must be above 0")
    keep = Keep(flac_after_days=flac_after_days, numbers_after_days=numbers_after_days, disk_limit_gb=disk_limit_gb)
    settings = load_settings({"runs": runs, "history": history})

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    done = retain(
        runs,
        keep,
        history=settings.history_place(),
        dry_run=dry_run,
        on_step=(lambda step: say(f"{step.held.folder}: {step.to.name.lower()} ({step.why})")) if verbose else _silent,
    )
    for line in done.in_words(dry_run=dry_run):
        say(line)
    if done.passed_by:
        say(f"not touched: {len(done.passed_by)}" + ("" if verbose else " (--verbose lists them)"))
    for line in done.passed_by if verbose else ():
        say(f"  {line}")
    raise typer.Exit(3 if done.over_bytes or done.problems else 0)


def _silent(_: object) -> None:
    pass


def _nothing_else(given: dict[str, Any]) -> None:
    found = [
        f"--{name.replace('_', '-').replace('lane', 'user')}" for name, value in given.items() if value is not None
    ]
    if found:
        raise UsageError(f"--resume goes on with the night's own plan and options; leave out {', '.join(found)}")


def _play(begun: Begun, summary: Path | None) -> int:
    from harness.nightly.folder import NIGHT, locked
    from harness.nightly.night import NightRun
    from harness.nightly.progress import NightProgress
    from harness.nightly.session import open_session
    from harness.processes.until_done import until_done
    from reports.render.night import REPORT

    with locked(begun.folder), NightProgress(console) as progress:
        session = open_session(begun.folder)
        run = NightRun(
            begun.folder, begun.night, begun.plan, begun.settings, begun.cases, progress, session,
            make_room=partial(_make_room, begun),
        )  # fmt: skip
        console.print(f"night {begun.night.night_id}: {begun.folder}", soft_wrap=True)
        night = until_done(run.run())
    result = night.result
    assert result is not None
    report = begun.folder / REPORT
    console.print(result.headline, markup=False, soft_wrap=True)
    console.print(f"report: {report}, {begun.folder / NIGHT}", soft_wrap=True)
    if not result.complete:
        console.print(f"go on with: earwitness nightly --resume {night.night_id}", soft_wrap=True)
    if summary is not None:
        _append(summary, report)
    return int(result.exit_code)


def _make_room(begun: Begun) -> list[str]:
    """Free disk by the plan's policy, in the folder that holds the night."""
    from harness.errors import HistoryError
    from harness.nightly.retain import retain

    try:
        done = retain(begun.folder.parent, begun.plan.keep, history=begun.settings.history_place(), own=begun.folder)
    except (HistoryError, OSError) as error:
        return [f"disk: nothing was given back: {error}"]
    return done.in_words()


def _append(summary: Path, report: Path) -> None:
    try:
        with summary.open("a", encoding="utf-8") as file:
            file.write(report.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--summary {summary}: cannot be written: {error.strerror}; {report} has it") from error


def _show(plan: NightPlan, settings: Any) -> None:
    from harness.nightly.begin import plan_night

    _table(plan_night(plan, settings)[0])


def _table(parts: list[PlannedPart]) -> None:
    table = Table()
    for heading in ("part", "what", "cases", "attempts", "about"):
        table.add_column(heading, justify="right" if heading in ("cases", "attempts", "about") else "left")
    for part in parts:
        if part.left_out:
            table.add_row(part.id, f"left out: {part.left_out}", "", "", "")
        elif part.kind == "cases":
            minutes = part.planned * GUESS_S / 60
            table.add_row(part.id, part.about, str(len(part.cases)), str(part.planned), f"{minutes:.0f} min")
        else:
            table.add_row(part.id, part.about, "", "", "3 min")
    console.print(table)
    total = sum(part.planned for part in parts)
    console.print(f"{total} attempts; about {total * GUESS_S / 3600:.1f} h at {GUESS_S:g} s each", soft_wrap=True)
