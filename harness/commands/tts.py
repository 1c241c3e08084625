"""The verb `tts`: regression of a TTS engine at ring 0, before any network.

Exit status: 0 passed; 1 a blocking gate FAILs (with --strict also WARN); 2 usage, or a golden baseline that cannot judge this
engine; 3 not measured, or an error of the harness.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from harness.errors import UsageError

if TYPE_CHECKING:
    import aiohttp
    from rich.console import Console, Group

    from harness.model.tts import TtsRun
    from harness.tts_regression.regress import Asked
    from harness.tts_regression.target import Target

KEY_VARIABLE = "EARWITNESS_TTS_KEY"


def tts_command(
    url: Annotated[
        str | None,
        typer.Option(
            help="A server's address: …/tts/stream, or an OpenAI-compatible …/v1/audio/speech.",
            show_default="the embedded engine, started for the run",
        ),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="7 sentences, 3 runs; else all, 10 runs.")] = False,
    voice: Annotated[
        str,
        typer.Option(
            help="Voice of the embedded engine (joe: the neural one), or the one that /v1/audio/speech is asked for."
        ),
    ] = "en-us",
    model: Annotated[str, typer.Option(help="Model that /v1/audio/speech is asked for.")] = "tts-1",
    rate_hz: Annotated[
        int, typer.Option(min=8_000, max=192_000, help="Sample rate at which /v1/audio/speech answers.")
    ] = 24_000,
    engine_version: Annotated[
        str | None, typer.Option(help="Version of the engine behind /v1/audio/speech; part of the pin.")
    ] = None,
    golden: Annotated[Path, typer.Option(help="Folder of the golden baseline.")] = Path("golden/tts"),
    set_golden: Annotated[
        bool, typer.Option("--set-golden", help="Make the golden baseline of this run (all sentences).")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --set-golden: replace the baseline that is there.")
    ] = False,
    not_deterministic: Annotated[
        bool, typer.Option("--not-deterministic", help="The engine samples: no hash, no SNR (NOT_APPLICABLE).")
    ] = False,
    sentences: Annotated[
        Path | None, typer.Option(help="Sentences of your own.", show_default="the shipped 14", metavar="FILE")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="WARN counts as a failure too.")] = False,
    runs: Annotated[Path, typer.Option(help="Folder in which the run's own folder is made.")] = Path("runs"),
) -> None:
    """Regression of a TTS engine: first sound, SNR against golden, determinism, length, repeats, real-time factor, underruns.

    Writes runs/tts-…/report.md, tts.json and the sounds. Without a golden baseline two gates have no data (exit status 3);
    --set-golden makes one, and one that another engine, version or voice made is refused. EARWITNESS_TTS_KEY is the key of a
    server that wants one. docs/how_to/tts.md
    """
    from rich.console import Console

    from harness.run.plan import new_run_id
    from harness.tts_regression.regress import Asked
    from harness.tts_regression.sentences import SHIPPED, read_sentences

    if fast and set_golden:
        raise UsageError("--set-golden takes all sentences; leave --fast away")
    if replace and not set_golden:
        raise UsageError("--replace goes with --set-golden")
    wanted = read_sentences(sentences or SHIPPED)
    wanted = tuple(sentence for sentence in wanted if sentence.fast or not fast)
    if not wanted:
        raise UsageError(f"{sentences}: no sentence is marked `fast: true`")
    asked = Asked(
        form="fast" if fast else "full", sentences=wanted, golden=golden, runs_dir=runs, run_id=f"tts-{new_run_id()}",
        set_golden=set_golden, replace=replace, deterministic=not not_deterministic, strict=strict,
    )  # fmt: skip
    options = _Options(url, voice, model, rate_hz, engine_version)
    console = Console(highlight=False)
    run = asyncio.run(_run(options, asked, console))
    console.print(gate_table(run))
    console.print(f"report: {asked.folder / 'report.md'}", soft_wrap=True)
    raise typer.Exit(run.exit_code)


@dataclass(frozen=True)
class _Options:
    """The engine under test. `url`: None is the embedded engine."""

    url: str | None
    voice: str
    model: str
    rate_hz: int
    version: str | None

    def target(self, client: aiohttp.ClientSession, url: str) -> Target:
        """Raises UsageError."""
        from harness.tts_regression.target import SpeechTarget, StreamTarget

        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.username:
            raise UsageError(
                f"--url {parts.scheme}://{parts.hostname or ''}…: expected http(s)://HOST[:PORT]/…, without a password"
            )
        path = parts.path.rstrip("/")
        whole = f"{parts.scheme}://{parts.netloc}{path}"
        if path.endswith("/audio/speech"):
            return SpeechTarget(client, whole, self.model, self.voice, self.rate_hz, self.version)
        if path.endswith("/tts/stream"):
            return StreamTarget(client, whole.removesuffix("/tts/stream"))
        raise UsageError(f"--url {whole}: expected an address that ends in /tts/stream or /v1/audio/speech")


async def _run(options: _Options, asked: Asked, console: Console) -> TtsRun:
    import aiohttp

    from harness.tts_regression.regress import regress
    from harness.tts_regression.server import tts_server

    def note(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    key = os.environ.get(KEY_VARIABLE)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession(headers=headers) as client:
        if options.url is not None:
            return await regress(options.target(client, options.url), asked, note)
        try:
            asked.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{asked.folder}: cannot be made ({error.strerror or error})") from error
        async with tts_server(asked.folder, options.voice) as base:
            return await regress(options.target(client, f"{base}/tts/stream"), asked, note)


def gate_table(run: TtsRun) -> Group:
    """For a terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from harness.judge.numbers import show_limit
    from reports.terminal.table import COLOURS

    table = Table(title="gates", title_justify="left")
    for heading in ("gate", "value", "threshold", "status"):
        table.add_column(heading)
    for gate in run.gates:
        kind = "" if gate.blocking else " [dim](warns)[/]"
        status = Text(gate.status.value, COLOURS[gate.status])
        table.add_row(gate.gate_id + kind, gate.shown, show_limit(gate.op, gate.threshold, gate.unit), status)
    return Group(table, Text(run.headline, COLOURS[run.status]))
