"""What somebody else's package may provide by entry point: agents, pages, engines. Pure: protocols and their arguments.

    [project.entry-points."earwitness.agents"]
    my_bot = "my_package:agent"        # then --agent my_bot

The value is the object, or a class or function that makes it. An engine's protocols are in `runtime.engines.protocols`.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

AGENTS = "earwitness.agents"
PAGES = "earwitness.pages"


@dataclass(frozen=True)
class Call:
    """One call that an agent is to join. `token` admits it to the room as the participant "agent"; with key and secret it may
    make a token of its own.
    """

    livekit_url: str
    room: str
    user_identity: str
    token: str = field(repr=False)
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    captures: Path  # where an instrumented agent writes


class Agent(Protocol):
    """An agent under test, for a whole run. It works best as a process that `attend` starts: what it computes in ours is
    measured as a busy host.
    """

    def attend(self, call: Call) -> AbstractAsyncContextManager[object]:
        """On entry the agent is on its way into the room; the call begins when it is there with an audio track. On exit the
        call is over and the agent gone. An exception ends the attempt as AGENT_ABSENT.
        """
        ...


class Page(Protocol):
    """A page to call from. `url` has {token} in it, and usually {livekit_url} and {room}; `script` does the clicks it needs."""

    @property
    def url(self) -> str: ...
    @property
    def script(self) -> Path | None: ...
