"""Settings: every default in one place. Flags > environment > `earwitness.toml` > default.

Environment names are EARWITNESS_<FIELD> (LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET keep the names that
LiveKit gave them). The file's keys are the field names, in a table [earwitness]; your own limits stand in [gates]. An
unknown key is an error with its line, an unknown variable an error with its name.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from harness.errors import UsageError
from harness.model.extension import AGENTS, PAGES, Page
from harness.model.limits import LimitProfile, Limits
from harness.model.machine import this_machine
from harness.model.plan import (
    SHIPPED_RECOGNISER,
    AgentSpec,
    CallRules,
    Invitation,
    NetworkSpec,
    OtlpTarget,
    PageSpec,
    RecogniserSpec,
)
from harness.model.redaction import redacted
from harness.options import extensions
from harness.options.agent_command import check_command
from harness.options.invitation import read_invitation
from harness.options.no_room import check_command_of_page, check_page, refuse_what_needs_a_room
from harness.options.otlp_target import read_target
from harness.options.own_limits import from_words, read_floor
from harness.options.places import CONFIG_FILE, HISTORY_FILE, OWN_CASES, default_cases, shipped_cases
from harness.options.sources import from_environment, from_file

SECRET_SETTINGS = ("livekit_api_key", "livekit_api_secret", "otlp")
LONGEST_WAIT_MS = 60_000.0
LONGEST_JOIN_S = 600.0
HIGHEST_PORT = 65_535
PAGE_AGENT = "page"
OF_GATES = ("limits", "gates", "floor")  # in the file they stand in a table of their own


@dataclass(frozen=True)
class Settings:
    """The settings of a run. Paths are relative to the working folder."""

    suite: str = "fast"  # fast, mini, extended, one of one's own, or all
    tag: tuple[str, ...] = ()  # of the suite, only cases that have one of these
    lane: Literal["browser", "bot"] = "browser"
    mic: Literal["scheduled", "device"] = "scheduled"
    agent: str = "reference"  # reference | command: … | dispatch:NAME | room | page (the default with no_room)
    agent_instrumented: bool = False  # a foreign agent that speaks the events and writes pre_rtc.wav
    agent_identity: str | None = None  # which participant is the agent, where several speak
    dispatch_metadata: str | dict[str, Any] | None = None  # of a dispatched worker's job: JSON, @FILE, or a table
    attributes: str | dict[str, Any] | None = None  # of the user as a participant
    room_metadata: str | dict[str, Any] | None = None
    agent_hangover_ms: float | None = None  # the quiet it waits for: a latency below it is not believed
    otlp_in: int | Literal["auto", "off"] = "auto"  # where the agent's spans are taken: a port, or auto for a command's
    otlp: str | None = None  # where each judged call goes as a trace: the address of a collector (OTLP over HTTP)
    agent_join_s: float = AgentSpec.join_s  # a foreign agent that is not in the room after this is absent
    greeting: Literal["auto", "none", "required"] = CallRules.greeting
    greeting_window_ms: float = CallRules.greeting_window_ms
    turn_quiet_ms: float = CallRules.turn_quiet_ms
    hangup: Literal["warn", "expected"] = CallRules.hangup
    engines: Path | None = (
        None  # the reference agent's engines.toml, or neural (docs/how_to/engines.md); None: all embedded
    )
    page: str | None = None  # URL template with {livekit_url} {token} {room}
    no_room: bool = False  # the page connects to its agent by itself: no room, no probe, no media server
    page_script: Path | None = None  # JavaScript for the clicks a foreign page needs
    autoplay: Literal["allowed", "real"] = "allowed"  # real: only what the browser lets play for a user
    insecure_certificates: str | None = None  # HOST[:PORT],…: whose certificates need nobody to vouch for them
    ear: Literal["played", "received"] = "played"  # what the page plays, or every remote track as it comes
    cases: Path = field(default_factory=default_cases)
    runs: Path = Path("runs")
    attempts: int = 1  # a second one only as evidence: a case that fails and then passes is FLAKY
    repeat: int = 1
    jobs: int | Literal["auto"] = 1  # sessions at once; auto: as many as calibration has shown to be undistorted
    strict: bool = False  # WARN changes the exit status too
    headed: bool = False
    history: str | None = None  # a file or a database URL; None: history.sqlite beside the runs; "off": none is kept
    machine_class: str | None = None  # this machine's class by a name of your own; None: system, architecture, cores
    limits: LimitProfile = "shipped"  # the limits to begin with
    gates: Mapping[str, float] = field(default_factory=dict)  # limits of one's own by gate
    floor: str | None = None  # what the path costs is allowed on top: a calibration's run folder; "off": none
    network: str | None = None  # a profile by name, or a YAML file
    link: Literal["auto", "user", "netem"] = "auto"  # what applies it; auto is the user-space link
    network_seed: int = 1
    asr: Literal["auto", "on", "off"] = (
        "auto"  # a recogniser hears the agent after each call; auto: where it is installed
    )
    asr_model: str = SHIPPED_RECOGNISER  # or a folder with a Whisper model in CTranslate2's form
    asr_language: str = RecogniserSpec.language  # that the agent speaks (ISO 639-1)
    livekit_url: str | None = None  # an external media server
    livekit_api_key: str | None = None
    livekit_api_secret: str | None = None

    def check(self, *, network: bool = True) -> None:
        """Read once what a call needs of these settings, so that impossible values are refused before anything begins.

        `network`: read its profile too. Raises UsageError, ProfileError.
        """
        specs = (
            self.agent_spec,
            self.page_spec,
            self.external_server,
            self.agent_env,
            self.invitation,
            self.call_rules,
            self.recogniser_spec,
            self.otlp_port,
            self.otlp_target,
        )
        for read in (*specs, self.network_spec) if network else specs:
            read()

    def cases_note(self) -> str:
        """One line if the shipped cases are spoken because the working folder has none, else ""."""
        if self.cases != shipped_cases() or OWN_CASES.exists():
            return ""
        return "no cases/ here: the cases that ship with Earwitness are spoken (--cases names others)"

    def history_place(self) -> str | Path | None:
        """A file or a URL; None if no history is kept."""
        if self.history == "off":
            return None
        return self.history if self.history is not None else self.runs / HISTORY_FILE

    def run_limits(self) -> Limits:
        """Raises UsageError for a floor of another class of machine."""
        floor = None
        if self.floor is not None and self.floor != "off":
            floor = read_floor(self.floor, this_machine(self.machine_class))
        return Limits(profile=self.limits, own=dict(self.gates), floor=floor)

    def agent_spec(self) -> AgentSpec:
        """Raises UsageError for an agent that names no known kind."""
        spec = self._agent()
        return replace(
            spec, identity=self.agent_identity, hangover_ms=self._hangover_ms(spec), join_s=self._join_s(spec)
        )

    def _agent(self) -> AgentSpec:
        """Who the agent is, without how it is met."""
        text = self.agent.strip()
        if (text == PAGE_AGENT) != (self.no_room and not text.startswith("command:")):
            raise UsageError(
                f"--agent {redacted(text)!r}: needs a room, and --no-room has none; leave --agent out, or give the program that "
                'serves the page as "command: PROGRAM ARGS…"'
                if self.no_room
                else f"--agent {PAGE_AGENT}: is whoever a page connects to by itself; it needs --no-room"
            )
        if text == PAGE_AGENT:
            return AgentSpec("page")
        if text in ("reference", "room"):
            instrumented = text == "reference" or self.agent_instrumented
            kind: Literal["reference", "room"] = "reference" if text == "reference" else "room"
            return AgentSpec(kind, "", instrumented)
        named, _, value = text.partition(":")
        if named == "command" and value.strip():
            check_command(value.strip())
            if self.no_room:
                check_command_of_page(value)
            return AgentSpec("command", value.strip(), self.agent_instrumented)
        if named == "dispatch" and value.strip():
            return AgentSpec("dispatch", value.strip(), self.agent_instrumented)
        if text in extensions.names(AGENTS):
            return AgentSpec("package", text, self.agent_instrumented)
        own = "".join(f", {name}" for name in extensions.names(AGENTS))
        raise UsageError(
            f'--agent {redacted(text)!r}: expected reference, room, "command: PROGRAM ARGS…" or dispatch:NAME{own}'
        )

    def _hangover_ms(self, agent: AgentSpec) -> float | None:
        hangover = self.agent_hangover_ms
        if hangover is not None and not 0 < hangover <= LONGEST_WAIT_MS:
            raise UsageError(f"--agent-hangover-ms {hangover:g}: must be above 0 and at most {LONGEST_WAIT_MS:g} ms")
        if hangover is not None and agent.kind == "reference":
            raise UsageError("--agent-hangover-ms: the reference agent tells its own; leave it out")
        return hangover

    def _join_s(self, agent: AgentSpec) -> float:
        join_s = self.agent_join_s
        if not 1.0 <= join_s <= LONGEST_JOIN_S:
            raise UsageError(f"--agent-join-s {join_s:g}: must lie between 1 and {LONGEST_JOIN_S:g} s")
        if join_s != AgentSpec.join_s and agent.kind == "reference":
            raise UsageError("--agent-join-s: the reference agent is there before a call; leave it out")
        return join_s

    def invitation(self) -> Invitation:
        """Raises UsageError for invalid JSON, or data that could reach nobody."""
        if self.dispatch_metadata is not None and self.agent_spec().kind != "dispatch":
            raise UsageError(
                f"--dispatch-metadata: needs --agent dispatch:NAME; --agent {redacted(self.agent)!r} gets no job"
            )
        return read_invitation(self.dispatch_metadata, self.attributes, self.room_metadata)

    def call_rules(self) -> CallRules:
        """Raises UsageError for a time that no call could keep."""
        for name, value, least in (
            ("greeting-window-ms", self.greeting_window_ms, 0.0),
            ("turn-quiet-ms", self.turn_quiet_ms, 300.0),
        ):
            if not least <= value <= LONGEST_WAIT_MS:
                raise UsageError(f"--{name} {value:g}: must lie between {least:g} and {LONGEST_WAIT_MS:g} ms")
        return CallRules(self.greeting, self.greeting_window_ms, self.turn_quiet_ms, self.hangup)

    def otlp_port(self) -> int | Literal["auto", "off"]:
        """Raises UsageError for what is no port."""
        if isinstance(self.otlp_in, int) and not 1 <= self.otlp_in <= HIGHEST_PORT:
            raise UsageError(f"--otlp-in {self.otlp_in}: expected auto, off, or a port from 1 to {HIGHEST_PORT}")
        return self.otlp_in

    def otlp_target(self) -> OtlpTarget | None:
        """None: the calls go nowhere. Raises UsageError for what is no address, or headers that are none."""
        return None if self.otlp is None or self.otlp == "off" else read_target(self.otlp, os.environ)

    def agent_env(self) -> dict[str, str]:
        """The reference agent's environment beside the room. Raises UsageError if the file is missing."""
        if self.engines is None:
            return {}
        from runtime.settings import PRESETS, engine_file  # here: a repository may have a `runtime` of its own

        path = engine_file(str(self.engines))
        if not path.is_file():
            raise UsageError(f"--engines {self.engines}: no such file, nor a preset ({', '.join(PRESETS)})")
        return {"EARWITNESS_ENGINES": str(path.resolve())}

    def page_spec(self) -> PageSpec:
        """Raises UsageError for a template that cannot carry the room, or a script that is not there."""
        page, script = self.page, self.page_script
        if page is not None and page in extensions.names(PAGES):
            packaged: Page = extensions.made(PAGES, page, "url")
            page, script = packaged.url, script or packaged.script
        if self.no_room:
            self._check_no_room(page)
        elif page is not None and "{token}" not in page:
            raise UsageError(
                f"--page {redacted(page)!r}: needs {{token}} (and usually {{livekit_url}} and {{room}}) in it; a page that "
                "joins no room of a media server needs --no-room"
            )
        if script is not None and not script.is_file():
            raise UsageError(f"--page-script {script}: no such file")
        hosts = tuple(host.strip() for host in (self.insecure_certificates or "").split(",") if host.strip())
        for host in hosts:
            if "/" in host or (not host.partition(":")[2].isdecimal() and ":" in host):
                raise UsageError(f"--insecure-certificates {host!r}: expected HOST or HOST:PORT, several with commas")
        return PageSpec(page, script, self.ear, self.autoplay, hosts, room=not self.no_room)

    def _check_no_room(self, page: str | None) -> None:
        """Raises UsageError for what has no meaning without a room."""
        of_a_participant = "is told to participants of a room"
        refuse_what_needs_a_room([
            ("--user bot", self.lane == "bot", "joins a room, and a page is heard by a browser"),
            ("--network", self.network is not None, "stands between the user and a media server"),
            ("--agent-identity", self.agent_identity is not None, "names a participant of a room"),
            ("--agent-instrumented", self.agent_instrumented, "is told of by messages in a room"),
            ("--dispatch-metadata", self.dispatch_metadata is not None, of_a_participant),
            ("--attributes", self.attributes is not None, of_a_participant),
            ("--room-metadata", self.room_metadata is not None, of_a_participant),
            ("--engines", self.engines is not None, "is for the reference agent, which joins a room"),
        ])  # fmt: skip
        named, _, command = self.agent.strip().partition(":")
        check_page(page, command if named == "command" else None)

    def network_spec(self) -> NetworkSpec | None:
        """Raises UsageError, ProfileError for a profile that is not there or not valid."""
        if self.network is None:
            if self.link != "auto":
                raise UsageError(f"--link {self.link}: needs a profile to apply; give one with --network")
            return None
        from harness.network.profile import load_profile

        load_profile(self.network)
        return NetworkSpec(self.network, self.link, self.network_seed)

    def recogniser_spec(self) -> RecogniserSpec | None:
        """None: nothing is recognised. Raises UsageError for a model or a language that cannot be."""
        if self.asr == "off":
            return None
        if not re.fullmatch(r"[a-z]{2,3}", self.asr_language):
            raise UsageError(f"--asr-language {self.asr_language!r}: expected a language's code, as in en or de")
        if self.asr_model == SHIPPED_RECOGNISER:
            spec = RecogniserSpec(self.asr_model, self.asr_language)
        elif (Path(self.asr_model) / "model.bin").is_file():
            spec = RecogniserSpec(str(Path(self.asr_model).resolve()), self.asr_language)
        else:
            said = f"neither {SHIPPED_RECOGNISER} nor a folder with a Whisper model in CTranslate2's form (model.bin)"
            raise UsageError(f"--asr-model {self.asr_model}: {said}")
        if self.asr == "on" and find_spec("ctranslate2") is None:
            raise UsageError("--asr on: CTranslate2 is missing: pip install 'earwitness[asr]', then earwitness setup")
        return spec

    def external_server(self) -> tuple[str, str, str] | None:
        """(url, key, secret) of an external LiveKit. Raises UsageError if only part of it is given."""
        if self.livekit_url is None:
            return None
        if not self.livekit_api_key or not self.livekit_api_secret:
            raise UsageError(
                "--livekit-url (or LIVEKIT_URL) also needs LIVEKIT_API_KEY and LIVEKIT_API_SECRET in the environment"
            )
        if not self.livekit_url.startswith(("ws://", "wss://")):
            raise UsageError(f"--livekit-url {redacted(self.livekit_url)!r}: must begin with ws:// or wss://")
        return self.livekit_url, self.livekit_api_key, self.livekit_api_secret


