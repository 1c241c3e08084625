"""The verb `doctor`: which components are here, and how to get the others."""

from __future__ import annotations

import typer
from rich.console import Console

console = Console(highlight=False)


def doctor_command() -> None:
    """Show each component: where it was found, its version, or what to do. Exit status 3 if a needed one is missing."""
    from harness.provide.doctor import examine, render

    components = examine()
    console.print(render(components))
    if any(not component.ok and component.needed for component in components):
        raise typer.Exit(3)
