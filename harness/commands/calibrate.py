"""The verb `calibrate`: measure known delays, and report the error."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness.processes.until_done import until_done

console = Console(highlight=False)


def calibrate_command(
    turns: Annotated[
        int, typer.Option(min=1, max=10_000, help="Turns in each session, with two known delays each.")
    ] = 60,
    user: Annotated[str, typer.Option("--user", "--lane", help="browser, bot, or both, one after the other.")] = "both",
    sessions: Annotated[str, typer.Option(help="Numbers of sessions at once, one setting after the other.")] = "1,2,3",
    runs: Annotated[Path | None, typer.Option(help="Folder in which runs are written.", show_default="runs/")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the delays and words.")] = 1,
    again: Annotated[
        Path | None, typer.Option(help="Play nothing: hear the captures of this run again.", metavar="RUN_DIR")
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
        done, run_dir = until_done(playing), plan.run_dir
        kept = keep_side_by_side(done, settings.machine_class)
        if not kept and len(plan.sessions) > 1:
            console.print("--jobs auto learns nothing from this: too few turns, or none alone, are to be believed")
        for known in kept:
            jobs = auto_jobs(known, known.machine, known.lane)
            console.print(f"{known.lane} lane: --jobs auto is {jobs.jobs} ({jobs.why})", markup=False, soft_wrap=True)
    console.print(f"{done.verdict}; report: {run_dir / 'calibration_report.md'}", soft_wrap=True)
    raise typer.Exit(exit_code(done))
