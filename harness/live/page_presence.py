"""What it means when a page's way to its agent ends in the call, or the agent's program does; the stage decides.

A way that ends while a reply is due, and does not come back, is a crash; after the last reply it is a hang-up. WebRTC notices a
far end that dies without a word only after some seconds; its packets show when it did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bots.probe_bot import mono_ms
from harness.browser.ways import Ways
from harness.errors import AttemptError
from harness.live.attendance import Attendance
from harness.live.conversation import Conversation, Stage
from harness.live.hearing import RATE_HZ, Hearing
from harness.live.packet_flow import stopped_ms
from harness.live.user import BrowserUser
from harness.model.capture import Happening, HappeningKind
from harness.model.status import CaptureStatus

COME_BACK_S = 5.0  # a page that connects anew does so within seconds
BEHIND_MS = 800.0  # a page plays what came up to so long before
CATCH_UP_S = 5.0
NOTICED_S = 12.0  # Chromium takes five to ten seconds to miss a far end
QUIET_MS = 100.0  # longer than a voice's stop before a plosive
PAUSE_MS = 600.0  # longer than a voice stops between two words
LOUD_END = 10 ** (-35 / 10)  # power of the last 10 ms; a voice that is not cut off fades below it
SAMPLES_PER_MS = RATE_HZ / 1e3


@dataclass(frozen=True)
class Moment:
    """On the user's clock, between two samples: a busy page is slow to say which one it is."""

    after: int
    before: int


