"""The conversation of an attempt: speak each part of the case when it is due, then listen until the agent is done.

Samples are on the user's clock, 48 kHz. Starts relative to a reply count from what the user *hears* of it. The call ends
TAIL_MS after the last audible sample that follows the final reply_end; where no reply is expected, after LISTEN_ON_MS.
All waiting is on audio that arrives (`Hearing.wait_for`); each wait has its limit and its named status.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from bots.probe_bot import Probe, mono_ms
from harness.errors import AttemptError
from harness.live.audio_wait import wait_on_audio
from harness.live.greeting import Greeting
from harness.live.segments import Segment, cut_segments
from harness.live.turn_over import STATE_GRACE_MS, ByEar, ByEvents, TurnOver
from harness.live.unspoken import unspoken
from harness.live.user import SPEAK_LEAD_SAMPLES, User
from harness.model.capture import Happening, HappeningKind, SpokenAt
from harness.model.case import Case, Truth
from harness.model.events import EventType
from harness.model.plan import CallRules, rules_for
from harness.model.status import CaptureStatus

SAMPLES_PER_MS = 48
TAIL_MS = 1_000.0
LISTEN_ON_MS = 3_000.0
FOREIGN_TAIL_MS = 2_000.0  # without reply_end only silence tells the end; natural pauses stay below a second
FOREIGN_REPLY_END_MS = 1_000.0
REOPEN_MS = 1_000.0  # a foreign agent may go on after its turn was taken to be over
SOON_MS = 500.0  # a start that is due within this time is handed over at once
TALKED_ON_MS = 2_000.0  # after an interruption: longer than any agent needs to notice it
BREATH_MS = 600.0  # between two sentences of one reply; an agent that yields to the user is silent for longer
FALLEN_SILENT_MS = 300.0  # the quiet that a new onset needs
ENDLESS_GRACE_MS = 2_000.0
AGAIN = 3  # stretches of speech with silence between them; a tool call makes two of a reply
PLAYBACK_GRACE_S = 5.0


class Stage(StrEnum):
    """What the agent's leaving would mean now."""

    BEFORE = "before"  # nobody has spoken to it yet
    DUE = "due"  # the user speaks, or its reply is due
    REPLY = "reply"  # it replies, or has just replied
    LAST_REPLY = "last reply"
    LISTENING_ON = "listening on"  # no reply is expected


