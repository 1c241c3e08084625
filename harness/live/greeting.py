"""The user lets an agent that speaks first finish, and does not take its greeting for an answer.

The wait counts from when the agent is in the room and able to speak. Durations are ms of the user's audio.
"""

from __future__ import annotations

from dataclasses import dataclass

from bots.probe_bot import mono_ms
from harness.errors import AttemptError
from harness.live.audio_wait import wait_on_audio
from harness.live.hearing import RATE_HZ
from harness.live.turn_over import GREETING_QUIET_MS, TurnOver
from harness.live.user import User
from harness.model.capture import Happening
from harness.model.plan import CallRules
from harness.model.status import CaptureStatus

SAMPLES_PER_MS = RATE_HZ / 1e3
GREETING_LIMIT_S = 60.0  # room for a legal notice in the greeting
QUIET_BEFORE_MS = 300.0  # the user begins after this much silence
STOPPED_GRACE_S = 5.0


@dataclass
class Greeting:
    """`there_ms`: for how long the agent has been there already. `since`: what sounded before this sample is no greeting."""

    user: User
    turn: TurnOver
    rules: CallRules
    instrumented: bool
    there_ms: float = 0.0
    since: int = 0

    async def let_finish(self) -> Happening | None:
        """Raises AttemptError for a greeting that does not end (REPLY_ENDLESS), a telephone that nobody answers (AGENT_ABSENT),
        or audio that stops.
        """
        hearing = self.user.hearing
        begin = hearing.now
        window = begin + int(max(0.0, self._window_ms - self.there_ms) * SAMPLES_PER_MS)
        limit = max(window, begin) + int(GREETING_LIMIT_S * RATE_HZ)

        def done() -> bool:
            if hearing.now > limit:
                return True
            if self._waits and hearing.ringing.goes_on:
                return False
            if not self._heard:
                return hearing.now >= window and not (self._waits and self.turn.busy())
            if not self._waits:
                return hearing.quiet_ms() >= QUIET_BEFORE_MS
            return self.turn.over(GREETING_QUIET_MS, greeting=True)

        limit_s = (limit - begin) / RATE_HZ + STOPPED_GRACE_S
        await wait_on_audio(self.user, done, limit_s=limit_s, what="the agent's greeting")
        onset = hearing.first_onset_after(self.since)
        spoken_s = (hearing.now - (begin if onset is None else onset)) / RATE_HZ
        if self._waits and hearing.ringing.goes_on:
            detail = f"a telephone rang for {spoken_s:.0f} s, and nobody answered it"
            raise AttemptError(CaptureStatus.AGENT_ABSENT, detail)
        if hearing.quiet_ms() < QUIET_BEFORE_MS and self._heard:
            detail = f"the agent was never silent for {spoken_s:.0f} s, before anybody spoke to it"
            raise AttemptError(CaptureStatus.REPLY_ENDLESS, detail)
        if onset is None or hearing.last_sound is None:
            return None
        duration_ms = (hearing.last_sound - onset) / SAMPLES_PER_MS
        return Happening(
            kind="greeting",
            detail=f"the agent spoke first, for {duration_ms / 1e3:.1f} s",
            t_mono_ms=round(mono_ms() - (hearing.now - onset) / SAMPLES_PER_MS, 1),
            duration_ms=round(duration_ms, 1),
        )

    @property
    def _heard(self) -> bool:
        return self.user.hearing.last_sound is not None and self.user.hearing.last_sound > self.since

    @property
    def _waits(self) -> bool:
        """The user waits for an instrumented agent only where a greeting is required: its events say when it speaks."""
        return self.rules.greeting == "required" or (self.rules.greeting == "auto" and not self.instrumented)

    @property
    def _window_ms(self) -> float:
        return self.rules.greeting_window_ms if self._waits else 0.0
