"""A page's way into the room: opened, its script run, its microphone asked for, its participant found. Limits in seconds.

The page may choose its identity (by a token endpoint of its own). Its signalling connection names the identity; else the
page is the only new participant. A page that needs its microphone before it connects is lent one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bots.probe_bot import PROBE_IDENTITY
from harness.browser.last_words import last_words, with_advice
from harness.browser.signalling import SignalConnection
from harness.errors import AttemptError
from harness.live.rooms import Participants, Rooms, served
from harness.live.user import BrowserUser
from harness.model.status import CaptureStatus

ROOM_TIMEOUT_S = 15.0  # from the page's request for the microphone, or the end of its script, until it is in the room
LEND_AFTER_S = 3.0  # a page that connects before its microphone is open has long connected by then
AGENT_KIND = 4  # ParticipantInfo.Kind.AGENT


@dataclass
class PageEntry:
    """One page entering one room. `given`: the identity of the token that it was given."""

    rooms: Rooms
    room: str
    server_url: str
    given: str
    user: BrowserUser
    comes_alone: bool  # no agent comes into the room before the page
    slack_s: float = 0.0
    _before: frozenset[str] = frozenset()
    _seen: Participants = field(default_factory=list)

    async def enter(self, url: str, script: Path | None) -> str:
        """The identity by which the page is in the room. Raises AttemptError (PAGE_ERROR, BROWSER_CRASH)."""
        self._before = frozenset(p.identity for p in await served(self.rooms.participants(self.room)))
        async with asyncio.TaskGroup() as group:
            arriving = group.create_task(self._arrival())
            lending = group.create_task(self._lend_if_needed(arriving))
            try:
                await self.user.open(url, script)
                await self.user.ready()
                await self._here_in_time(arriving)
            finally:
                arriving.cancel()
                lending.cancel()
        return arriving.result()

    async def _arrival(self) -> str:
        """Wait until the page is in the room."""
        found: list[str] = []

        def here(present: Participants) -> bool:
            self._seen = present
            identity = self._whom(present)
            found.extend([identity] if identity is not None else [])
            return bool(found)

        await served(self.rooms.wait_for_participants(self.room, here))
        return found[0]

    def _whom(self, present: Participants) -> str | None:
        came = [p.identity for p in present if self._may_be_the_page(p)]
        said = [connection.identity for connection in self._connections(self.room)]
        for identity in (self.given, *reversed(said)):
            if identity in came:
                return identity
        return came[0] if self.comes_alone and len(came) == 1 else None

    def _may_be_the_page(self, participant: Any) -> bool:
        if participant.identity in self._before or participant.identity == PROBE_IDENTITY:
            return False
        return participant.kind != AGENT_KIND

    def _connections(self, room: str | None = None) -> list[SignalConnection]:
        connections = self.user.session.connections
        return [c for c in connections if room is None or c.room == room]

    async def _lend_if_needed(self, arriving: asyncio.Task[str]) -> None:
        if self.user.mic != "device":
            return
        await self.user.session.microphone_asked.wait()
        done, _ = await asyncio.wait({arriving}, timeout=LEND_AFTER_S + self.slack_s)
        if not done:
            self.user.session.lend_microphone()

    async def _here_in_time(self, arriving: asyncio.Task[str]) -> None:
        timeout_s = ROOM_TIMEOUT_S + self.slack_s
        if not await self.user.done_in_time(arriving, timeout_s):
            words = last_words(self.user.session.errors)
            raise AttemptError(CaptureStatus.PAGE_ERROR, self._why_not_here(timeout_s) + words)

    def _why_not_here(self, timeout_s: float) -> str:
        waited = f"within {timeout_s:.0f} s of asking for the microphone"
        lent = ", which it had been given" if self.user.mic != "device" or self.user.session.microphone_lent else ""
        connections = self._connections()
        if not connections:
            return (
                f"the page did not connect to a media server {waited}{lent}: it may be waiting in a lobby "
                "(do the clicks that it needs with --page-script)"
            )
        last = connections[-1]
        if last.failed is not None:
            return f"the page's connection to the media server {last.origin} failed: {with_advice(last.failed, last.origin)}"
        if last.room is not None and last.room != self.room:
            return (
                f"the page joined the room {last.room!r} as {last.identity!r}, and this call is in {self.room!r}: "
                "its token must be for the {room} that is filled in in --page"
            )
        return (
            f"the page connected to {last.origin} as {last.identity!r}, but was not seen in the room "
            f"{self.room!r} of {self.server_url} {waited}"
        )
