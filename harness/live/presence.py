"""What it means when the agent leaves, comes back, or is not alone; the stage of the conversation decides.

An agent that leaves in mid-turn has crashed; between two turns it may come back; after its last reply it has hung up, which
is no fault by itself. The same holds for a process that ended in order, and for a room that was deleted.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bots.probe_bot import Probe, mono_ms
from harness.errors import AttemptError
from harness.live.attendance import Attendance
from harness.live.conversation import Conversation, Stage
from harness.live.hearing import RATE_HZ, Hearing
from harness.model.capture import Happening, HappeningKind
from harness.model.status import CaptureStatus

COME_BACK_S = 15.0  # a client of LiveKit tries to reconnect for about ten
CATCH_UP_S = 1.0  # for audio that was on its way when the agent left
CATCH_UP_MS = 300.0
QUIET_MS = 100.0  # longer than a voice's stop before a plosive
HANDOVER_S = 5.0  # for the first one's last words, when another one has begun to speak
RECOUNT_S = 0.5  # the agent's leaving and the end of its process are reported separately


ENDED = "ended the call"


@dataclass
class Presence:
    """Watches over one conversation; `watch` ends with why the attempt must end."""

    talk: Conversation
    probe: Probe
    attendance: Attendance
    hearing: Hearing

    async def watch(self) -> AttemptError:
        """Wait for what ends the attempt; anything else is noted in the conversation."""
        while True:
            left = await self._next()
            if left is None:
                first = self.probe.roster.speakers[0]
                if not await self._handed_over():
                    return self._two_agents()
                self._note("came_back", f"{first} handed over to {self.probe.roster.agent}, and left")
                continue
            error = await self._gone(left)
            if error is not None:
                return error
            if self.talk.hung_up:
                await self.probe.second_agent.wait()

    async def outlived(self) -> None:
        """Called when the conversation is over: one who spoke beside the agent last may have taken over. Raises AttemptError."""
        if not await self._handed_over():
            raise self._two_agents()

    async def _handed_over(self) -> bool:
        """Wait until one alone speaks again."""
        try:
            async with asyncio.timeout(HANDOVER_S):
                await self.hearing.wait_for(lambda: self.probe.roster.second_agent is None)
        except TimeoutError:
            return False
        return True

    async def _next(self) -> str | None:
        """How the agent left, as the middle of a sentence; None where a second agent spoke instead."""
        why = {
            ENDED: self.probe.room_ended,  # before the leaving that it causes
            "left the room": self.probe.agent_gone,
            "ended": self.attendance.lost,
        }
        tasks = {asyncio.create_task(event.wait()): how for how, event in why.items()}
        second = asyncio.create_task(self.probe.second_agent.wait())
        try:
            done, _ = await asyncio.wait({*tasks, second}, return_when=asyncio.FIRST_COMPLETED)
            how = next((tasks[task] for task in tasks if task in done), None)
            return None if second in done else self.probe.ended_how if how is ENDED else how
        finally:
            for task in (*tasks, second):
                task.cancel()
            await asyncio.gather(*tasks, second, return_exceptions=True)

    def _two_agents(self) -> AttemptError:
        names = ", ".join(self.probe.roster.speakers)
        detail = f"two agents are in the room: {names} (both spoke; --agent-identity names the one that is meant)"
        return AttemptError(CaptureStatus.TWO_AGENTS, detail)

    async def _gone(self, how: str) -> AttemptError | None:
        left_ms, heard_until, sounding_until = mono_ms(), self.hearing.now, self.hearing.last_sound
        who = self.probe.roster.agent
        delivered = await self.probe.agent_delivered()  # after it WebRTC goes on with frames of silence of its own
        crash = await self._crashed()
        if crash is not None:
            return crash
        await self._catch_up(heard_until)
        last = self.hearing.last_sound
        sounded_on = (last is not None and last > heard_until) or self._sounding(heard_until, sounding_until)
        cut_off = sounded_on and not self._was_quiet(delivered)
        stage = self.talk.stage
        if stage is Stage.DUE or (cut_off and stage in (Stage.REPLY, Stage.LAST_REPLY)):
            where = "in the middle of its reply" if cut_off else "while its reply was due"
            return AttemptError(CaptureStatus.AGENT_CRASH, f"the agent {how} {where}")
        if stage in (Stage.LAST_REPLY, Stage.LISTENING_ON):
            self._hung_up(how)
            return None
        return await self._absent(how, who, left_ms)

    async def _crashed(self) -> AttemptError | None:
        """A process that died is never a hang-up."""
        attendance = self.attendance
        if not attendance.lost.is_set():
            try:
                async with asyncio.timeout(RECOUNT_S):
                    await attendance.lost.wait()
            except TimeoutError:
                return None
        if attendance.exit_code == 0 or self.talk.hung_up:
            return None
        return AttemptError(CaptureStatus.AGENT_CRASH, attendance.lost_why)

    def _was_quiet(self, delivered: int | None) -> bool:
        """Whether silence of the agent had come to the second listener when it left. On a starved host the ear hears its
        reply after it has left, and the second listener's jitter buffer holds back what had come.
        """
        return delivered is not None and self.probe.agent_quiet_ms(delivered) >= QUIET_MS

    @staticmethod
    def _sounding(heard_until: int, sounding_until: int | None) -> bool:
        return sounding_until is not None and heard_until - sounding_until < RATE_HZ * 0.05

    async def _catch_up(self, heard_until: int) -> None:
        """Wait for late audio: it shows whether the last word was cut off."""
        until = heard_until + int(CATCH_UP_MS * RATE_HZ / 1e3)
        try:
            async with asyncio.timeout(CATCH_UP_S):
                await self.hearing.wait_for(lambda: self.hearing.now >= until)
        except TimeoutError:
            return

    def _hung_up(self, how: str) -> None:
        quiet_ms = self.hearing.quiet_ms()
        self._note("hung_up", f"the agent {how} {quiet_ms / 1e3:.1f} s after its last reply")
        self.talk.hung_up = True
        self.hearing.notify()

    def _note(self, kind: HappeningKind, detail: str) -> None:
        who = self.probe.roster.agent or ""
        self.talk.happenings.append(Happening(kind=kind, detail=detail, who=who, t_mono_ms=round(mono_ms(), 1)))

    async def _absent(self, how: str, who: str | None, left_ms: float) -> AttemptError | None:
        """The agent `who` left between two turns: it may come back, or another one in its place."""
        self.talk.present.clear()
        before = "before anybody spoke to it" if self.talk.stage is Stage.BEFORE else "before the user's next turn"
        came_back = not self.probe.room_ended.is_set() and not self.attendance.lost.is_set()
        if came_back:
            try:
                async with asyncio.timeout(COME_BACK_S):
                    await self.probe.agent_present.wait()
            except TimeoutError:
                came_back = False
        if not came_back:
            waited = "" if self.probe.room_ended.is_set() else f" and did not come back within {COME_BACK_S:.0f} s"
            if self.attendance.lost.is_set():
                waited = ", and its process ended"
            return AttemptError(CaptureStatus.AGENT_LEFT, f"the agent {how} {before}{waited}")
        after = f"after {(mono_ms() - left_ms) / 1e3:.1f} s"
        came = self.probe.roster.agent
        back = f" and came back {after}" if came == who else f", and {came} came in its place {after}"
        self._note("came_back", f"the agent {how} {before}{back}")
        self.talk.came_back()
        return None
