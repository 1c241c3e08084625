"""`earwitness serve`, with its `status`, `stop`, `restart`: the product for people to talk to, on this machine.

It stays in the foreground, as systemd and containers want it; --detach leaves it running.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from harness.errors import HarnessError, UsageError
from harness.service.state import TURN_LOG_FILE, Running, find_running, is_locked, state_folder

NOT_RUNNING = 3  # the Linux Standard Base's status for a stopped service
ANSWER_TIMEOUT_S = 5.0
DETACH_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
LOOK_EVERY_S = 0.1
LOG_TAIL_CHARS = 800

console = Console(highlight=False)
serve_app = typer.Typer(
    invoke_without_command=True,
    help="Talk to the reference agent yourself: starts media server, TTS server, agent and page, keeps them alive.",
    epilog="Exit status: 0 ended in order; 2 usage; 3 a part is missing or does not start, or (status) nothing runs.",
)
StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state", help="Folder for the state file and the logs.", show_default="~/.local/state/earwitness/serve"
    ),
]


@serve_app.callback()
def serve(
    context: typer.Context,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the page on 127.0.0.1; 0 takes a free one.")
    ] = 8080,
    admin_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of /health and /metrics on 127.0.0.1; 0 takes a free one.")
    ] = 8089,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Leave it running in the background.")] = False,
    spare: Annotated[
        bool, typer.Option(help="Keep a second agent, voice and page ready (0.6 GB): each takes over at once.")
    ] = True,
    tts: Annotated[
        Literal["server", "embedded"],
        typer.Option(help="Where the agent's voice is made: in a TTS server of its own, or in the agent's process."),
    ] = "server",
    livekit_url: Annotated[
        str | None,
        typer.Option(
            help="An external media server; key and secret come from LIVEKIT_API_KEY and LIVEKIT_API_SECRET.",
            show_default="one of its own",
        ),
    ] = None,
    engines: Annotated[
        Path | None,
        typer.Option(
            help="The agent's engines: a file, or neural (docs/how_to/engines.md).",
            show_default="embedded",
            metavar="FILE",
        ),
    ] = None,
    state: StateOption = None,
) -> None:
    """Start media server, TTS server, agent and page, keep them alive, and print the page's address. Ctrl-C ends everything."""
    if context.invoked_subcommand is not None:
        return
    folder = state_folder(state)
    if detach:
        options = [f"--port={port}", f"--admin-port={admin_port}", f"--tts={tts}", *([] if spare else ["--no-spare"])]
        if engines is not None:
            from runtime.settings import engine_file

            options.append(f"--engines={engine_file(str(engines)).resolve()}")
        _detach(folder, options, livekit_url)
        return
    from harness.processes.until_done import until_done
    from harness.provide.media_server import LiveKitTarget
    from harness.service.run import Product, serve_product
    from harness.settings import load_settings

    settings = load_settings({"livekit_url": livekit_url, "engines": engines})
    external = settings.external_server()
    server = LiveKitTarget(*external) if external else None
    voice = _server_voice(settings.engines) if tts == "server" else None
    product = Product(folder, port, admin_port, server, spare, voice, settings.agent_env())
    until_done(serve_product(product, _say_ready))


def _server_voice(engines: Path | None) -> str | None:
    """The TTS server's voice; None if the engines' file names a voice itself. Raises UsageError."""
    from runtime.engines.engine_file import read_engine_file
    from runtime.settings import DEFAULT_VOICE, SettingsError, engine_file

    try:
        named = engines is not None and "tts" in read_engine_file(engine_file(str(engines))).model_fields_set
    except SettingsError as error:
        raise UsageError(f"{error}") from error
    return None if named else os.environ.get("EARWITNESS_VOICE", DEFAULT_VOICE)


def _say_ready(running: Running) -> None:
    console.print(f"Talk to the agent at [bold]{running.page}[/]   (Ctrl-C ends it)", soft_wrap=True)
    console.print(f"Health and metrics: {running.admin}/health, {running.admin}/metrics", soft_wrap=True)


def _detach(folder: Path, options: list[str], livekit_url: str | None) -> None:
    """Raises HarnessError if it does not come up."""
    if is_locked(folder):
        raise HarnessError(
            f"earwitness serve runs already (state folder {folder}); `earwitness serve status` says where"
        )
    argv = [sys.executable, "-P", "-m", "harness.commands.main", "serve", "--state", str(folder), *options]
    if livekit_url is not None:
        argv += ["--livekit-url", livekit_url]
    log_path = folder / "serve.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    deadline_s = time.monotonic() + DETACH_TIMEOUT_S
    while time.monotonic() < deadline_s:
        running = find_running(folder)
        if running is not None:
            console.print(f"Talk to the agent at [bold]{running.page}[/]", soft_wrap=True)
            console.print("`earwitness serve stop` ends it, `earwitness serve status` shows its parts.")
            return
        if process.poll() is not None:
            break
        time.sleep(LOOK_EVERY_S)  # only its state file shows that it serves
    tail = log_path.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL_CHARS:].strip()
    if process.poll() is None:
        process.terminate()
        raise HarnessError(f"it did not serve within {DETACH_TIMEOUT_S:.0f} s and was ended; {log_path} says: {tail}")
    raise HarnessError(tail.removeprefix("earwitness: ") or f"it ended by itself; see {log_path}")