def load_settings(
    flags: Mapping[str, Any], *, folder: Path | None = None, env: Mapping[str, str] | None = None
) -> Settings:
    """`flags` holds what was given on the command line (None: not given). Raises UsageError."""
    path = (folder or Path.cwd()) / CONFIG_FILE
    fields = [field.name for field in dataclasses.fields(Settings)]
    in_file = from_file(path, [name for name in fields if name not in OF_GATES])
    in_environment: dict[str, Any] = dict(from_environment(os.environ if env is None else env, fields))
    given = {name: value for name, value in flags.items() if value is not None}
    layers: dict[str, Any] = {**in_file, **in_environment, **given}
    if isinstance(layers.get("tag"), str):
        layers["tag"] = [tag.strip() for tag in layers["tag"].split(",") if tag.strip()]
    if "gates" not in given:  # limits merge one by one: a flag replaces one line of the file
        words = in_environment.get("gates", "").replace(",", " ").split()
        layers["gates"] = {
            **in_file.get("gates", {}),
            **from_words(words, "EARWITNESS_GATES"),
            **from_words(layers.pop("gate", []), "--gate"),
        }
    try:
        settings = TypeAdapter(Settings).validate_python(layers)
        return replace(settings, agent=PAGE_AGENT) if settings.no_room and "agent" not in layers else settings
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=True)[0]
        key = first["loc"][0]  # pydantic appends the type where a setting has several
        shown = "***" if str(key) in SECRET_SETTINGS else redacted(repr(first.get("input")))
        raise UsageError(f"setting {key} = {shown}: {first['msg']}") from error
