"""Joining: the probe, the agent and the user come into an attempt's room, in the order that the agent needs.

What has come is kept in `Joining` also when a later step fails, so that the attempt can fetch its recordings. Every
failure is an AttemptError that says who did not come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
from livekit import api

from bots.connection import CONNECT_TIMEOUT_S, RoomJoinError
from bots.probe_bot import Identity, Probe, host_clock
from bots.roster import Roster
from bots.timeline import RATE_HZ
from harness.browser.driver import Browser
from harness.errors import AttemptError
from harness.link.link import Link
from harness.live.agents import Attendance
from harness.live.host import host_id
from harness.live.scene import PROBE_IDENTITY, USER_IDENTITY, Scene
from harness.live.user import BotUser, BrowserUser, User, bot_user, browser_user
from harness.model.plan import BuiltCase
from harness.model.status import CaptureStatus

DEVICE_LEAD_S = 3.0  # silence ahead of the speech in the fake microphone's file: the track is published meanwhile


@dataclass
class Joining:
    """Who has come into the room of one attempt."""

    scene: Scene
    built: BuiltCase
    number: int
    trace_id: str
    room: str
    link: Link | None = None
    probe: Probe | None = None
    page_user: BrowserUser | None = None
    attendance: Attendance | None = None
    browser_version: str = ""
    _agent_since_s: float | None = None
    _kept_away: set[str] = field(default_factory=set)

    async def everybody(self, stack: AsyncExitStack, agents: AsyncExitStack) -> tuple[User, Attendance]:
        """Raises AttemptError. What is opened is left on the two stacks."""
        if self.scene.agent.about.instrumented:
            return await self._with_probe_first(stack, agents)
        return await self._with_agent_last(stack, agents)

    async def _with_probe_first(self, stack: AsyncExitStack, agents: AsyncExitStack) -> tuple[User, Attendance]:
        """An agent that knows us waits for our events: all join at once."""
        probe = await self._enter_probe(stack)
        async with asyncio.TaskGroup() as group:
            attending = group.create_task(self._attend(agents))
            joining = group.create_task(self._enter_user(stack, probe))
        return joining.result(), attending.result()

    async def _with_agent_last(self, stack: AsyncExitStack, agents: AsyncExitStack) -> tuple[User, Attendance]:
        """A foreign agent links to the first participant it sees: that must be the user. It does not see the probe, which
        hears its first word.
        """
        probe = await self._enter_probe(stack, hidden=True)
        user = await self._enter_user(stack, probe)
        await self.scene.rooms.wait_for_participants(
            self.room, lambda present: any(p.identity == USER_IDENTITY for p in present)
        )
        attendance = await self._attend(agents)
        probe.roster.invited = attendance.identity
        self._agent_since_s = asyncio.get_running_loop().time()
        return user, attendance

    @property
    def agent_there_ms(self) -> float:
        """For how long the agent has been there and able to speak."""
        since = self._agent_since_s
        return 0.0 if since is None else 1e3 * (asyncio.get_running_loop().time() - since)

    @property
    def _slack_s(self) -> float:
        return self.scene.network.slack_s if self.scene.network is not None else 0.0

    async def keep_others_away(self) -> None:
        """Where the agent is named, the user does not hear whoever speaks beside it."""
        new = self.probe.others - self._kept_away if self.probe is not None else set()
        if new and await self.scene.rooms.keep_from(self.room, USER_IDENTITY, sorted(new)):
            self._kept_away |= new

    def _url_for(self, identity: str) -> str:
        """By which this participant joins: through the link if it is behind one."""
        link = self.link
        return link.url if link is not None and identity in link.behind else self.scene.rooms.url

    async def _enter_probe(self, stack: AsyncExitStack, *, hidden: bool = False) -> Probe:
        scene, case = self.scene, self.built.case
        identity = Identity(self.trace_id, scene.run_id, case.id, self.number, host_clock(host_id()))
        probe = Probe(identity, USER_IDENTITY, roster=Roster(named=scene.agent.about.identity))
        self.probe = probe
        token = scene.rooms.token(self.room, PROBE_IDENTITY, {"role": "probe"}, hidden=hidden)
        timeout_s = CONNECT_TIMEOUT_S + self._slack_s
        await served(stack.enter_async_context(probe.in_room(self._url_for(PROBE_IDENTITY), token, timeout_s)))
        return probe

    async def _attend(self, agents: AsyncExitStack) -> Attendance:
        attending = self.scene.agent.attend(self.room, self.scene.rooms, USER_IDENTITY)
        self.attendance = await agents.enter_async_context(attending)
        return self.attendance

    async def _enter_user(self, stack: AsyncExitStack, probe: Probe) -> User:
        scene, echo = self.scene, self.built.case.echo
        attributes = {"role": "user"} | dict(scene.invitation.attributes)
        token = scene.rooms.token(self.room, USER_IDENTITY, attributes)
        if scene.open_browser is None:
            bot: BotUser = await served(
                stack.enter_async_context(bot_user(probe, self._url_for(USER_IDENTITY), token, self._slack_s, echo))
            )
            await bot.ready()
            return bot
        browser: Browser = await stack.enter_async_context(scene.open_browser(self.built))
        self.browser_version = browser.version
        lead = int(DEVICE_LEAD_S * RATE_HZ)
        user = await stack.enter_async_context(
            browser_user(browser, scene.mic, host_id(), lead, self._slack_s, echo, scene.page.ear)
        )
        self.page_user = user
        values = {"livekit_url": self._url_for(USER_IDENTITY), "token": token, "room": self.room}
        url = scene.page_url
        for name, value in values.items():
            url = url.replace("{" + name + "}", quote(value, safe=""))
        await user.open(url, scene.page.script)
        await user.ready()
        return user


async def served(step: Awaitable[Any]) -> Any:
    """A step that talks to the media server; its failure means that the server is gone."""
    try:
        return await step
    except (RoomJoinError, aiohttp.ClientError, api.TwirpError, TimeoutError) as error:
        raise AttemptError(CaptureStatus.SERVER_LOST, f"the media server does not answer: {error}") from error
