"""A link's record of itself, `link.json` of a capture: its profile and seed, what it did when, what the echo measured."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.network.fate import Impairment
from harness.network.profile import Profile

LINK_SCHEMA_VERSION = 1
LinkKind = Literal["user", "netem"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Echo(_Frozen):
    """One probe packet through the link and back; times are ms of CLOCK_MONOTONIC, None where it never came."""

    n: int
    sent_ms: float
    served_ms: float | None = None  # at the far end, which sends it back at once
    back_ms: float | None = None


class Done(_Frozen):
    """An impairment that is in force from `at_ms` on, or (with `for_ms`) an outage."""

    at_ms: float
    for_ms: float | None = None
    ways: tuple[Literal["up", "down"], ...] = ("up", "down")
    up: Impairment | None = None
    down: Impairment | None = None


class LinkRecord(_Frozen):
    schema_version: int = LINK_SCHEMA_VERSION
    kind: LinkKind
    profile: Profile
    seed: int
    behind: list[str]  # identities of the participants behind it
    opened_ms: float
    candidates_turned: int = 0  # candidates of the server that were turned to the relay
    done: list[Done] = Field(default_factory=list)
    echo: list[Echo] = Field(default_factory=list)
    lost: str = ""  # why the link itself ended early
