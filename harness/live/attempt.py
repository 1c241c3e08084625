"""One attempt: a fresh room, the agent, the user, the probe; barrier, priming, conversation, leave-taking; one folder.

Whatever goes wrong ends in a CaptureStatus with a sentence, and everything recorded until then is written. Phases: join,
barrier, prime, wait (for sessions side by side), speak, leave, done. The attempt owns all that it opens and closes it in
reverse order.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import soundfile

from bots.probe_bot import PROBE_IDENTITY, Probe, mono_ms
from bots.timeline import RATE_HZ, ProbeRecording
from harness.errors import AttemptError, EarwitnessError, first_explained
from harness.link.link import Link
from harness.live.barrier import pass_barrier, prime
from harness.live.capture_writer import CaptureWriter
from harness.live.commits import commits
from harness.live.conversation import Conversation
from harness.live.dialogue import DialogueCall
from harness.live.farewell import agent_writes
from harness.live.governor import Seat
from harness.live.host import HostLoad, describe_host, host_id, own_versions
from harness.live.joining import Joining
from harness.live.network import explained, marks_kept
from harness.live.presence import Presence
from harness.live.room_record import tracks_of, what_was_there
from harness.live.rooms import served
from harness.live.scene import USER_IDENTITY, Scene
from harness.live.unspoken import no_microphone
from harness.live.user import BrowserUser, User, UserRecording
from harness.model import capture
from harness.model.capture import CALLER, AgentTrack, Happening, Manifest, PageUnderTest, SpokenAt, Timeline
from harness.model.phrases import words_in
from harness.model.plan import BuiltCase
from harness.model.status import COMPLETE, CaptureStatus
from harness.network.record import LinkRecord
from harness.own_faults import in_words
from harness.processes.uninterrupted import to_its_end
from harness.speech.spoken_lines import SpokenLine, spoken_lines

log = logging.getLogger(__name__)

USER_FRAME_TIMEOUT_S = 10.0
MUTED_TIMEOUT_S = 3.0  # of it; a page that unmutes by itself has done so
LEAVE_TIMEOUT_S = 20.0
STATS_EVERY_S = 1.0


@dataclass
class Attempt:
    """State that outlives a broken attempt, so that all of it reaches the folder."""

    scene: Scene
    built: BuiltCase
    number: int
    on_phase: Callable[[str], None] = lambda phase: None
    on_link: Callable[[Link], None] = lambda link: None
    seat: Seat | None = None  # among the sessions side by side
    status: CaptureStatus = CaptureStatus.HARNESS_ERROR
    detail: str = ""
    phase: str = "join"
    spoken: list[SpokenAt] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    stats: list[dict[str, Any]] = field(default_factory=list)
    load: HostLoad = field(default_factory=HostLoad)
    primed: tuple[float, bool] | None = None
    pre_rtc_reason: str | None = None
    recording: UserRecording = field(default_factory=UserRecording)
    heard: ProbeRecording | None = None
    wall_s: dict[str, float] = field(default_factory=dict)
    ended_in: str = ""
    link: Link | None = None
    link_record: LinkRecord | None = None
    dialogue: DialogueCall | None = None
    _phase_since: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.trace_id = f"{self.scene.run_id}-{self.built.case.id}-a{self.number}"
        self.room = f"ew-{self.trace_id}"
        self.folder = self.scene.run_dir / "captures" / self.trace_id
        self.joining = Joining(self.scene, self.built, self.number, self.trace_id, self.room)
        self.started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        self.started_mono_ms = round(mono_ms(), 3)

    @property
    def probe(self) -> Probe | None:
        return self.joining.probe

    def enter(self, phase: str) -> None:
        now = time.monotonic()
        self.wall_s[self.phase] = round(self.wall_s.get(self.phase, 0.0) + now - self._phase_since, 3)
        self.phase, self._phase_since = phase, now
        self.on_phase(phase)

    # the course of it

    async def run(self) -> Manifest:
        """A failed call is a status, not an error. Raises CancelledError (after writing) and OSError."""
        writer = CaptureWriter(self.folder)
        writer.open(self.built)
        broken_off = False
        try:
            async with self.load.watched():
                await self._play()
            self.status = CaptureStatus.OK if self.built.case.expect_reply else CaptureStatus.NO_REPLY_EXPECTED
        except AttemptError as error:
            named = explained(error, self.link, server_lost=self.scene.server_lost.is_set())
            self.status, self.detail = named.status, named.detail
        except EarwitnessError as error:
            self.detail = str(error)
        except asyncio.CancelledError:
            self.status, self.detail, broken_off = CaptureStatus.INTERRUPTED, "interrupted by the user", True
        except Exception as error:  # a fault of ours must not cost the recordings; it is named, logged and exits with 3
            log.exception("attempt %s", self.trace_id)
            self.detail = in_words(error)
        manifest = await to_its_end(asyncio.to_thread(self._write, writer))
        if broken_off:
            raise asyncio.CancelledError
        return manifest

    async def _play(self) -> None:
        scene = self.scene
        sid = await served(scene.rooms.create(self.room, scene.invitation.room_metadata))
        if scene.telemetry is not None:
            scene.telemetry.begin(self.room, sid)
        try:
            async with AsyncExitStack() as agents, AsyncExitStack() as stack:  # the agent leaves after the others
                try:
                    lines = await self._lines()
                    await self._open_link(stack)
                    self.joining.link = self.link
                    user, attendance = await self._guarded(None, self.joining.everybody(stack, agents))
                    assert self.probe is not None
                    talk = self._conversation(user, self.probe, lines)
                    presence = Presence(talk, self.probe, attendance, user.hearing)
                    await self._guarded(user, self._converse(user, talk, presence), presence.watch())
                finally:
                    await self._bring_home(stack)
        finally:
            self.enter("done")
            await scene.rooms.delete(self.room)
            await self._last_spans()

    def _conversation(self, user: User, probe: Probe | None, lines: Mapping[str, SpokenLine]) -> Conversation:
        scene, case = self.scene, self.built.case
        if scene.network is not None:
            case = scene.network.patient(case)
        said, _ = soundfile.read(self.built.wav, dtype="int16")
        instrumented = scene.agent.about.instrumented
        if probe is not None:
            probe.on_change = user.hearing.notify  # a change of the agent's state wakes the waits
        parts = (case, self.built.truth, np.asarray(said), user, probe, instrumented, self.spoken, scene.rules)
        dialogue = case.dialogue
        if dialogue is None:
            return Conversation(*parts, happenings=self.happenings)
        self.dialogue = DialogueCall(*parts, happenings=self.happenings, dialogue=dialogue, lines=lines)
        return self.dialogue

    async def _lines(self) -> dict[str, SpokenLine]:
        """What may be said in a case whose words are chosen in the call. Raises OSError."""
        dialogue = self.built.case.dialogue
        if dialogue is None:
            return {}
        await asyncio.to_thread(words_in, "a third of a second to load")  # here, and not while the call is measured
        return await asyncio.to_thread(spoken_lines, dialogue, self.built)

    async def _converse(self, user: User, talk: Conversation, presence: Presence) -> None:
        assert self.probe is not None
        self.enter("barrier")
        async with asyncio.TaskGroup() as group:  # the jitter buffer settles while the barrier is passed
            priming = group.create_task(self._prime(user))
            await pass_barrier(
                self.probe,
                instrumented=talk.instrumented,
                user_identity=self.joining.user_identity,
                slack_s=self._slack_s,
            )
            if user.mic != "device":
                timeout_s = USER_FRAME_TIMEOUT_S + self._slack_s
                await self._microphone_heard(user, timeout_s)
            self.enter("prime")
        self.primed = priming.result()
        if self.seat is not None:
            self.enter("wait")
            if await self.seat.measure():
                self.primed = await prime(user)
        self.enter("speak")
        talk.there_ms = self.joining.agent_there_ms
        async with marks_kept(self.link, user.hearing):
            await talk.hold()
        await presence.outlived()

    async def _open_link(self, stack: AsyncExitStack) -> None:
        network, scene = self.scene.network, self.scene
        if network is not None:
            behind = [USER_IDENTITY, PROBE_IDENTITY] if scene.lane == "bot" else [USER_IDENTITY]
            opened = network.open(scene.rooms.url, self.built.case.id, self.number, self.folder, behind)
            self.link = await stack.enter_async_context(opened)
            self.on_link(self.link)

    @property
    def _slack_s(self) -> float:
        return self.scene.network.slack_s if self.scene.network is not None else 0.0

    async def _prime(self, user: User) -> tuple[float, bool]:
        if isinstance(user, BrowserUser):
            await user.tapped(agent_track=self.joining.attendance is None or self.joining.attendance.has_track)
        return await prime(user)

    async def _microphone_heard(self, user: User, timeout_s: float) -> None:
        """A microphone that is published and muted may be opened by the page when it hears its user; `unspoken` tells
        whether it was. Raises AttemptError.
        """
        assert self.probe is not None
        for limit_s in (MUTED_TIMEOUT_S, max(0.0, timeout_s - MUTED_TIMEOUT_S)):
            try:
                async with asyncio.timeout(limit_s):
                    await self.probe.user_frame.wait()
                return
            except TimeoutError:
                if self.probe.user_muted and self.built.case.expect_reply:
                    return
        raise no_microphone(user, timeout_s)

    # watching over it

    async def _guarded(
        self, user: User | None, work: Awaitable[Any], presence: Coroutine[Any, Any, AttemptError] | None = None
    ) -> Any:
        """Run `work`, unless the server, the user's side or the probe's connection is lost first, or `presence` ends."""
        lost: dict[asyncio.Task[Any], Callable[[], AttemptError]] = {}

        def watch(event: asyncio.Event, error: Callable[[], AttemptError]) -> None:
            lost[asyncio.create_task(event.wait())] = error

        if self.link is not None:
            link = self.link
            watch(link.lost, lambda: AttemptError(CaptureStatus.LINK_LOST, link.lost_why))
        watch(self.scene.server_lost, lambda: AttemptError(CaptureStatus.SERVER_LOST, "the media server ended"))
        if user is not None:
            watch(user.failed, user.failure)
        if self.probe is not None and user is not None:
            probe = self.probe
            watch(probe.disconnected, lambda: AttemptError(CaptureStatus.SERVER_LOST, probe.lost_why))
            watch(probe.broken, lambda: AttemptError(CaptureStatus.HARNESS_ERROR, probe.broken_why))
        if presence is not None:
            deciding = asyncio.create_task(presence)
            lost[deciding] = deciding.result
        task = asyncio.ensure_future(work)
        statistics = asyncio.create_task(self._statistics(user)) if user is not None else None
        try:
            await asyncio.wait({task, *lost}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise next(error for watcher, error in lost.items() if watcher.done())()
        except BaseExceptionGroup as group:
            raise first_explained(group) from group
        finally:
            owned = [task, *lost, *([statistics] if statistics is not None else [])]
            for item in owned:
                item.cancel()
            await asyncio.gather(*owned, return_exceptions=True)
            if statistics is not None and not statistics.cancelled() and statistics.exception() is not None:
                log.error("attempt %s: statistics ended early", self.trace_id, exc_info=statistics.exception())

    async def _statistics(self, user: User) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += STATS_EVERY_S
            await asyncio.sleep(max(0.0, due - loop.time()))  # the sampling interval: once a second
            with suppress(TimeoutError, EarwitnessError):
                self.stats.append({"t_mono_ms": round(mono_ms(), 1), "reports": await user.stats()})
            await self.joining.keep_others_away()

    # leaving

    async def _bring_home(self, stack: AsyncExitStack) -> None:
        """Ask the agent for its recording, take the user's and the probe's, then dismiss the agent."""
        self.ended_in = self.phase
        self.enter("leave")
        if self.seat is not None:
            self.seat.leave()
        limit_s = LEAVE_TIMEOUT_S + self._slack_s
        self.pre_rtc_reason = f"the agent's part was not done after {limit_s:.0f} s of leaving"  # replaced when it is
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.gather(self._agent_writes(), self._user_finishes(self.joining.page_user))
        except TimeoutError:
            self.detail = self.detail or f"leaving took more than {limit_s:.0f} s"
        finally:
            if self.probe is not None:
                self.heard = self.probe.recording()
            if self.link is not None:
                self.link_record = self.link.record()
            if self.joining.attendance is not None:
                self.joining.attendance.dismissed.set()

    async def _agent_writes(self) -> None:
        instrumented = self.scene.agent.about.instrumented
        self.pre_rtc_reason = await agent_writes(self.probe, instrumented=instrumented, slack_s=self._slack_s)

    async def _user_finishes(self, user: BrowserUser | None) -> None:
        if user is not None:
            self.recording = user.recording
            with suppress(EarwitnessError):
                self.stats.append({"t_mono_ms": round(mono_ms(), 1), "reports": await user.stats(), "final": True})
            await user.finish(self.folder)

    # writing

    def _write(self, writer: CaptureWriter) -> Manifest:
        heard = self.heard
        tracks = tracks_of(self.probe, heard)
        if heard is not None:
            writer.probe(heard, tracks)
        writer.user(self.recording)
        if self.dialogue is not None:
            writer.dialogue(self.dialogue.truth, self.dialogue.said, self.dialogue.record)
        if self.probe is not None:
            writer.events(self.probe.seen)
            writer.transcript(self.probe.transcripts.lines)
        self._write_telemetry(writer)
        writer.stats(self.stats)
        if self.link_record is not None:
            writer.link(self.link_record)
        writer.host_load(self.load.lines)
        if writer.problems and self.status in COMPLETE:
            self.status, self.detail = CaptureStatus.CAPTURE_WRITE_ERROR, "; ".join(writer.problems)
        manifest = self._manifest(writer, tracks)
        writer.manifest(manifest)
        return manifest

    async def _last_spans(self) -> None:
        if self.scene.telemetry is None:
            return
        try:
            await self.scene.telemetry.settled(self.room)
        except Exception:  # as below: nothing that was sent may cost the call
            log.exception("attempt %s: waiting for the agent's spans", self.trace_id)

    def _write_telemetry(self, writer: CaptureWriter) -> None:
        if self.scene.telemetry is None:
            return
        try:
            told = self.scene.telemetry.end(self.room)
        except Exception as error:  # whatever was sent must not cost the recordings
            log.exception("attempt %s: the agent's spans", self.trace_id)
            detail, incomplete = f"the agent's spans were not kept: {in_words(error)}", True
        else:
            writer.spans(told.spans)
            detail, incomplete = told.in_words, told.incomplete
        if detail:
            self.happenings.append(Happening(kind="telemetry", detail=detail, incomplete=incomplete))

    def _spoken(self) -> list[SpokenAt]:
        t0 = self.recording.t0_sample
        return [
            s if s.mic_sample is None else s.model_copy(update={"mic_sample": s.mic_sample - t0}) for s in self.spoken
        ]

    def _joined_mono_ms(self) -> float | None:
        joined_ms = self.joining.user.joined_mono_ms if self.joining.user is not None else None
        return None if joined_ms is None else round(joined_ms, 3)

    @property
    def _agent_track_seen(self) -> bool:
        user = self.joining.page_user
        return user is not None and user.session.agent_track_seen.is_set()

    def _manifest(self, writer: CaptureWriter, tracks: list[AgentTrack]) -> Manifest:
        scene, timelines = self.scene, {}
        if self.recording.timeline is not None:
            timelines["browser"] = self.recording.timeline
        if self.heard is not None and self.heard.t0_mono_ms is not None:
            timelines["probe"] = Timeline(
                rate_hz=RATE_HZ,
                t0_mono_ms=self.heard.t0_mono_ms,
                error_ms=self.heard.error_ms,
                clock_id=host_id(),
            )
        complete = self.status in COMPLETE
        phase = self.phase if complete else self.ended_in or self.phase
        files = writer.files()
        missing = capture.PRE_RTC not in files
        versions = {**own_versions(), **commits(self.built.path, command=scene.agent.about.kind == "command")}
        versions |= {"livekit-server": scene.server_version, **scene.agent.versions}
        if self.built.truth.voices:
            versions[CALLER] = "; ".join(self.built.truth.voices)
        if scene.open_browser is not None:
            versions |= {"chromium": self.joining.browser_version, "livekit-client": scene.library_version}
        more = what_was_there(self.probe, self.heard, self.joining.attendance)
        kind: Literal["product", "own", "none"]
        kind = "none" if scene.open_browser is None else "product" if scene.page.template is None else "own"
        return Manifest(
            run_id=scene.run_id,
            trace_id=self.trace_id,
            case_id=self.built.case.id,
            attempt=self.number,
            lane=scene.lane,
            mic="bot" if scene.lane == "bot" else scene.mic,
            ear="none" if scene.lane == "bot" else scene.page.ear,
            status=self.status,
            detail=self.detail,
            phase=phase,
            agent=scene.agent.about,
            page=PageUnderTest(
                kind=kind,
                url_template=scene.page.template or "",
                sha256=scene.page_sha256,
                identity=self.joining.user_identity if kind != "none" and scene.page.room else None,
                agent_track=scene.page.room or self._agent_track_seen,
            ),
            room=self.room if scene.page.room else "",
            second_listener="probe" if scene.page.room else "none",
            started_at=self.started_at,
            started_mono_ms=self.started_mono_ms,
            wall_s=self.wall_s,
            timelines=timelines,
            spoken=self._spoken(),
            joined_mono_ms=self._joined_mono_ms(),
            primed_ms=self.primed[0] if self.primed else None,
            jitter_buffer_stable=self.primed[1] if self.primed else None,
            versions=versions,
            host=describe_host(),
            files=files,
            link=scene.network.profile.name if scene.network is not None else "none",
            happenings=[*self.happenings, *more],
            agent_tracks=tracks,
            agent_identity=self.probe.roster.agent if self.probe is not None else None,
            pre_rtc_reason=(self.pre_rtc_reason or "the agent did not write it") if missing else None,
        )
