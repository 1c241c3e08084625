"""One attempt with a page that connects to its agent by itself: no room, no probe, no barrier; the ear alone.

The page is opened, asks for its microphone and connects by whatever way it likes. How it stands with that way decides
whose fault a call without a reply is. Phases: join, connect, prime, wait, speak, leave, done.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from harness.browser.last_words import last_words
from harness.errors import AttemptError
from harness.live.attempt import Attempt
from harness.live.attendance import LONGER, Attendance
from harness.live.barrier import prime
from harness.live.conversation import Conversation
from harness.live.page_agent import PageAgent
from harness.live.page_presence import PagePresence
from harness.live.user import BrowserUser
from harness.model.status import CaptureStatus

END_NOTICED_S = (
    3.0  # a connection is refused some milliseconds before its program is known to have ended, on a busy host longer
)
NO_WAY_S = 5.0  # a page that has not begun to connect by then does so by no way that is seen


@dataclass
class PageAttempt(Attempt):
    """Like every attempt, it outlives a broken call."""

    @property
    def _agent(self) -> PageAgent:
        assert isinstance(self.scene.agent, PageAgent)
        return self.scene.agent

    def _joined_mono_ms(self) -> float | None:
        """A page without a peer connection can hear from when its WebSocket is open."""
        user, joined_ms = self.joining.page_user, super()._joined_mono_ms()
        return joined_ms if joined_ms is not None or user is None else user.session.ways.up_mono_ms

    async def _play(self) -> None:
        scene = self.scene
        if scene.telemetry is not None:
            scene.telemetry.begin(self.room, "")
        try:
            async with AsyncExitStack() as agents, AsyncExitStack() as stack:  # the agent ends after the page
                try:
                    attendance = await self._guarded(None, self._attend(agents))
                    user = await self._guarded(None, self._open_page(stack, attendance))
                    talk = self._conversation(user, None, {})
                    presence = PagePresence(talk, user.session.ways, attendance, user, self.stats)
                    await self._guarded(user, self._alone(user, talk, presence), presence.watch())
                finally:
                    await self._bring_home(stack)
        finally:
            self.enter("done")
            await self._last_spans()

    async def _attend(self, agents: AsyncExitStack) -> Attendance:
        self.joining.attendance = await agents.enter_async_context(self._agent.attend(self.room, None, ""))
        return self.joining.attendance

    async def _open_page(self, stack: AsyncExitStack, attendance: Attendance) -> BrowserUser:
        scene = self.scene
        user = await self.joining.open_browser(stack)
        user.session.ways.on_change = user.hearing.notify
        try:
            await user.open(scene.page_url.replace("{port}", str(attendance.port)), scene.page.script)
            await user.ready()
        except AttemptError as error:
            raise await self._of_program(error, attendance) from error
        if user.mic == "device":
            user.session.lend_microphone()  # such pages connect with their microphone in hand
        return user

    async def _of_program(self, error: AttemptError, attendance: Attendance) -> AttemptError:
        """A page that did not come, with the end of the program that serves it, if that is why."""
        if self._agent.program is None or error.status is not CaptureStatus.PAGE_ERROR:
            return error
        try:
            async with asyncio.timeout(END_NOTICED_S):
                await attendance.lost.wait()
        except TimeoutError:
            return error
        detail = f"before the page was in the call, {attendance.lost_why} ({error.detail})"
        return AttemptError(CaptureStatus.AGENT_ABSENT, detail)

    async def _alone(self, user: BrowserUser, talk: Conversation, presence: PagePresence) -> None:
        self.enter("connect")
        await self._connected(user)
        since_s = asyncio.get_running_loop().time()
        await user.tapped(agent_track=False)
        self.enter("prime")
        if user.session.agent_track_seen.is_set():  # only a remote track has a jitter buffer to settle
            self.primed = await prime(user)
        if self.seat is not None:
            self.enter("wait")
            await self.seat.measure()
        self.enter("speak")
        talk.there_ms = 1e3 * (asyncio.get_running_loop().time() - since_s)
        try:
            await talk.hold()
        except AttemptError as error:
            raise await self._explained(error, user) from error
        await presence.outlived()

    async def _connected(self, user: BrowserUser) -> None:
        """Wait until the page's way is up, or something is heard. Raises AttemptError (AGENT_ABSENT)."""
        ways, hearing, limit_s = user.session.ways, user.hearing, self._agent.join_s

        loop = asyncio.get_running_loop()
        begin_s = loop.time()

        def settled() -> bool:
            """Connected, heard, or with nothing that would still come: an agent inside the page, or behind plain requests."""
            nothing_tried = not ways.tried and loop.time() - begin_s > NO_WAY_S
            return ways.up or hearing.last_sound is not None or nothing_tried

        try:
            async with asyncio.timeout(limit_s):
                await hearing.wait_for(settled)
        except TimeoutError:
            if not ways.tried:
                return
            detail = f"the page was not connected to an agent within {limit_s:g} s: {ways.in_words} ({LONGER})"
            raise AttemptError(CaptureStatus.AGENT_ABSENT, detail + last_words(user.session.errors)) from None

    async def _explained(self, error: AttemptError, user: BrowserUser) -> AttemptError:
        """A reply that was not heard, with what the page knows of the reason."""
        session = user.session
        if error.status is not CaptureStatus.REPLY_TIMEOUT or user.hearing.last_sound is not None:
            return error
        if not session.agent_track_seen.is_set():
            silent = (await session.unplayed()).graphs
            if silent:
                return AttemptError(CaptureStatus.PAGE_ERROR, f"the page plays nothing: {'; '.join(silent)}")
        said = f"{error.detail}{last_words(session.errors)}"
        if not session.ways.was_up:
            detail = f"nothing was ever heard of an agent, and the page was connected to none: {session.ways.in_words}; {said}"
            return AttemptError(CaptureStatus.AGENT_ABSENT, detail)
        return AttemptError(error.status, said)
