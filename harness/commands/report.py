"""The verb `report`: write reports again for one run, or for several runs with two pages that compare them.

Exit status: the run's own; for several runs the worst one's (1 before 3 before 130); 2 a folder that is no run, or a run of
another schema.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import UsageError
from harness.options.otlp_target import read_target

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.model.verdict import Summary
    from reports.render.compare import Comparison

COMPARISON = "comparison.html"
WORST_EXIT_FIRST = (1, 3, 130, 0)


def report_command(
    run: Annotated[list[Path], typer.Argument(help="Run folders (runs/RUN_ID).", metavar="RUN...")],
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Hear the captures again and judge them by today's gates; summary.json is rewritten."
        ),
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="With --again: WARN counts as a failure too.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File of the comparison of several runs.",
            show_default="comparison.html beside the first run",
            metavar="FILE",
        ),
    ] = None,
    annotations: Annotated[
        bool,
        typer.Option(
            "--annotations", help="Write no report: print what did not pass as annotations of a GitHub workflow."
        ),
    ] = False,
    otlp: Annotated[
        str | None,
        typer.Option(
            help="Send each call as a trace to this collector too (OTLP over HTTP; docs/how_to/telemetry.md).",
            show_default="nowhere",
            metavar="URL",
        ),
    ] = None,
) -> None:
    """Write report.md and report.html again, from summary.json and the captures; several runs are compared.

    Nothing is called. Exit status as of the run; of several runs the worst.
    """
    from rich.console import Console

    console = Console(highlight=False)
    if strict and not again:
        raise UsageError("--strict needs --again: a verdict that is there is not judged anew")
    folders = list(dict.fromkeys(path.resolve() for path in run))
    if annotations and otlp is not None:
        raise UsageError("--annotations prints and does nothing else: leave out --otlp")
    if annotations:
        raise typer.Exit(_annotate(folders))
    if out is not None and len(folders) == 1:
        raise UsageError("--out is where a comparison goes: give two runs or more")
    target = read_target(otlp, os.environ) if otlp is not None else None
    summaries = [_write(folder, again, strict) for folder in folders]
    for folder, summary in zip(folders, summaries, strict=True):
        console.print(f"{summary.run_id}: {summary.headline}", markup=False, soft_wrap=True)
        console.print(f"report: {folder / 'report.md'}, {folder / 'report.html'}", markup=False, soft_wrap=True)
        if target is not None:
            from harness.run.sent_traces import send_run

            console.print(send_run(summary, folder, target), markup=False, soft_wrap=True)
    if len(summaries) > 1:
        path = out if out is not None else folders[0].parent / COMPARISON
        console.print(_compare(summaries, folders, path))
        console.print(f"comparison: {path}, {path.with_suffix('.md')}", markup=False, soft_wrap=True)
    raise typer.Exit(_worst(summaries))


def _worst(summaries: list[Summary]) -> int:
    codes = {summary.exit_code for summary in summaries}
    return next(code for code in WORST_EXIT_FIRST if code in codes)


def _annotate(folders: list[Path]) -> int:
    """Raises UsageError."""
    from harness.run.rejudge import read_summary, rejudge
    from reports.render.annotations import annotations_of

    summaries = [read_summary(folder) or rejudge(folder, strict=False) for folder in folders]
    for line in (line for summary in summaries for line in annotations_of(summary)):
        print(line)  # as it is: a console would break the line
    return _worst(summaries)


def _write(folder: Path, again: bool, strict: bool) -> Summary:
    """Raises UsageError."""
    from harness.run.rejudge import read_summary, rejudge
    from harness.run.written_run import write_run

    summary = None if again else read_summary(folder)
    try:
        if summary is None:
            return write_run(rejudge(folder, strict=strict), folder)
        from reports.render.run_report import finish_report

        finish_report(summary, folder)
        return summary
    except OSError as error:
        where = error.filename or folder
        raise UsageError(f"{where}: cannot be written ({error.strerror or error}); copy the run's folder") from error


def _compare(summaries: list[Summary], folders: list[Path], path: Path) -> RenderableType:
    from reports.render.compare import compare, write_comparison, write_markdown

    comparison = compare(
        summaries, [_said(summary, folder) for summary, folder in zip(summaries, folders, strict=True)]
    )
    try:
        write_comparison(comparison, path)
        write_markdown(comparison, path.with_suffix(".md"))
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror or error}); --out FILE writes elsewhere"
        ) from error
    return comparison_table(comparison)


def _said(summary: Summary, folder: Path) -> dict[str, str | None]:
    """A hash of each case's speech in a run; None if it is unknown or differs between attempts."""
    from pydantic import ValidationError

    from harness.history.environment import case_hash
    from harness.model.capture import TRUTH
    from harness.model.case import Truth

    found: dict[str, set[str | None]] = {}
    for case in summary.cases:
        for attempt in case.attempts:
            try:
                said = case_hash(Truth.model_validate_json((folder / attempt.folder / TRUTH).read_bytes()))
            except (OSError, ValidationError):
                said = None
            found.setdefault(case.case_id, set()).add(said)
    return {name: next(iter(hashes)) if len(hashes) == 1 else None for name, hashes in found.items()}


def comparison_table(comparison: Comparison) -> RenderableType:
    """The main figures, for a terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{len(comparison.runs)} runs", title_justify="left")
    table.add_column("", overflow="fold")
    for name in comparison.runs:
        table.add_column(Text(name), overflow="fold")
    for row in comparison.figures:
        table.add_row(Text(row.name), *(Text(cell) for cell in row.cells))
    return Group(table, Text(comparison.differences), Text(comparison.caution, "dim"))
