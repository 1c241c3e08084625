"""The command `earwitness`. Each verb reads its options, calls the room that does the work, and ends with its exit
status.

Exit status: 0 pass; 1 a blocking FAIL or FLAKY (with --strict also WARN); 2 usage; 3 a blocking NO_DATA, INVALID or
NOT_APPLIED, or an error of the harness; 130 interrupted.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

import harness
from harness.commands.baseline import baseline_app
from harness.commands.history import history_app
from harness.commands.listen import listen_command
from harness.commands.nightly import RETAIN_EPILOG, nightly_command, retain_command
from harness.commands.report import report_command
from harness.commands.run import CasesOption, run_command
from harness.commands.serve import serve_app
from harness.commands.serve_engines import serve_engines_command
from harness.commands.serve_tts import serve_tts_command
from harness.commands.tts import tts_command
from harness.errors import EarwitnessError
from harness.processes.ending import end_process_of
from harness.processes.until_done import until_done as _until_done

EPILOG = (
    "Exit status: 0 pass; 1 a blocking FAIL or FLAKY (with --strict also WARN); 2 usage; "
    "3 a blocking NO_DATA, INVALID or NOT_APPLIED, or an error of the harness; 130 interrupted."
)
LISTEN_EPILOG = (
    "Exit status: 0 measured; 2 a wrong file or option; 3 something could not be measured, or is not to be believed."
)
app = typer.Typer(
    name="earwitness",
    help="Earwitness hears what your users hear: it calls your voice agent over real WebRTC and judges the sound.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
console = Console(highlight=False)


def _version(value: bool) -> None:
    if value:
        console.print(f"earwitness {harness.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(epilog=EPILOG)
def setup(
    quiet: Annotated[bool, typer.Option("--quiet", help="Say something only if something is missing.")] = False,
) -> None:
    """Provide what a run needs on this machine: media server, Chromium, page library.

    Looks for each part first (PATH, the cache) and fetches or builds only what is missing. A second call only checks.
    """
    from harness.provide.setup import everything_is_here, run_setup

    run_setup(Console(quiet=True) if quiet and everything_is_here() else console)


@app.command(epilog=EPILOG)
def doctor() -> None:
    """Show each component: found where, which version, or what to do. Exit status 3 if a needed one is missing."""
    from harness.provide.doctor import examine, render

    components = examine()
    console.print(render(components))
    if any(not component.ok and component.needed for component in components):
        raise typer.Exit(3)


app.command("run", epilog=EPILOG)(run_command)


@app.command(epilog=EPILOG)
def cases(
    case: Annotated[list[str] | None, typer.Argument(help="Only these cases.", metavar="[CASE]...")] = None,
    suite: Annotated[str, typer.Option(help="fast, mini, extended, one that your cases name, or all.")] = "all",
    tag: Annotated[
        list[str] | None, typer.Option(help="Of the suite, only cases that have one of these tags.", metavar="TAG")
    ] = None,
    cases: CasesOption = None,
    export: Annotated[
        Path | None, typer.Option(help="Write each case's WAV, truth and a picture of it into this folder.")
    ] = None,
) -> None:
    """List the cases with tier, suites, tags and duration; --export gives the WAV and a picture with its truth marked."""
    from harness.provide.cache import cache_dir
    from harness.run.cases import build_cases, load_checked_cases, select_cases
    from harness.settings import load_settings
    from harness.speech.catalogue import export_case, list_rows

    settings = load_settings({"cases": cases})
    if settings.cases_note():
        console.print(settings.cases_note(), markup=False, soft_wrap=True)
    chosen = select_cases(load_checked_cases([settings.cases], settings.run_limits()), suite, case or [], tag or ())
    built = build_cases(chosen, cache_dir() / "cases")
    table = Table(title=f"{len(built)} cases")
    for heading in ("case", "tier", "suites", "tags", "seconds", "what the user does"):
        justify: Literal["left", "right"] = "right" if heading == "seconds" else "left"
        table.add_column(heading, justify=justify, no_wrap=heading == "case")
    for row in list_rows(built):
        table.add_row(row.id, row.tier, " ".join(row.suites), " ".join(row.tags), f"{row.duration_s:.1f}", row.title)
    console.print(table)
    for note in [f"{item.case.id}: {note}" for item in built for note in item.truth.notes]:
        console.print(note, markup=False, soft_wrap=True)
    if export is not None:
        for item in built:
            for path in export_case(item, export):
                console.print(str(path), soft_wrap=True)


@app.command(epilog=EPILOG)
def sweep(
    case: Annotated[list[str] | None, typer.Argument(help="Cases by name.", metavar="[CASE]...")] = None,
    loss: Annotated[str | None, typer.Option(help="Percent: FIRST:LAST:STEP or VALUE,VALUE,…")] = None,
    delay: Annotated[str | None, typer.Option(help="ms, one way.")] = None,
    jitter: Annotated[str | None, typer.Option(help="ms; needs as much delay.")] = None,
    bandwidth: Annotated[str | None, typer.Option(help="kbit/s.")] = None,
    queue: Annotated[str | None, typer.Option(help="ms; needs a bandwidth in the network.")] = None,
    bitrate: Annotated[str | None, typer.Option(help="kbit/s of the reference agent's Opus.")] = None,
    dtx: Annotated[str | None, typer.Option(help="Of the reference agent: off,on.")] = None,
    red: Annotated[str | None, typer.Option(help="Of the reference agent: off,on.")] = None,
    fec: Annotated[str | None, typer.Option(help="Cannot be varied; says why.", hidden=True)] = None,
    network: Annotated[
        str | None, typer.Option(help="What the rest of the network is: a profile.", show_default="wifi_good")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, max=1000, help="Times each case is run at each value.")] = 5,
    lane: Annotated[
        str | None, typer.Option("--user", "--lane", help="browser or bot.", show_default="browser")
    ] = None,
    suite: Annotated[str, typer.Option(help="Cases, if none is named.")] = "mini",
    runs: Annotated[Path | None, typer.Option(help="Where runs are written.", show_default="runs/")] = None,
) -> None:
    """Vary one thing about the network or the agent's codec: how latency and concealment grow, and from where on
    blocking gates fail.

    Writes runs/sweep-…/sweep.md with the curve, and a run of its own for each value.
    """
    from harness.provide.cache import cache_dir
    from harness.run.cases import build_cases, load_checked_cases, select_cases
    from harness.run.sweep import make_profiles, run_sweep
    from harness.run.sweep_axis import parse_axis
    from harness.settings import load_settings
    from reports.render.sweep import headline

    of_network = {"loss": loss, "delay": delay, "jitter": jitter, "bandwidth": bandwidth, "queue": queue}
    axis = parse_axis({**of_network, "bitrate": bitrate, "dtx": dtx, "red": red, "fec": fec})
    settings = load_settings({"network": network, "repeat": repeat, "lane": lane, "suite": suite, "runs": runs})
    make_profiles(settings, axis)
    if settings.cases_note():
        console.print(settings.cases_note(), markup=False, soft_wrap=True)
    chosen = select_cases(load_checked_cases([settings.cases], settings.run_limits()), settings.suite, case or [])
    built = build_cases(chosen, cache_dir() / "cases")
    done, folder = _until_done(run_sweep(settings, built, axis, console.print))
    console.print(f"{headline(done)}; report: {folder / 'sweep.md'}", soft_wrap=True)
    raise typer.Exit(0 if any(point.measured for point in done.points) else 3)


@app.command(epilog=EPILOG)
def calibrate(
    turns: Annotated[int, typer.Option(min=1, max=10_000, help="Turns a session, two known delays each.")] = 60,
    user: Annotated[str, typer.Option("--user", "--lane", help="browser, bot, or both, one after the other.")] = "both",
    sessions: Annotated[str, typer.Option(help="How many sessions at once, one setting after the other.")] = "1,2,3",
    runs: Annotated[Path | None, typer.Option(help="Where runs are written.", show_default="runs/")] = None,
    seed: Annotated[int, typer.Option(help="Of the delays and words.")] = 1,
    again: Annotated[
        Path | None, typer.Option(help="Play nothing: hear the captures of this run anew.", metavar="RUN_DIR")
    ] = None,
) -> None:
    """Measure known delays: a beacon answers D ms after the user; the report says how far off the measurement is.

    Writes runs/RUN_ID/calibration_report.md and calibration.json. Takes about 3 minutes for 60 turns of a setting. With one
    session and with several at once it also tells `earwitness run --jobs auto` how many this machine bears.
    """
    from harness.prove.calibrate import calibrate as play_and_hear
    from harness.prove.calibrate import exit_code, hear_again, keep_side_by_side, make_calibration, one_line
    from harness.run.jobs import auto_jobs
    from harness.settings import load_settings

    if again is not None:
        done, run_dir = hear_again(again), again
    else:
        settings = load_settings({"runs": runs})
        plan = make_calibration(settings.runs, turns=turns, user=user, sessions=sessions, seed=seed)
        playing = play_and_hear(plan, on_note=console.print, on_played=lambda s, p: console.print(one_line(s, p)))
        done, run_dir = _until_done(playing), plan.run_dir
        kept = keep_side_by_side(done, settings.machine_class)
        if not kept and len(plan.sessions) > 1:
            console.print("--jobs auto learns nothing from this: too few turns, or none alone, are to be believed")
        for known in kept:
            jobs = auto_jobs(known, known.machine, known.lane)
            console.print(f"{known.lane} lane: --jobs auto is {jobs.jobs} ({jobs.why})", markup=False, soft_wrap=True)
    console.print(f"{done.verdict}; report: {run_dir / 'calibration_report.md'}", soft_wrap=True)
    raise typer.Exit(exit_code(done))


app.command("listen", epilog=LISTEN_EPILOG)(listen_command)
app.command("report", epilog=EPILOG)(report_command)
app.command("nightly", epilog=EPILOG)(nightly_command)
app.command("retain", epilog=RETAIN_EPILOG)(retain_command)
app.add_typer(history_app, name="history")
app.add_typer(baseline_app, name="baseline")
app.add_typer(serve_app, name="serve")


@app.command(epilog=EPILOG)
def prove(
    fault: Annotated[
        list[str] | None,
        typer.Argument(help="Faults by name; the whole catalogue if none is named.", metavar="[FAULT]..."),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Live only, each fault once at about twice its limit.")] = False,
    live: Annotated[bool, typer.Option(help="Real calls: each fault at its limit, and clean turns.")] = True,
    offline: Annotated[bool, typer.Option(help="Every severity, over the clean calls that are recorded.")] = True,
    again: Annotated[bool, typer.Option("--again", help="Play nothing: hear the recorded calls anew.")] = False,
    user: Annotated[
        str, typer.Option("--user", "--lane", help="Lane of the faults: browser, bot or both.")
    ] = "browser",
    trials: Annotated[int, typer.Option(min=1, help="Live trials of each fault at its limit.")] = 20,
    clean_bot: Annotated[int, typer.Option(min=0, help="Clean turns in the bot lane.")] = 1_000,
    clean_browser: Annotated[int, typer.Option(min=0, help="Clean turns in the browser lane.")] = 200,
    captures: Annotated[int, typer.Option(min=1, help="Clean calls (10 turns each) for the offline form.")] = 20,
    out: Annotated[Path, typer.Option(help="Where the proof is kept; it adds up.")] = Path("runs/proof"),
    list_faults: Annotated[bool, typer.Option("--list", help="Show the catalogue and end.")] = False,
) -> None:
    """Prove the ears: known faults through real calls, and what is made of clean turns.

    Resumable: what OUT holds already is not done again. Writes OUT/proof.md and OUT/proof.json. The full form takes about
    an hour live and as much offline; ends with 1 if a fault at its limit was missed or a clean turn was taken for a fault.
    """
    from harness.prove.proof_report import verdict_of, write_proof
    from harness.prove.prove import check_folder, hear_again, make_wanted, prove_live, prove_offline_in
    from harness.prove.prove_table import catalogue_table
    from harness.prove.trials import ears_version
    from harness.provide.cache import cache_dir

    clean = {"bot": clean_bot, "browser": clean_browser}
    wanted = make_wanted(fault or [], fast=fast, trials=trials, lane=user, clean=clean, captures=captures)
    if list_faults:
        console.print(catalogue_table(wanted.faults))
        return
    check_folder(out)
    cache = cache_dir() / "proof"
    try:
        if again:
            hear_again(out, cache, console.print)
        elif live:
            _until_done(prove_live(out, cache, wanted, console.print))
        if offline and not fast:
            prove_offline_in(out, wanted, console.print)
    finally:
        summary = write_proof(out, ears_version())
    code, text = verdict_of(summary)
    console.print(f"{text}; report: {out / 'proof.md'}", soft_wrap=True)
    raise typer.Exit(code)


app.command("serve-engines", epilog=EPILOG)(serve_engines_command)
app.command("serve-tts", epilog=EPILOG)(serve_tts_command)
app.command("tts", epilog=EPILOG)(tts_command)


def main() -> None:
    """What is explained in one line is printed in one line, everything else is a bug and shows its trace."""
    warnings.filterwarnings("ignore", "The HMAC key is")  # the secret of `livekit-server --dev` is short, and not ours
    try:
        app()
    except EarwitnessError as error:
        Console(stderr=True, highlight=False).print(f"earwitness: {error}", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)


def main_of_process() -> None:
    """Entry point of the command."""
    end_process_of(main)


if __name__ == "__main__":
    main_of_process()
