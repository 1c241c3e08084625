"""The command `earwitness`: its verbs are wired here. Each verb, in its own file, reads its options, calls the package
that does the work, and ends with its exit status.

Exit status: 0 pass; 1 a blocking FAIL or FLAKY (with --strict also WARN); 2 usage; 3 a blocking NO_DATA, INVALID or
NOT_APPLIED, or an error of the harness; 130 interrupted.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from typing import Annotated

import typer
from rich.console import Console

import harness
from harness.commands.adopt import adopt_command
from harness.commands.baseline import baseline_app
from harness.commands.calibrate import calibrate_command
from harness.commands.cases import cases_command
from harness.commands.check import check_command
from harness.commands.doctor import doctor_command
from harness.commands.history import history_app
from harness.commands.listen import listen_command
from harness.commands.nightly import RETAIN_EPILOG, nightly_command, retain_command
from harness.commands.prove import prove_command
from harness.commands.report import report_command
from harness.commands.run import run_command
from harness.commands.serve import serve_app
from harness.commands.serve_engines import serve_engines_command
from harness.commands.serve_tts import serve_tts_command
from harness.commands.setup import setup_command
from harness.commands.sweep import sweep_command
from harness.commands.tts import tts_command
from harness.errors import EarwitnessError
from harness.processes.ending import end_process_of

EPILOG = (
    "Exit status: 0 pass; 1 a blocking FAIL or FLAKY (with --strict also WARN); 2 usage; "
    "3 a blocking NO_DATA, INVALID or NOT_APPLIED, or an error of the harness; 130 interrupted."
)
LISTEN_EPILOG = (
    "Exit status: 0 measured; 2 a wrong file or option; 3 something could not be measured, or is not to be believed."
)
ADOPT_EPILOG = (
    "Exit status: 0 written and measured; 2 a wrong file or option; 3 written, but something could not be measured, or is not to "
    "be believed."
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


app.command("setup", epilog=EPILOG)(setup_command)
app.command("doctor", epilog=EPILOG)(doctor_command)
app.command("run", epilog=EPILOG)(run_command)
app.command("cases", epilog=EPILOG)(cases_command)
app.command("sweep", epilog=EPILOG)(sweep_command)
app.command("calibrate", epilog=EPILOG)(calibrate_command)
app.command("listen", epilog=LISTEN_EPILOG)(listen_command)
app.command("check", epilog=LISTEN_EPILOG)(check_command)
app.command("adopt", epilog=ADOPT_EPILOG)(adopt_command)
app.command("report", epilog=EPILOG)(report_command)
app.command("nightly", epilog=EPILOG)(nightly_command)
app.command("retain", epilog=RETAIN_EPILOG)(retain_command)
app.add_typer(history_app, name="history")
app.add_typer(baseline_app, name="baseline")
app.add_typer(serve_app, name="serve")
app.command("prove", epilog=EPILOG)(prove_command)
app.command("serve-engines", epilog=EPILOG)(serve_engines_command)
app.command("serve-tts", epilog=EPILOG)(serve_tts_command)
app.command("tts", epilog=EPILOG)(tts_command)


def main() -> None:
    """Errors of our tree print in one line; any other is a bug and shows its traceback."""
    warnings.filterwarnings("ignore", "The HMAC key is")  # the short secret of `livekit-server --dev` is not ours
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
