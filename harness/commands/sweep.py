"""The verb `sweep`: the same cases with one thing varied."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness.processes.until_done import until_done

console = Console(highlight=False)


def sweep_command(
    case: Annotated[list[str] | None, typer.Argument(help="Cases by name.", metavar="[CASE]...")] = None,
    loss: Annotated[str | None, typer.Option(help="Loss in percent: FIRST:LAST:STEP or VALUE,VALUE,…")] = None,
    delay: Annotated[str | None, typer.Option(help="Delay in ms, one way.")] = None,
    jitter: Annotated[str | None, typer.Option(help="Jitter in ms; needs at least as much delay.")] = None,
    bandwidth: Annotated[str | None, typer.Option(help="Bandwidth in kbit/s.")] = None,
    queue: Annotated[str | None, typer.Option(help="Queue in ms; needs a bandwidth in the network.")] = None,
    bitrate: Annotated[str | None, typer.Option(help="Bit rate of the reference agent's Opus in kbit/s.")] = None,
    dtx: Annotated[str | None, typer.Option(help="DTX of the reference agent: off,on.")] = None,
    red: Annotated[str | None, typer.Option(help="RED of the reference agent: off,on.")] = None,
    fec: Annotated[str | None, typer.Option(help="Cannot be varied; the error says why.", hidden=True)] = None,
    network: Annotated[
        str | None, typer.Option(help="Profile of the rest of the network.", show_default="wifi_good")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, max=1000, help="How often each case is run at each value.")] = 5,
    lane: Annotated[
        str | None, typer.Option("--user", "--lane", help="browser or bot.", show_default="browser")
    ] = None,
    suite: Annotated[str, typer.Option(help="Suite, if no case is named.")] = "mini",
    runs: Annotated[Path | None, typer.Option(help="Folder in which runs are written.", show_default="runs/")] = None,
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
    done, folder = until_done(run_sweep(settings, built, axis, console.print))
    console.print(f"{headline(done)}; report: {folder / 'sweep.md'}", soft_wrap=True)
    raise typer.Exit(0 if any(point.measured for point in done.points) else 3)
