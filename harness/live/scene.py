"""Where the attempts of a run play: the server, the agent, the page, the browser that the run provides to each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.live.attendance import Agent
from harness.live.network import Network
from harness.live.rooms import Rooms
from harness.model.plan import NOTHING_TOLD, BuiltCase, CallRules, Invitation, Lane, MicMode, PageSpec

if TYPE_CHECKING:
    from harness.telemetry.receiver import Receiver

USER_IDENTITY = "user"


@dataclass(frozen=True)
class Scene:
    """Where an attempt plays: what the run provides to each of its attempts."""

    run_id: str
    run_dir: Path
    media: Rooms | None  # None: the page connects by itself, and there is no room
    server_lost: asyncio.Event
    server_version: str
    agent: Agent
    lane: Lane
    mic: MicMode
    page: PageSpec
    page_url: str  # template with {livekit_url} {token} {room}
    page_sha256: str | None
    library_version: str
    open_browser: Callable[[BuiltCase], Any] | None  # → async context manager of a Browser
    rules: CallRules = field(default_factory=CallRules)
    invitation: Invitation = NOTHING_TOLD  # what an agent receives with the call
    telemetry: Receiver | None = None  # where the agent's spans come in
    network: Network | None = None  # what stands between the user and the media server

    @property
    def rooms(self) -> Rooms:
        """Only for a call in a room."""
        assert self.media is not None
        return self.media