@dataclass
class PagePresence:
    """Watches over one conversation; `watch` ends with why the attempt must end."""

    talk: Conversation
    ways: Ways
    attendance: Attendance
    user: BrowserUser
    stats: Sequence[Mapping[str, Any]]  # the page's counters, as they come

    @property
    def hearing(self) -> Hearing:
        return self.user.hearing

    async def watch(self) -> AttemptError:
        """Wait for what ends the attempt; anything else is noted in the conversation."""
        program, way = asyncio.create_task(self._program()), asyncio.create_task(self._way())
        try:
            done, _ = await asyncio.wait({program, way}, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            program.cancel()
            way.cancel()
            await asyncio.gather(program, way, return_exceptions=True)

    async def outlived(self) -> None:
        """Called when the conversation is over: an agent that fell silent for ever may have died without a word. Raises
        AttemptError.
        """
        if self.talk.hung_up or stopped_ms(self.stats) is None:
            return
        if await self._within(NOTICED_S, lambda: not self.ways.up):
            error = await self._lost()
            if error is not None:
                raise error

    async def _program(self) -> AttemptError:
        """The agent's program ended: in order after its last reply, else by a crash."""
        await self.attendance.lost.wait()
        if self.attendance.exit_code == 0:
            lost = await self._now()
            torn = await self._caught_up(lost) and await self._torn_for_good(lost)
            if not torn and self.talk.stage is Stage.DUE:  # a page may have all of a reply, and play none of it yet
                await self._within(COME_BACK_S, lambda: self.talk.stage is not Stage.DUE)
            if not torn and self.talk.stage in (Stage.LAST_REPLY, Stage.LISTENING_ON):
                await self._played_out()
                self._hung_up("the agent's program ended")
                await asyncio.Event().wait()  # the conversation comes to its end by itself
        return AttemptError(CaptureStatus.AGENT_CRASH, self.attendance.lost_why)

    async def _way(self) -> AttemptError:
        while True:
            await self.hearing.wait_for(lambda: self.ways.was_up and not self.ways.up)
            error = await self._lost()
            if error is not None:
                return error
            if self.talk.hung_up:
                await asyncio.Event().wait()

    async def _lost(self) -> AttemptError | None:
        gone, lost_ms = f"the page lost its connection to the agent ({self.ways.in_words})", mono_ms()
        lost = await self._now()
        if not await self._caught_up(lost):
            return None  # the page itself went, and its connection with it: whoever waits for its audio says so
        if await self._torn_for_good(lost) and self.talk.stage in (Stage.REPLY, Stage.LAST_REPLY):
            return AttemptError(CaptureStatus.AGENT_CRASH, f"{gone} in the middle of a reply")
        if self.talk.stage is Stage.DUE:
            back = await self._within(COME_BACK_S, lambda: self.ways.up or self.talk.stage is not Stage.DUE)
            if not back:
                late = f"while a reply was due, and did not have it back within {COME_BACK_S:g} s"
                return AttemptError(CaptureStatus.AGENT_CRASH, f"{gone} {late}")
        if not self.ways.up and self.talk.stage in (Stage.LAST_REPLY, Stage.LISTENING_ON):
            await self._played_out()
            self._hung_up(gone)
            return None
        before = "before anybody spoke" if self.talk.stage is Stage.BEFORE else "before the user's next turn"
        self.talk.present.clear()  # the user does not speak to nobody
        if not await self._within(COME_BACK_S, lambda: self.ways.up):
            late = f"and did not have it back within {COME_BACK_S:g} s"
            return AttemptError(CaptureStatus.AGENT_LEFT, f"{gone} {before}, {late}")
        self.talk.present.set()
        self._note("came_back", f"{gone}, and had it back after {(mono_ms() - lost_ms) / 1e3:.1f} s")
        return None

    async def _now(self) -> Moment:
        """What is heard is behind it."""
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        try:
            told = await self.user.now_sample()
        except AttemptError:
            return Moment(self.hearing.now, self.hearing.now)
        return Moment(told - int((loop.time() - asked_s) * RATE_HZ), told)

    async def _caught_up(self, lost: Moment) -> bool:
        """Wait until what the page played at `lost` is heard; False if its audio stands still."""
        return await self._within(CATCH_UP_S, lambda: self.hearing.now >= lost.before + int(BEHIND_MS * SAMPLES_PER_MS))

    async def _played_out(self) -> None:
        """A page may have all of a reply long before it has played it. The conversation has the limit."""
        await self.hearing.wait_for(lambda: self.hearing.quiet_ms() >= QUIET_MS)

    async def _torn_for_good(self, lost: Moment) -> bool:
        """A page that has all of a reply may pause in it just then, between two words."""
        if self._torn(lost):
            await self._within(CATCH_UP_S, lambda: self.hearing.quiet_ms() >= PAUSE_MS or not self._torn(lost))
        return self._torn(lost)

    def _torn(self, lost: Moment) -> bool:
        """Whether the sound ended with the connection. What came over a WebSocket may have been complete, and ahead of its
        playing: it is torn where it ends loud.
        """
        last, stopped = self.hearing.last_sound, stopped_ms(self.stats)
        last_ms = self.user.mono_ms(last) if last is not None else None
        if stopped is not None and last_ms is not None:
            return stopped[0] - QUIET_MS < last_ms < stopped[1] + BEHIND_MS
        if last is None:
            return False
        since_ms, beyond_ms = (last - lost.after) / SAMPLES_PER_MS, (last - lost.before) / SAMPLES_PER_MS
        if since_ms <= -QUIET_MS or beyond_ms >= BEHIND_MS - QUIET_MS:
            return False
        return self.ways.by_peer or self.hearing.last_power > LOUD_END

    async def _within(self, limit_s: float, condition: Callable[[], bool]) -> bool:
        try:
            async with asyncio.timeout(limit_s):
                await self.hearing.wait_for(condition)
        except TimeoutError:
            return False
        return True

    def _hung_up(self, how: str) -> None:
        if self.talk.hung_up:
            return
        self._note("hung_up", f"{how} {self.hearing.quiet_ms() / 1e3:.1f} s after the last reply")
        self.talk.hung_up = True
        self.hearing.notify()

    def _note(self, kind: HappeningKind, detail: str) -> None:
        self.talk.happenings.append(Happening(kind=kind, detail=detail, t_mono_ms=round(mono_ms(), 1)))
