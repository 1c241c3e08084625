"""The verb `cases`: list the cases, and export their speech."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from harness.commands.run import CasesOption

console = Console(highlight=False)


def cases_command(
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
    from harness.run.human import case_folders
    from harness.settings import load_settings
    from harness.speech.catalogue import export_case, list_rows

    settings = load_settings({"cases": cases})
    if settings.cases_note():
        console.print(settings.cases_note(), markup=False, soft_wrap=True)
    folders = case_folders(settings.cases, suite)
    chosen = select_cases(load_checked_cases(folders, settings.run_limits()), suite, case or [], tag or ())
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
