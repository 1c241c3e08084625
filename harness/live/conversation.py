"""The conversation of an attempt: speak each part of the case when it is due, then listen until the agent is done.

Samples are on the user's clock, 48 kHz. Starts relative to a reply hang on what the user *hears* of it. The call ends
TAIL_MS after the last audible sample that follows the final reply_end; where no reply is expected, after LISTEN_ON_MS.
All waiting is on audio that arrives (`Hearing.wait_for`); each wait has its limit and its named status.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bots.probe_bot import Probe
from harness.errors import AttemptError
from harness.live.audio_wait import wait_on_audio
from harness.live.segments import Segment, cut_segments
from harness.live.user import SPEAK_LEAD_SAMPLES, User
from harness.model.capture import SpokenAt
from harness.model.case import Case, Truth
from harness.model.events import EventType
from harness.model.status import CaptureStatus

SAMPLES_PER_MS = 48
TAIL_MS = 1_000.0
LISTEN_ON_MS = 3_000.0
FOREIGN_TAIL_MS = 2_000.0  # without reply_end only silence tells the end; natural pauses stay below a second
FOREIGN_REPLY_END_MS = 1_000.0
GREETING_LIMIT_S = 15.0
EVENTS_GRACE_MS = 5_000.0  # silent for this long without a reply_end: it will not come
ENDLESS_GRACE_MS = 2_000.0
PLAYBACK_GRACE_S = 5.0


@dataclass
class Conversation:
    """One case spoken to one agent. `spoken` grows as it goes, so a broken attempt keeps it."""

    case: Case
    truth: Truth
    said: npt.NDArray[np.int16]
    user: User
    probe: Probe
    instrumented: bool
    spoken: list[SpokenAt] = field(default_factory=list)
    _ends: dict[int, int] = field(default_factory=dict)  # utterance → its true end on the user's clock

    async def hold(self) -> None:
        """Raises AttemptError when the agent does not do its part in time."""
        await self._quiet_before()
        for segment in self._segments():
            await self._speak(segment)
        await self._listen()

    def _segments(self) -> list[Segment]:
        if self.user.mic == "device":  # the file plays as it is; achieved starts are measured afterwards
            utterances = tuple(enumerate(self.truth.utterances))
            return [Segment(0, self.truth.n_samples, utterances)]
        return cut_segments(self.truth)

    async def _quiet_before(self) -> None:
        """A greeting is let finish; the user does not talk into it."""
        hearing = self.user.hearing
        quiet_ms = 0.0 if self.instrumented else FOREIGN_REPLY_END_MS
        try:
            async with asyncio.timeout(GREETING_LIMIT_S):
                await hearing.wait_for(lambda: hearing.last_sound is None or hearing.quiet_ms() >= max(300.0, quiet_ms))
        except TimeoutError as error:
            detail = f"the agent was never silent in the first {GREETING_LIMIT_S:.0f} s, before anybody spoke to it"
            raise AttemptError(CaptureStatus.REPLY_ENDLESS, detail) from error

    # speaking

    async def _speak(self, segment: Segment) -> None:
        due: int | None = None
        onset: int | None = None
        trigger = segment.trigger if self.user.mic != "device" else None
        if trigger is not None:
            onset, due_utterance = await self._due(segment.utterances[0][0])
            due = due_utterance - (trigger.start_sample - segment.start)
        else:
            due = await self.user.now_sample() + SPEAK_LEAD_SAMPLES
        start = await self.user.speak(self.said[segment.start : segment.end], due)
        for index, utterance in segment.utterances:
            begin = start + utterance.start_sample - segment.start
            self._ends[index] = start + utterance.end_sample - segment.start
            delay_ms = (begin - onset) / SAMPLES_PER_MS if onset is not None else None
            scheduled = self.user.mic == "scheduled"
            self.spoken.append(
                SpokenAt(utterance=index, mic_sample=begin if scheduled else None, achieved_delay_ms=delay_ms)
            )
        await self._played(start + segment.end - segment.start, segment)

    async def _played(self, end: int, segment: Segment) -> None:
        """Until the segment's last word is out (its silent tail need not be waited for)."""
        if segment.utterances:
            end = self._ends[segment.utterances[-1][0]]
        await self._heard_until(end, "the user's speech")

    async def _heard_until(self, sample: int, what: str) -> None:
        hearing = self.user.hearing
        limit_s = max(0, sample - hearing.now) / SAMPLES_PER_MS / 1e3 + PLAYBACK_GRACE_S
        await wait_on_audio(self.user, lambda: hearing.now >= sample, limit_s=limit_s, what=f"the end of {what}")

    async def _due(self, index: int) -> tuple[int, int]:
        """(the sample that the start hangs on, the sample at which utterance `index` is due)."""
        utterance = self.truth.utterances[index]
        assert utterance.after is not None
        assert utterance.delay_ms is not None
        after = self._ends[index - 1] if index > 0 else 0
        anchor = await self._onset_after(after)
        if utterance.after == "reply_end":
            anchor = await self._reply_end(after)
        return anchor, anchor + int(utterance.delay_ms * SAMPLES_PER_MS)

    # listening

    async def _onset_after(self, sample: int) -> int:
        hearing = self.user.hearing
        limit = sample + int(self.case.reply_timeout_ms * SAMPLES_PER_MS)
        found: list[int] = []

        def heard() -> bool:
            onset = hearing.first_onset_after(sample)
            if onset is not None:
                found.append(onset)
            return onset is not None or hearing.now > limit

        limit_s = self.case.reply_timeout_ms / 1e3 + PLAYBACK_GRACE_S
        await wait_on_audio(self.user, heard, limit_s=limit_s, what="the agent's reply")
        if not found:
            raise await self.user.unplayed(sample) or self._no_reply()
        return found[0]

    def _no_reply(self) -> AttemptError:
        waited = f"within {self.case.reply_timeout_ms:.0f} ms of the user's last word"
        if self.user.hearing.quiet_ms() < 300:
            return AttemptError(CaptureStatus.REPLY_ENDLESS, f"the agent was never silent {waited}, so no reply began")
        if self.instrumented and not self.probe.received(EventType.REPLY_START):
            return AttemptError(CaptureStatus.REPLY_TIMEOUT, f"no reply_start came and nothing was heard {waited}")
        return AttemptError(CaptureStatus.REPLY_TIMEOUT, f"nothing was heard of the agent {waited}")

    def _replies_open(self) -> bool:
        """A reply has started and not ended, or one is being prepared."""
        starts, ends = self.probe.received(EventType.REPLY_START), self.probe.received(EventType.REPLY_END)
        states = self.probe.received(EventType.AGENT_STATE)
        thinking = bool(states) and states[-1].event.data.get("state") == "THINKING"
        return len(ends) < len(starts) or thinking

    async def _reply_end(self, after: int) -> int:
        """The sample after the last sound of the reply that began after `after`."""
        await self._until_quiet(FOREIGN_REPLY_END_MS if not self.instrumented else 100.0, after)
        assert self.user.hearing.last_sound is not None
        return self.user.hearing.last_sound

    async def _until_quiet(self, quiet_ms: float, after: int) -> None:
        """Until every reply has ended and nothing was heard for `quiet_ms`."""
        hearing = self.user.hearing
        limit = after + int((self.case.reply_timeout_ms + self.case.max_reply_ms + ENDLESS_GRACE_MS) * SAMPLES_PER_MS)

        def done() -> bool:
            if hearing.quiet_ms() < quiet_ms:
                return hearing.now > limit
            if not self.instrumented or not self._replies_open():
                return True
            return hearing.quiet_ms() >= EVENTS_GRACE_MS or hearing.now > limit

        limit_s = max(0, limit - hearing.now) / SAMPLES_PER_MS / 1e3 + PLAYBACK_GRACE_S
        await wait_on_audio(self.user, done, limit_s=limit_s, what="the end of the agent's reply")
        if hearing.quiet_ms() < quiet_ms:
            detail = (
                f"the agent was still speaking {self.case.max_reply_ms:.0f} ms (max_reply_ms) after its reply was due"
            )
            raise AttemptError(CaptureStatus.REPLY_ENDLESS, detail)
        if self.instrumented and self._replies_open():
            detail = f"the agent fell silent, but no reply_end came within {EVENTS_GRACE_MS:.0f} ms"
            raise AttemptError(CaptureStatus.REPLY_EVENTS_MISSING, detail)

    async def _listen(self) -> None:
        turns = [i for i, utterance in enumerate(self.truth.utterances) if utterance.is_turn]
        last_word = max(self._ends.values(), default=self.user.hearing.now)
        if not self.case.expect_reply:
            await self._heard_until(last_word + int(LISTEN_ON_MS * SAMPLES_PER_MS), "listening on")
            return
        final_end = self._ends[turns[-1]] if turns else last_word
        await self._onset_after(final_end)
        await self._until_quiet(TAIL_MS if self.instrumented else FOREIGN_TAIL_MS, final_end)
