"""The verb `setup`: provide what a run needs on this machine, and recordings of people where they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(highlight=False)


def setup_command(
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only what is missing.")] = False,
    human: Annotated[
        bool,
        typer.Option(
            "--human",
            help="Also fetch recordings of people (Debian's packages, as data; nothing is installed): the suites human "
            "and human_pauses, and a voice for the reference agent.",
        ),
    ] = False,
    human_folder: Annotated[
        Path | None,
        typer.Option(
            help="Make these of your own recordings: FOLDER/callers (NAME.wav, and NAME.txt with its words) and FOLDER/agents.",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Provide what a run needs on this machine: media server, Chromium, page library.

    Looks for each part first (PATH, the cache) and fetches or builds only what is missing. A second call only checks.
    """
    from harness.provide.setup import everything_is_here, run_setup

    run_setup(Console(quiet=True) if quiet and everything_is_here() else console)
    if human or human_folder is not None:
        from harness.run.human import set_up_human

        said = set_up_human(human_folder, lambda text: console.print(f"  … {text}", markup=False, soft_wrap=True))
        console.print(f"human voices  {said}", markup=False, soft_wrap=True)