@serve_app.command()
def status(
    state: StateOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what /health answers.")] = False,
) -> None:
    """Show each part: up or not, since when, how often it was started again. Exit status 3 if nothing runs."""
    folder = state_folder(state)
    running = find_running(folder)
    if running is None:
        console.print("starting" if is_locked(folder) else "not running")
        raise typer.Exit(NOT_RUNNING)
    said = _ask(running, "/health")
    if as_json:
        print(json.dumps({"page": running.page, "admin": running.admin, "pid": running.pid, **said}))
        return
    table = Table(title=f"{running.page}   supervisor {running.pid}, logs in {folder}")
    for heading in ("part", "state", "process", "up", "restarts", "back after", "last end"):
        table.add_column(heading)
    for part in said["parts"]:
        up = "–" if part["up_s"] is None else f"{part['up_s']:.0f} s"
        back = "–" if part["back_after_s"] is None else f"{part['back_after_s']:.2f} s"
        row = (part["name"], part["state"], str(part["pid"] or "–"), up, str(part["restarts"]), back)
        table.add_row(*row, part["last_end"] or "–")
    console.print(table)


@serve_app.command()
def stop(state: StateOption = None) -> None:
    """End it in order; calls in progress are told that the server has gone. Nothing running is no error."""
    folder = state_folder(state)
    running = find_running(folder)
    if running is None:
        if is_locked(folder):
            raise HarnessError("it is still starting; try again when `earwitness serve status` shows its parts")
        console.print("not running")
        return
    try:
        _ask(running, "/stop", post=True)
    except HarnessError:  # it hangs: signal its process; the held lock shows that the id is still its own
        os.kill(running.pid, signal.SIGTERM)
    deadline_s = time.monotonic() + STOP_TIMEOUT_S
    while is_locked(folder):
        if time.monotonic() > deadline_s:
            raise HarnessError(f"it did not end within {STOP_TIMEOUT_S:.0f} s; its process is {running.pid}")
        time.sleep(LOOK_EVERY_S)  # another process's lock gives no event
    console.print("stopped")


@serve_app.command()
def restart(
    part: Annotated[
        str | None, typer.Argument(help="media-server, tts-server, agent or page; all if none is named.")
    ] = None,
    state: StateOption = None,
) -> None:
    """Start one part, or all, again. Calls in progress come back by themselves where they can."""
    running = find_running(state_folder(state))
    if running is None:
        raise HarnessError("nothing runs; start it with `earwitness serve`")
    _ask(running, f"/restart?part={part}" if part else "/restart", post=True)
    console.print(f"{part or 'all parts'}: restart asked for; `earwitness serve status` shows how it goes")


@serve_app.command()
def turns(
    state: StateOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Counts and losses as JSON.")] = False,
) -> None:
    """Show how far the turns of all calls that have ended came, and why those that did not get through were lost."""
    from harness.model.funnel import count, table
    from runtime.turn_log import read_turns

    path = state_folder(state) / TURN_LOG_FILE
    try:
        records, broken = read_turns(path)
    except FileNotFoundError:
        records, broken = [], 0
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror}") from error
    funnel = count(records)
    if as_json:
        losses = [{"trace_id": loss.trace_id, "after": loss.after, "why": loss.why} for loss in funnel.losses]
        print(json.dumps({"reached": funnel.reached, "losses": losses, "unreadable_lines": broken}))
        return
    shown = Table(title=f"{len(records)} turns in {path}")
    for heading in ("came to", "turns", "lost after it"):
        shown.add_column(heading, justify="right" if heading == "turns" else "left")
    for stage, number, lost in table(funnel):
        shown.add_row(stage, str(number), lost or "–")
    console.print(shown)
    if broken:
        console.print(f"{broken} lines are no turns of this version; they were left out")


def _ask(running: Running, path: str, *, post: bool = False) -> dict[str, Any]:
    """Raises HarnessError if the supervisor does not answer, UsageError if it refuses what was asked."""
    headers = {"Authorization": f"Bearer {running.token}"}
    request = urllib.request.Request(running.admin + path, method="POST" if post else "GET", headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never goes through a proxy
    try:
        with opener.open(request, timeout=ANSWER_TIMEOUT_S) as answer:
            said: dict[str, Any] = json.loads(answer.read())
            return said
    except urllib.error.HTTPError as error:
        body = error.read().decode(errors="replace")
        if error.code == 503:  # degraded: some part is not up, and the answer says which
            degraded: dict[str, Any] = json.loads(body)
            return degraded
        raise UsageError(body) from error
    except (OSError, ValueError) as error:
        raise HarnessError(f"the supervisor at {running.admin} does not answer: {error}") from error
