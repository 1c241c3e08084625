"""The verb `setup`: provide what a run needs on this machine."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

console = Console(highlight=False)


def setup_command(
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only what is missing.")] = False,
) -> None:
    """Provide what a run needs on this machine: media server, Chromium, page library.

    Looks for each part first (PATH, the cache) and fetches or builds only what is missing. A second call only checks.
    """
    from harness.provide.setup import everything_is_here, run_setup

    run_setup(Console(quiet=True) if quiet and everything_is_here() else console)
