"""The verb `prove`: known faults and clean turns, as the ears measure them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness.processes.until_done import until_done

console = Console(highlight=False)


def prove_command(
    fault: Annotated[
        list[str] | None,
        typer.Argument(help="Faults by name; the whole catalogue if none is named.", metavar="[FAULT]..."),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Only live calls: each fault once, at about twice its limit.")
    ] = False,
    live: Annotated[bool, typer.Option(help="Live calls: each fault at its limit, and clean turns.")] = True,
    offline: Annotated[bool, typer.Option(help="Every severity, laid into the clean calls that are recorded.")] = True,
    again: Annotated[bool, typer.Option("--again", help="Play nothing: hear the recorded calls again.")] = False,
    user: Annotated[
        str, typer.Option("--user", "--lane", help="Lane of the faults: browser, bot or both.")
    ] = "browser",
    trials: Annotated[int, typer.Option(min=1, help="Live trials of each fault at its limit.")] = 20,
    clean_bot: Annotated[int, typer.Option(min=0, help="Clean turns in the bot lane.")] = 1_000,
    clean_browser: Annotated[int, typer.Option(min=0, help="Clean turns in the browser lane.")] = 200,
    captures: Annotated[int, typer.Option(min=1, help="Clean calls (10 turns each) for the offline form.")] = 20,
    out: Annotated[Path, typer.Option(help="Folder of the proof; later runs add to it.")] = Path("runs/proof"),
    list_faults: Annotated[bool, typer.Option("--list", help="Show the catalogue; play nothing.")] = False,
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
            until_done(prove_live(out, cache, wanted, console.print))
        if offline and not fast:
            prove_offline_in(out, wanted, console.print)
    finally:
        summary = write_proof(out, ears_version())
    code, text = verdict_of(summary)
    console.print(f"{text}; report: {out / 'proof.md'}", soft_wrap=True)
    raise typer.Exit(code)
