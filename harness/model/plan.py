"""What is to be run: cases × user kind × repeats. Everything a run needs to know, decided before it starts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from harness.model.case import Case, Truth
from harness.model.expect import GreetingRule
from harness.model.limits import SHIPPED, Limits

Lane = Literal["browser", "bot"]
MicMode = Literal["scheduled", "device"]
EarMode = Literal["played", "received"]  # what the page plays, or every remote track as received
AutoplayMode = Literal["allowed", "real"]  # the browser lets any page play, or applies its own policy


@dataclass(frozen=True)
class BuiltCase:
    """A case with its speech: `wav` is 48 kHz mono 16 bit, `truth` says where its words are."""

    case: Case
    wav: Path
    truth: Truth
    path: Path  # the case file


@dataclass(frozen=True)
class AgentSpec:
    """`--agent`: reference | command: … | dispatch:NAME | room | NAME of what a package provides | page."""

    kind: Literal["reference", "command", "dispatch", "room", "package", "page"] = "reference"
    value: str = ""
    instrumented: bool = False
    identity: str | None = None  # which participant is the agent, where there are several
    hangover_ms: float | None = None  # the silence it waits for before it answers, if the user of the harness gives it
    join_s: float = 20.0  # a foreign agent that is not in the room with a track after this is absent
    env: tuple[tuple[str, str], ...] = ()  # of the reference agent's process, beyond what every run gives it


@dataclass(frozen=True)
class Invitation:
    """What an agent receives with the call, besides the room. Texts are passed on unchanged; "" is none."""

    dispatch_metadata: str = ""  # of the worker's job
    attributes: tuple[tuple[str, str], ...] = ()  # of the user as a participant
    room_metadata: str = ""


NOTHING_TOLD = Invitation()


@dataclass(frozen=True)
class PageSpec:
    """`--page TEMPLATE` with {livekit_url} {token} {room}; None is the product page. `script`: clicks it needs.

    `room`: whether the page is in a room of a media server; one that is not connects to its agent by itself.
    """

    template: str | None = None
    script: Path | None = None
    ear: EarMode = "played"
    autoplay: AutoplayMode = "allowed"
    insecure_hosts: tuple[str, ...] = ()  # HOST or HOST:PORT whose certificates are trusted as shown
    room: bool = True


@dataclass(frozen=True)
class CallRules:
    """The rules of a call with an agent that reports nothing of itself; a case may override them.

    `greeting`: auto waits for one until `greeting_window_ms` after the agent has joined and can speak, and lets it finish;
    none does not wait; required waits, and its absence is a failure. An agent's turn is over when its `lk.agent.state` says
    so; without one, after silence of `turn_quiet_ms` (a tool call takes seconds in which the agent is silent).
    """

    greeting: GreetingRule = "auto"
    greeting_window_ms: float = 5_000.0
    turn_quiet_ms: float = 5_000.0
    hangup: Literal["warn", "expected"] = "warn"


def rules_for(case: Case, rules: CallRules) -> CallRules:
    """The run's rules, overridden by the case's own. A greeting that may take longer than the run's window is waited for."""
    own = {name: value for name, value in _own_rules(case).items() if value is not None}
    held: CallRules = replace(rules, **own)
    within_ms = case.expected_greeting.within_ms if case.expected_greeting is not None else None
    return held if within_ms is None else replace(held, greeting_window_ms=max(held.greeting_window_ms, within_ms))


def under_rules(built: BuiltCase, rules: CallRules) -> BuiltCase:
    """The case as it is held and judged: with the rules that hold for it, where they are not the usual ones."""
    own, held, usual = _own_rules(built.case), rules_for(built.case, rules), CallRules()
    said = {
        name: value for name in own if (value := getattr(held, name)) != getattr(usual, name) and value != own[name]
    }
    return replace(built, case=built.case.model_copy(update=said)) if said else built


def _own_rules(case: Case) -> dict[str, Any]:
    """None: as the run says."""
    return {"greeting": case.greeting_rule, "turn_quiet_ms": case.turn_quiet_ms, "hangup": case.hangup}


@dataclass(frozen=True)
class NetworkSpec:
    """`--network`: a profile's name or file; `link`: what applies it; `seed`: of its chance."""

    network: str
    link: Literal["auto", "user", "netem"] = "auto"
    seed: int = 1


SHIPPED_RECOGNISER = "tiny.en"


@dataclass(frozen=True)
class RecogniserSpec:
    """What understands the agent's words after the call. `model`: the one that `earwitness setup` fetches, or a folder."""

    model: str = SHIPPED_RECOGNISER
    language: str = "en"  # that the agent speaks


@dataclass(frozen=True)
class OtlpTarget:
    """`--otlp`: where each call goes as a trace. Address and headers may hold secrets: neither is kept nor shown.

    `content`: whether the words of the call and of its tools go too.
    """

    url: str = field(repr=False)  # with its path
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    gzip: bool = False
    content: bool = False


@dataclass(frozen=True)
class Plan:
    """The cases in their order, and how they are run."""

    run_id: str
    run_dir: Path
    cases: tuple[BuiltCase, ...]
    suite: str
    lane: Lane = "browser"
    mic: MicMode = "scheduled"
    agent: AgentSpec = field(default_factory=AgentSpec)
    page: PageSpec = field(default_factory=PageSpec)
    invitation: Invitation = NOTHING_TOLD
    attempts: int = 1  # at most; further ones are only evidence
    repeat: int = 1
    strict: bool = False
    jobs: int = 1  # sessions at once, at most
    jobs_why: str = ""  # how that number was chosen
    rules: CallRules = field(default_factory=CallRules)
    limits: Limits = SHIPPED
    otlp_in: int | Literal["auto", "off"] = "off"  # where the agent's spans are taken
    otlp: OtlpTarget | None = None  # where the judged calls go; None: nowhere
    network: NetworkSpec | None = None  # None: nothing stands between the user and the media server
    recogniser: RecogniserSpec | None = None  # None: nothing is recognised after the call
