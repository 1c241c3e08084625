"""The verb `run`: from its options to the verdict on the terminal.

An option that is a setting is one row in the signature and one in `flags`; its default stands in `harness.settings`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from harness.processes.until_done import until_done

console = Console(highlight=False)

CasesOption = Annotated[
    Path | None,
    typer.Option(
        "--cases", help="Case file or folder of cases.", show_default="cases/, else those that ship", metavar="PATH"
    ),
]


def run_command(
    case: Annotated[
        list[str] | None, typer.Argument(help="Cases by name; all of the suite if none is named.", metavar="[CASE]...")
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            help="fast (16), mini (4), extended, one that your cases name, or all.",
            show_default="fast; all with --cases or --tag",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="Of the suite, only cases that have one of these tags.", metavar="TAG")
    ] = None,
    lane: Annotated[
        str | None,
        typer.Option(
            "--user", "--lane", help="Who the user is: browser (a page in Chromium) or bot.", show_default="browser"
        ),
    ] = None,
    mic: Annotated[
        str | None,
        typer.Option(
            help="How the voice enters the page: scheduled (sample-exact) or device (Chromium's fake microphone, "
            "with the page's own echo cancellation, noise suppression and gain control).",
            show_default="scheduled",
        ),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            help='reference, "command: PROGRAM ARGS" ({livekit_url} {token} {room} are filled in; with --no-room {port}), '
            "dispatch:NAME (a LiveKit Agents worker), or room (it comes by itself).",
            show_default="reference; with --no-room whoever the page connects to",
        ),
    ] = None,
    agent_instrumented: Annotated[
        bool | None,
        typer.Option(
            "--agent-instrumented",
            help="The agent speaks the events and writes pre_rtc.wav (docs/how_to/own_agent.md).",
        ),
    ] = None,
    agent_identity: Annotated[
        str | None,
        typer.Option(help="Identity of the participant that is the agent, where several speak.", metavar="IDENTITY"),
    ] = None,
    greeting: Annotated[
        str | None,
        typer.Option(
            help="Whether the agent speaks first: auto (one that begins within --greeting-window-ms is let finish), "
            "none (nothing is waited for), required (its absence fails).",
            show_default="auto",
        ),
    ] = None,
    greeting_window_ms: Annotated[
        float | None,
        typer.Option(
            help="How long a greeting is waited for, after the agent has joined and can speak.", show_default="5000"
        ),
    ] = None,
    turn_quiet_ms: Annotated[
        float | None,
        typer.Option(
            help="The turn of an agent that sets no lk.agent.state is over after this much silence.",
            show_default="5000",
        ),
    ] = None,
    hangup: Annotated[
        str | None,
        typer.Option(
            help="Whether an agent may leave after its last reply: warn, or expected (no warning).", show_default="warn"
        ),
    ] = None,
    dispatch_metadata: Annotated[
        str | None,
        typer.Option(help="With dispatch:NAME: metadata of the worker's job, as JSON or @FILE.", metavar="JSON"),
    ] = None,
    attributes: Annotated[
        str | None,
        typer.Option(
            help='Attributes of the user as a participant, as in \'{"plan": "gold"}\', or @FILE.', metavar="JSON"
        ),
    ] = None,
    room_metadata: Annotated[
        str | None, typer.Option(help="Metadata of the room, as JSON or @FILE.", metavar="JSON")
    ] = None,
    agent_hangover_ms: Annotated[
        float | None,
        typer.Option(
            help="The agent's own hangover: a latency below it is not believed.",
            show_default="not known: 150 ms",
        ),
    ] = None,
    agent_join_s: Annotated[
        float | None,
        typer.Option(
            help="How long a foreign agent may take to join: more for one that loads models as it starts.",
            show_default="20",
        ),
    ] = None,
    otlp_in: Annotated[
        str | None,
        typer.Option(
            help="Where the agent's OpenTelemetry spans are taken: a port on 127.0.0.1, off, or auto (a free one, told to the "
            "program of command:, unless its environment names another; docs/how_to/telemetry.md).",
            show_default="auto",
            metavar="auto|off|PORT",
        ),
    ] = None,
    otlp: Annotated[
        str | None,
        typer.Option(
            help="Send each judged call as a trace to this collector (OTLP over HTTP), as in http://127.0.0.1:4318; headers by "
            "OTEL_EXPORTER_OTLP_HEADERS (docs/how_to/telemetry.md).",
            show_default="nowhere",
            metavar="URL",
        ),
    ] = None,
    engines: Annotated[
        Path | None,
        typer.Option(
            help="The reference agent's engines: a file, or neural (docs/how_to/engines.md).",
            show_default="embedded",
            metavar="FILE",
        ),
    ] = None,
    page: Annotated[
        str | None,
        typer.Option(
            help="URL of a page of your own, with {livekit_url}, {token} and {room} to be filled in (none with --no-room).",
            show_default="the product page",
        ),
    ] = None,
    no_room: Annotated[
        bool | None,
        typer.Option(
            "--no-room",
            help="The page connects to its agent by itself, by whatever way it likes: no room, no probe, no media server "
            "(docs/how_to/page_without_room.md).",
        ),
    ] = None,
    page_script: Annotated[
        Path | None, typer.Option(help="JavaScript file that makes the clicks your page needs to connect.")
    ] = None,
    autoplay: Annotated[
        str | None,
        typer.Option(
            help="allowed (any page may play) or real (Chromium's own policy: after a click, or with an open microphone).",
            show_default="allowed",
        ),
    ] = None,
    insecure_certificates: Annotated[
        str | None,
        typer.Option(
            help="Hosts whose self-signed https and wss certificates are accepted, as in localhost or "
            "localhost:3000; several with commas.",
            metavar="HOST[:PORT],…",
            show_default="none",
        ),
    ] = None,
    ear: Annotated[
        str | None,
        typer.Option(
            help="What ear.wav holds: played (what the page plays) or received (every remote track, played or not).",
            show_default="played",
        ),
    ] = None,
    cases: CasesOption = None,
    runs: Annotated[Path | None, typer.Option(help="Folder in which runs are written.", show_default="runs/")] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="The user's network: a profile by name (wifi_good, 4g_ok, bad_wifi, …) or a YAML file "
            "(docs/how_to/networks.md).",
            show_default="nothing in between",
        ),
    ] = None,
    link: Annotated[
        str | None,
        typer.Option(
            help="What applies it: user (a relay, no privilege), netem (the kernel), auto.", show_default="auto"
        ),
    ] = None,
    network_seed: Annotated[int | None, typer.Option(help="Seed of the network's chance.", show_default="1")] = None,
    asr: Annotated[
        str | None,
        typer.Option(
            help="Whether a recogniser understands the agent after each call: auto (where the extra asr is installed), on, off "
            "(docs/how_to/words.md).",
            show_default="auto",
        ),
    ] = None,
    asr_model: Annotated[
        str | None,
        typer.Option(
            help="Its model: tiny.en, or a folder with a Whisper model in CTranslate2's form.",
            show_default="tiny.en",
            metavar="MODEL|DIR",
        ),
    ] = None,
    asr_language: Annotated[
        str | None, typer.Option(help="The language that the agent speaks, as in en or de.", show_default="en")
    ] = None,
    livekit_url: Annotated[
        str | None,
        typer.Option(
            help="An external media server (ws:// or wss://); key and secret come from LIVEKIT_API_KEY and "
            "LIVEKIT_API_SECRET.",
            show_default="one of its own",
        ),
    ] = None,
    attempts: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=5,
            help="Most attempts at each case; a case that fails and then passes is FLAKY.",
            show_default="1",
        ),
    ] = None,
    repeat: Annotated[
        int | None, typer.Option(min=1, max=1000, help="How often each case is run.", show_default="1")
    ] = None,
    jobs: Annotated[
        str | None,
        typer.Option(
            help="Sessions at once: a number, or auto (as many as `earwitness calibrate` has shown not to distort; "
            "docs/how_to/side_by_side.md).",
            show_default="1",
        ),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option(
            help="Where every measurement goes: a file, a database URL, or off.", show_default="RUNS/history.sqlite"
        ),
    ] = None,
    limits: Annotated[
        str | None,
        typer.Option(
            help="Set of limits: shipped, or field (for an agent that thinks with a model; docs/how_to/limits.md).",
            show_default="shipped",
        ),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(
            help="A limit of your own, looser or tighter, as in eot_to_first_audio=1500; more than once.",
            metavar="ID=VALUE",
        ),
    ] = None,
    floor: Annotated[
        str | None,
        typer.Option(
            help="Run folder of `earwitness calibrate`: what the path itself costs is added to each latency limit.",
            metavar="RUN_DIR",
            show_default="off",
        ),
    ] = None,
    strict: Annotated[bool | None, typer.Option("--strict", help="WARN counts as a failure too.")] = None,
    headed: Annotated[bool | None, typer.Option("--headed", help="Show the browser window.")] = None,
) -> None:
    """Speak the cases to the agent through real WebRTC, hear the replies, and report.

    Writes runs/RUN_ID/report.md, report.html, summary.json and one folder of recordings an attempt.
    """
    from harness.model.case import EVERY_CASE
    from harness.provide.cache import cache_dir
    from harness.run.cases import build_cases, load_checked_cases, select_cases
    from harness.run.human import case_folders
    from harness.run.plan import make_plan
    from harness.run.progress import Progress
    from harness.settings import load_settings

    flags: dict[str, Any] = {
        "suite": suite,
        "tag": tag or None,
        "lane": lane,
        "mic": mic,
        "agent": agent,
        "agent_instrumented": agent_instrumented,
        "agent_identity": agent_identity,
        "greeting": greeting,
        "greeting_window_ms": greeting_window_ms,
        "turn_quiet_ms": turn_quiet_ms,
        "hangup": hangup,
        "dispatch_metadata": dispatch_metadata,
        "attributes": attributes,
        "room_metadata": room_metadata,
        "agent_hangover_ms": agent_hangover_ms,
        "agent_join_s": agent_join_s,
        "otlp_in": otlp_in,
        "otlp": otlp,
        "engines": engines,
        "page": page,
        "no_room": no_room,
        "page_script": page_script,
        "autoplay": autoplay,
        "insecure_certificates": insecure_certificates,
        "ear": ear,
        "cases": cases,
        "runs": runs,
        "network": network,
        "link": link,
        "network_seed": network_seed,
        "asr": asr,
        "asr_model": asr_model,
        "asr_language": asr_language,
        "livekit_url": livekit_url,
        "attempts": attempts,
        "repeat": repeat,
        "jobs": jobs,
        "history": history,
        "limits": limits,
        "gate": gate or None,
        "floor": floor,
        "strict": strict,
        "headed": headed,
    }
    settings = load_settings(flags)
    settings.check()
    if suite is None and (cases is not None or tag):  # the user's own cases need no suite
        settings = replace(settings, suite=EVERY_CASE)
    if settings.cases_note():
        console.print(settings.cases_note(), markup=False, soft_wrap=True)
    chosen = select_cases(
        load_checked_cases(case_folders(settings.cases, settings.suite), settings.run_limits()),
        settings.suite,
        case or [],
        settings.tag,
    )
    built = build_cases(chosen, cache_dir() / "cases")
    plan = make_plan(settings, built)
    for note in [f"{item.case.id}: {note}" for item in built for note in item.truth.notes]:
        console.print(note, markup=False, soft_wrap=True)
    if settings.jobs == "auto":
        console.print(f"--jobs {plan.jobs} ({plan.jobs_why})", markup=False, soft_wrap=True)
    from harness.run.open import run_plan  # loads the ears (one second) only for a run that was not refused

    sent: list[str] = []
    with Progress(console, len(built)) as progress:
        coroutine = run_plan(
            plan,
            settings,
            on_note=progress.note,
            on_case=lambda item, index: progress.case(item.case.id, index),
            on_phase=progress.phase,
            on_verdict=progress.verdict,
            on_sent=sent.append,
        )
        summary = until_done(coroutine)
    from reports.terminal.table import verdict_table

    console.print(verdict_table(summary))
    if (plan.run_dir / "report.md").is_file():  # a full disk keeps none
        console.print(f"report: {plan.run_dir / 'report.md'}, {plan.run_dir / 'report.html'}", soft_wrap=True)
    for line in sent:
        console.print(line, markup=False, soft_wrap=True)
    raise typer.Exit(summary.exit_code)