@dataclass
class Conversation:
    """One case spoken to one agent. `spoken` and `happenings` grow as it goes, so a broken attempt keeps them.

    `probe`: the second listener; None where there is no room to listen in. `there_ms`: for how long the agent had been there
    when the conversation began; `present` is cleared while it has left, `hung_up` set when it will not come back and has said
    its last reply.
    """

    case: Case
    truth: Truth
    said: npt.NDArray[np.int16]
    user: User
    probe: Probe | None
    instrumented: bool
    spoken: list[SpokenAt] = field(default_factory=list)
    rules: CallRules = field(default_factory=CallRules)
    there_ms: float = 0.0
    happenings: list[Happening] = field(default_factory=list)
    present: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: bool = False
    newcomer: int | None = (
        None  # the sample at which an agent came back, or another one in its place; it may greet anew
    )
    stage: Stage = Stage.BEFORE
    _starts: dict[int, int] = field(default_factory=dict)  # utterance → its first sample on the user's clock
    _ends: dict[int, int] = field(default_factory=dict)  # utterance → its true end on the user's clock

    def __post_init__(self) -> None:
        self.present.set()
        self.rules = rules_for(self.case, self.rules)
        hearing = self.user.hearing
        hearing.follow_floor = not self.instrumented
        self.turn: TurnOver = (
            ByEvents(self.probe, hearing)
            if self.instrumented and self.probe is not None
            else ByEar(self.probe, hearing, self.rules.turn_quiet_ms, self._note_stuck)
        )

    async def hold(self) -> None:
        """Raises AttemptError when the agent does not do its part in time."""
        await self._let_greet(self.there_ms)
        await self._talk()
        await self._listen()

    async def _let_greet(self, there_ms: float, since: int = 0) -> None:
        greeting = await Greeting(self.user, self.turn, self.rules, self.instrumented, there_ms, since).let_finish()
        if greeting is not None:
            self.happenings.append(greeting)

    def came_back(self) -> None:
        """Called when there is an agent again."""
        self.newcomer = self.user.hearing.now
        self.present.set()

    async def _with_an_agent(self) -> None:
        """Wait for one that has left; `Presence` ends the attempt if it stays away."""
        await self.present.wait()
        if self.newcomer is not None:
            since, self.newcomer = self.newcomer, None
            await self._let_greet((self.user.hearing.now - since) / SAMPLES_PER_MS, since)

    async def _talk(self) -> None:
        """The user's part, from the first word to the last."""
        for segment in self._segments():
            await self._speak(segment)

    async def _started(self, start: int) -> None:
        """A segment was handed over, to be heard from sample `start` on."""

    def _note(self, kind: HappeningKind, detail: str, duration_ms: float | None = None) -> None:
        self.happenings.append(
            Happening(kind=kind, detail=detail, t_mono_ms=round(mono_ms(), 1), duration_ms=duration_ms)
        )

    def _note_stuck(self, detail: str) -> None:
        self._note("state_stuck", detail)

    def _segments(self) -> list[Segment]:
        if self.user.mic == "device":  # the file plays as it is; achieved starts are measured afterwards
            utterances = tuple(enumerate(self.truth.utterances))
            return [Segment(0, self.truth.n_samples, utterances)]
        return cut_segments(self.truth)

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
        await self._with_an_agent()
        self.stage, self.user.hearing.nobody_spoke = Stage.DUE, False
        start = await self.user.speak(self.said[segment.start : segment.end], due)
        for index, utterance in segment.utterances:
            begin = start + utterance.start_sample - segment.start
            self._starts[index] = begin
            self._ends[index] = start + utterance.end_sample - segment.start
            delay_ms = (begin - onset) / SAMPLES_PER_MS if onset is not None else None
            scheduled = self.user.mic == "scheduled"
            self.spoken.append(
                SpokenAt(utterance=index, mic_sample=begin if scheduled else None, achieved_delay_ms=delay_ms)
            )
        await self._started(start)
        await self._played(start + segment.end - segment.start, segment)

    async def _played(self, end: int, segment: Segment) -> None:
        """Wait until the segment's last word was played (not for its silent tail)."""
        if segment.utterances:
            end = self._ends[segment.utterances[-1][0]]
        await self._heard_until(end, "the user's speech")

    async def _heard_until(self, sample: int, what: str) -> None:
        hearing = self.user.hearing
        limit_s = max(0, sample - hearing.now) / SAMPLES_PER_MS / 1e3 + PLAYBACK_GRACE_S
        await wait_on_audio(self.user, lambda: hearing.now >= sample, limit_s=limit_s, what=f"the end of {what}")

    async def _due(self, index: int) -> tuple[int, int]:
        """(the sample that the start counts from, the sample at which utterance `index` is due)."""
        utterance = self.truth.utterances[index]
        assert utterance.after is not None
        assert utterance.delay_ms is not None
        after = self._ends[index - 1] if index > 0 else 0
        delay = int(utterance.delay_ms * SAMPLES_PER_MS)
        anchor = await self._onset_after(after)
        if utterance.after == "reply_start":
            return anchor, anchor + delay
        self.stage = Stage.REPLY
        while True:
            anchor = await self._reply_end(after)
            if not await self._speaks_before(anchor + delay - int(SOON_MS * SAMPLES_PER_MS)):
                return anchor, anchor + delay

    async def _speaks_before(self, sample: int) -> bool:
        """Whether the agent, whose turn was taken for over, speaks again before `sample`; noted if so."""
        hearing, since = self.user.hearing, self.user.hearing.now
        if self.instrumented or sample <= since:
            return False
        limit_s = (sample - since) / SAMPLES_PER_MS / 1e3 + PLAYBACK_GRACE_S
        await wait_on_audio(
            self.user,
            lambda: hearing.now >= sample or self._again(since),
            limit_s=limit_s,
            what="the user's next words",
        )
        if not self._again(since):
            return False
        quiet_ms = (hearing.onsets[-1] - hearing.silence_before(hearing.onsets[-1])) / SAMPLES_PER_MS
        self._note("reopened", f"the agent spoke again after {quiet_ms / 1e3:.1f} s of silence, when its turn was over")
        return True

    def _again(self, since: int) -> bool:
        return self.user.hearing.first_onset_after(since) is not None

    # listening

    async def _onset_after(self, sample: int) -> int:
        """Start of the reply that is due from `sample` on. An agent that was interrupted before `sample` may talk on."""
        hearing = self.user.hearing
        timeout = int(self.case.reply_timeout_ms * SAMPLES_PER_MS)
        endless = sample + timeout + int((self.case.max_reply_ms + ENDLESS_GRACE_MS) * SAMPLES_PER_MS)
        barge_in = self._barge_in_before(sample)

        def due() -> int:
            talking_until = self._talking_until(barge_in)
            return sample + timeout if talking_until is None else min(endless, max(sample, talking_until) + timeout)

        limit_s = (endless - hearing.now) / SAMPLES_PER_MS / 1e3 + PLAYBACK_GRACE_S
        await wait_on_audio(
            self.user,
            lambda: self.hung_up or self._reply_onset(sample, barge_in) is not None or hearing.now > due(),
            limit_s=limit_s,
            what="the agent's reply",
        )
        onset = self._reply_onset(sample, barge_in)
        talked_on_ms = self._talked_on_ms(barge_in)
        if onset is None:
            onset = self._began_in_last_turn(sample) if talked_on_ms is None else None
        if onset is None:
            not_heard = await self.user.unplayed(sample) or self._unspoken(sample) or self._user_left()
            raise not_heard or self._no_reply(talked_on_ms)
        return onset

    def _start_of(self, sample: int) -> int | None:
        """Of the utterance that ended at `sample`."""
        return next((self._starts[index] for index, end in self._ends.items() if end == sample), None)

    def _unspoken(self, sample: int) -> AttemptError | None:
        start = self._start_of(sample)
        since_ms = mono_ms() - (self.user.hearing.now - (start or 0)) / SAMPLES_PER_MS
        return unspoken(self.probe, self.user, since_ms)

    def _barge_in_before(self, sample: int) -> int | None:
        """Start of the utterance that ended at `sample`, if it was a barge-in. None for an instrumented agent."""
        start = self._start_of(sample)
        if self.instrumented or start is None:
            return None
        return start if any(begin < start <= end for begin, end in self.user.hearing.runs(BREATH_MS)) else None

    def _talking_until(self, barge_in: int | None) -> int | None:
        """The end, so far, of the agent's speech that the user interrupted."""
        if barge_in is None:
            return None
        return next((end for start, end in self.user.hearing.runs(BREATH_MS) if start < barge_in <= end), None)

    def _reply_onset(self, sample: int, barge_in: int | None) -> int | None:
        if barge_in is None:
            return self.user.hearing.first_onset_after(sample)
        return next((start for start, _ in self.user.hearing.runs(BREATH_MS) if start >= sample), None)

    def _talked_on_ms(self, barge_in: int | None) -> float | None:
        """How long the agent talked on after the interruption, which is noted; None if shorter than TALKED_ON_MS."""
        until = self._talking_until(barge_in)
        if until is None or barge_in is None:
            return None
        talked_on_ms = (until - barge_in) / SAMPLES_PER_MS
        if talked_on_ms < TALKED_ON_MS:
            return None
        detail = f"the agent talked on {talked_on_ms / 1e3:.1f} s after the interruption"
        self._note("talked_on", detail, round(talked_on_ms, 1))
        return talked_on_ms

    def _began_in_last_turn(self, sample: int) -> int | None:
        """Onset of a reply that began while the user still spoke: talk-over, but a reply."""
        start = self._start_of(sample)
        onset = self.user.hearing.first_onset_after(start) if start is not None else None
        return onset if onset is not None and onset < sample else None

    def _user_left(self) -> AttemptError | None:
        """A user who left the room hears no reply."""
        why = self.probe.user_left if self.probe is not None else None
        if why is None:
            return None
        detail = f"the user's side left the room in the middle of the call, before the reply came ({why or 'no reason given'})"
        return AttemptError(CaptureStatus.PAGE_ERROR, detail)

    def _no_reply(self, talked_on_ms: float | None) -> AttemptError:
        waited = f"within {self.case.reply_timeout_ms:.0f} ms of the user's last word"
        quiet_ms = self.user.hearing.quiet_ms()
        if talked_on_ms is not None:
            talked = f"the agent talked on {talked_on_ms / 1e3:.1f} s after the interruption"
            if quiet_ms < FALLEN_SILENT_MS:
                return AttemptError(CaptureStatus.REPLY_ENDLESS, f"{talked}, and did not stop")
            return AttemptError(CaptureStatus.REPLY_TIMEOUT, f"{talked}, and then gave no reply")
        if quiet_ms < FALLEN_SILENT_MS:
            return AttemptError(CaptureStatus.REPLY_ENDLESS, f"the agent was never silent {waited}, so no reply began")
        if self.probe is None:
            return AttemptError(CaptureStatus.REPLY_TIMEOUT, f"nothing was heard of the agent {waited}")
        if self.instrumented and not self.probe.received(EventType.REPLY_START):
            return AttemptError(CaptureStatus.REPLY_TIMEOUT, f"no reply_start came and nothing was heard {waited}")
        if not self.instrumented and not self.probe.agent_has_track:
            detail = (
                f"the agent joined and published no audio track, until {self.case.reply_timeout_ms:.0f} ms after the "
            )
            return AttemptError(CaptureStatus.AGENT_ABSENT, detail + "user's last word")
        return AttemptError(CaptureStatus.REPLY_TIMEOUT, f"nothing was heard of the agent {waited}")

    async def _reply_end(self, after: int) -> int:
        """The sample after the last sound of the reply that began after `after`."""
        await self._until_quiet(FOREIGN_REPLY_END_MS if not self.instrumented else 100.0, after)
        assert self.user.hearing.last_sound is not None
        return self.user.hearing.last_sound

    async def _until_quiet(self, quiet_ms: float, after: int) -> None:
        """Wait until the agent's turn is over, and it was quiet for `quiet_ms`."""
        hearing = self.user.hearing
        speaking_ms = self.case.reply_timeout_ms + self.case.max_reply_ms + ENDLESS_GRACE_MS
        limit = after + int(speaking_ms * SAMPLES_PER_MS)
        patience = 0 if self.instrumented else int((self.rules.turn_quiet_ms + STATE_GRACE_MS) * SAMPLES_PER_MS)

        def done() -> bool:
            if self.hung_up or self.turn.over(quiet_ms):
                return True
            if limit < hearing.now <= limit + patience and self._again_and_again(quiet_ms, after):
                return hearing.quiet_ms() >= quiet_ms
            speaking = hearing.quiet_ms() < max(quiet_ms, FALLEN_SILENT_MS)
            return hearing.now > (limit if speaking else limit + patience)

        limit_s = max(0, limit + patience - hearing.now) / SAMPLES_PER_MS / 1e3 + PLAYBACK_GRACE_S
        await wait_on_audio(self.user, done, limit_s=limit_s, what="the end of the agent's reply")
        if not self.hung_up and hearing.quiet_ms() < quiet_ms:
            detail = (
                f"the agent was still speaking {speaking_ms / 1e3:.1f} s after the user's last word (reply_timeout_ms + "
                f"max_reply_ms + {ENDLESS_GRACE_MS / 1e3:.0f} s)"
            )
            raise AttemptError(CaptureStatus.REPLY_ENDLESS, detail)
        if not self.hung_up:
            if hearing.now > limit and self._again_and_again(quiet_ms, after):
                silences = f"silences of more than {quiet_ms / 1e3:.0f} s"
                self._note("reopened", f"the agent spoke again and again, after {silences}: that is no one reply")
            self.turn.check()

    def _again_and_again(self, quiet_ms: float, after: int) -> bool:
        """Whether the agent came to an end of its speech since `after` and spoke again, more than once: it asks whether
        anybody is there.
        """
        runs = [run for run in self.user.hearing.runs(quiet_ms) if run[1] > after]
        return not self.instrumented and len(runs) >= AGAIN

    async def _listen(self) -> None:
        turns = [i for i, utterance in enumerate(self.truth.utterances) if utterance.is_turn]
        last_word = max(self._ends.values(), default=self.user.hearing.now)
        if not self.case.expect_reply:
            self.stage = Stage.LISTENING_ON
            await self._heard_until(last_word + int(LISTEN_ON_MS * SAMPLES_PER_MS), "listening on")
            return
        final_end = self._ends[turns[-1]] if turns else last_word
        await self._onset_after(final_end)
        self.stage = Stage.LAST_REPLY
        while True:
            await self._until_quiet(TAIL_MS if self.instrumented else FOREIGN_TAIL_MS, final_end)
            if self.hung_up or not await self._speaks_before(self.user.hearing.now + int(REOPEN_MS * SAMPLES_PER_MS)):
                return
