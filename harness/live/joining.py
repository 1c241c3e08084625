"""Joining: the probe, the agent and the user come into an attempt's room, in the order that the agent needs.

`Joining` keeps whoever has joined also when a later step fails, so that the attempt can fetch its recordings. Every
failure is an AttemptError that says who did not join.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from urllib.parse import quote

from bots.connection import CONNECT_TIMEOUT_S
from bots.probe_bot import PROBE_IDENTITY, Identity, Probe, host_clock
from bots.roster import Roster
from bots.timeline import RATE_HZ
from harness.browser.driver import Browser
from harness.errors import AttemptError
from harness.link.link import Link
from harness.live.attendance import Attendance
from harness.live.entering import PageEntry
from harness.live.host import host_id
from harness.live.rooms import Participants, served
from harness.live.scene import USER_IDENTITY, Scene
from harness.live.user import BotUser, BrowserUser, User, bot_user, browser_user
from harness.model.plan import BuiltCase
from harness.model.status import CaptureStatus

DEVICE_LEAD_S = 3.0  # silence ahead of the speech in the fake microphone's file: the track is published meanwhile
BOT_SEEN_TIMEOUT_S = 10.0


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
    bot: BotUser | None = None
    attendance: Attendance | None = None
    browser_version: str = ""
    user_identity: str = USER_IDENTITY  # as found in the room
    _agent_since_s: float | None = None
    _kept_away: set[str] = field(default_factory=set)

    async def everybody(self, stack: AsyncExitStack, agents: AsyncExitStack) -> tuple[User, Attendance]:
        """Raises AttemptError. What is opened is left on the two stacks."""
        if self.scene.agent.about.instrumented and not self._page_of_ones_own:
            return await self._all_at_once(stack, agents)
        return await self._one_by_one(stack, agents)

    async def _all_at_once(self, stack: AsyncExitStack, agents: AsyncExitStack) -> tuple[User, Attendance]:
        """An instrumented agent waits for our events, and we choose every identity."""
        probe = await self._enter_probe(stack)
        async with asyncio.TaskGroup() as group:
            attending = group.create_task(self._attend(agents))
            joining = group.create_task(self._enter_user(stack, probe))
        return joining.result(), attending.result()

    async def _one_by_one(self, stack: AsyncExitStack, agents: AsyncExitStack) -> tuple[User, Attendance]:
        """A foreign agent links to the first participant it sees, which must be the user. The probe is hidden from the agent
        and hears its first word. A page of one's own joins before the probe, which needs its identity.
        """
        hidden = not self.scene.agent.about.instrumented
        if self._page_of_ones_own:
            user: User = await self._enter_page(stack, first=True)
            probe = await self._enter_probe(stack, hidden=hidden)
        else:
            probe = await self._enter_probe(stack, hidden=hidden)
            user = await self._enter_user(stack, probe, first=True)
        attendance = await self._attend(agents)
        probe.roster.invited = attendance.identity
        self._agent_since_s = asyncio.get_running_loop().time()
        return user, attendance

    @property
    def user(self) -> User | None:
        """The user's side, as soon as it is open."""
        return self.page_user or self.bot

    @property
    def agent_there_ms(self) -> float:
        """For how long the agent has been there and able to speak."""
        since = self._agent_since_s
        return 0.0 if since is None else 1e3 * (asyncio.get_running_loop().time() - since)

    @property
    def _slack_s(self) -> float:
        return self.scene.network.slack_s if self.scene.network is not None else 0.0

    async def keep_others_away(self) -> None:
        """If the agent is named, keep other speakers' tracks from the user."""
        new = self.probe.others - self._kept_away if self.probe is not None else set()
        if new and await self.scene.rooms.keep_from(self.room, self.user_identity, sorted(new)):
            self._kept_away |= new

    def _url_for(self, identity: str) -> str:
        """The URL by which this participant joins: the link's if it is behind one."""
        link = self.link
        return link.url if link is not None and identity in link.behind else self.scene.rooms.url

    async def _enter_probe(self, stack: AsyncExitStack, *, hidden: bool = False) -> Probe:
        scene, case = self.scene, self.built.case
        identity = Identity(self.trace_id, scene.run_id, case.id, self.number, host_clock(host_id()))
        probe = Probe(identity, self.user_identity, roster=Roster(named=scene.agent.about.identity))
        self.probe = probe
        token = scene.rooms.token(self.room, PROBE_IDENTITY, {"role": "probe"}, hidden=hidden)
        timeout_s = CONNECT_TIMEOUT_S + self._slack_s
        await served(stack.enter_async_context(probe.in_room(self._url_for(PROBE_IDENTITY), token, timeout_s)))
        return probe

    async def _attend(self, agents: AsyncExitStack) -> Attendance:
        attending = self.scene.agent.attend(self.room, self.scene.rooms, self.user_identity)
        self.attendance = await agents.enter_async_context(attending)
        return self.attendance

    @property
    def _page_of_ones_own(self) -> bool:
        return self.scene.open_browser is not None and self.scene.page.template is not None

    async def _enter_user(self, stack: AsyncExitStack, probe: Probe, *, first: bool = False) -> User:
        """`first`: return only when the user is in the room."""
        if self.scene.open_browser is not None:
            return await self._enter_page(stack, first=first)
        bot = await self._enter_bot(stack, probe)
        if first:
            await self._bot_seen()
        return bot

    def _user_token(self) -> str:
        attributes = {"role": "user"} | dict(self.scene.invitation.attributes)
        return self.scene.rooms.token(self.room, USER_IDENTITY, attributes)

    async def _enter_bot(self, stack: AsyncExitStack, probe: Probe) -> BotUser:
        joined = bot_user(probe, self._url_for(USER_IDENTITY), self._user_token(), self._slack_s, self.built.case.echo)
        bot: BotUser = await served(stack.enter_async_context(joined))
        self.bot = bot
        await bot.ready()
        return bot

    async def _bot_seen(self) -> None:
        def here(present: Participants) -> bool:
            return any(p.identity == USER_IDENTITY for p in present)

        timeout_s = BOT_SEEN_TIMEOUT_S + self._slack_s
        try:
            async with asyncio.timeout(timeout_s):
                await self.scene.rooms.wait_for_participants(self.room, here)
        except TimeoutError:
            detail = f"the media server did not list the user bot within {timeout_s:.0f} s of its joining"
            raise AttemptError(CaptureStatus.SERVER_LOST, detail) from None

    async def open_browser(self, stack: AsyncExitStack) -> BrowserUser:
        """A user whose page is still to be opened."""
        scene = self.scene
        assert scene.open_browser is not None
        browser: Browser = await stack.enter_async_context(scene.open_browser(self.built))
        self.browser_version = browser.version
        lead, echo, page = int(DEVICE_LEAD_S * RATE_HZ), self.built.case.echo, scene.page
        self.page_user = await stack.enter_async_context(
            browser_user(browser, scene.mic, host_id(), lead, self._slack_s, echo, page.ear, files=not page.room)
        )
        return self.page_user

    async def _enter_page(self, stack: AsyncExitStack, *, first: bool) -> BrowserUser:
        """`first`: return only when the page is in the room; `user_identity` is then its identity."""
        scene = self.scene
        user = await self.open_browser(stack)
        values = {"livekit_url": self._url_for(USER_IDENTITY), "token": self._user_token(), "room": self.room}
        url = scene.page_url
        for name, value in values.items():
            url = url.replace("{" + name + "}", quote(value, safe=""))
        if first:
            alone = scene.agent.about.kind != "room"
            rooms, room, slack_s = scene.rooms, self.room, self._slack_s
            entry = PageEntry(rooms, room, self._url_for(USER_IDENTITY), USER_IDENTITY, user, alone, slack_s)
            self.user_identity = await entry.enter(url, scene.page.script)
        else:
            await user.open(url, scene.page.script)
            await user.ready()
        return user
