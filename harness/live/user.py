"""The user of an attempt: somebody who joins, hears the agent, and speaks at a sample of one clock.

Two kinds behind one protocol: a page in Chromium (`BrowserUser`) and a bot (`BotUser`). Samples are at 48 kHz on the
user's own clock; `hearing` runs on it, so a start relative to the agent's reply is exact to what the user heard.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import psutil

from bots.connection import CONNECT_TIMEOUT_S
from bots.mixer import Mixer
from bots.probe_bot import Probe
from bots.user_bot import UserBot
from harness.browser.driver import Browser
from harness.browser.last_words import last_words
from harness.browser.page import PageSession
from harness.browser.records import AudioBlock, ClockMap, PageProblem
from harness.errors import AttemptError
from harness.live.hearing import Hearing
from harness.live.unplayed import unplayed
from harness.model.capture import SCREENSHOT, Timeline
from harness.model.case import Echo
from harness.model.plan import EarMode, MicMode
from harness.model.status import CaptureStatus

Int16Array = npt.NDArray[np.int16]

PAGE_OPEN_TIMEOUT_S = 15.0
TAP_TIMEOUT_S = 15.0
MIC_ASK_TIMEOUT_S = 10.0
CLOCK_TIMEOUT_S = 5.0
PART_TIMEOUT_S = 6.0  # a page's own limits are 5 s each
FINISH_LIMIT_S = CLOCK_TIMEOUT_S + PART_TIMEOUT_S
SPEAK_LEAD_SAMPLES = 4_800  # 100 ms: an utterance is scheduled this far ahead


class User(Protocol):
    """What an attempt needs of its user."""

    hearing: Hearing

    @property
    def mic(self) -> Literal["scheduled", "device", "bot"]: ...
    @property
    def failed(self) -> asyncio.Event:
        """Set when its side of the call is gone."""
        ...

    @property
    def joined_mono_ms(self) -> float | None:
        """When it was in the call and could hear, on the host's monotonic clock; None if it is not known."""
        ...

    def failure(self) -> AttemptError: ...
    async def ready(self) -> None:
        """Wait until its microphone is open (or, with the device microphone, asked for)."""
        ...

    async def now_sample(self) -> int: ...
    async def speak(self, samples: Int16Array, at_sample: int | None) -> int: ...
    async def jitter_buffer(self) -> tuple[float, float] | None:
        """Cumulative (delay in s × samples, emitted samples) of what it receives, or None if unknown yet."""
        ...

    async def stats(self) -> list[dict[str, Any]]: ...
    async def unplayed(self, after: int) -> AttemptError | None:
        """Called when no reply was heard after sample `after`: the error if one came and was not played."""
        ...

    async def finish(self, folder: Path) -> UserRecording: ...


@dataclass
class UserRecording:
    """What the user's side recorded. `t0_sample`: which sample of the user's clock is sample 0 of mic and ear."""

    mic: npt.NDArray[np.float32] | None = None
    ear: npt.NDArray[np.float32] | None = None
    t0_sample: int = 0
    timeline: Timeline | None = None
    ear_received: npt.NDArray[np.float64] | None = None  # (n, 2): sample of ear.wav, RMS of what came from there on
    ear_clock: npt.NDArray[np.float64] | None = None  # (n, 2): sample of ear.wav, host's monotonic ms, of one instant
    webm: bytes | None = None
    page_claims: dict[str, Any] = field(default_factory=dict)
    console: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class BrowserUser:
    """A page in Chromium with our taps in it."""

    browser: Browser
    session: PageSession
    mic: MicMode
    host_id: str
    device_lead_samples: int = 0  # silence ahead of the case's WAV in the fake microphone's file
    slack_s: float = 0.0  # extra time for a slow network
    hearing: Hearing = field(default_factory=Hearing)
    recording: UserRecording = field(default_factory=UserRecording)  # filled by `finish`
    _blocks: list[AudioBlock] = field(default_factory=list)
    _clock: ClockMap | None = None
    _slip_ms: float | None = None

    @property
    def failed(self) -> asyncio.Event:
        return self.session.lost

    @property
    def joined_mono_ms(self) -> float | None:
        perf_ms = self.session.joined_perf_ms
        return None if perf_ms is None or self._clock is None else perf_ms + self._clock.mono_minus_perf_ms

    def mono_ms(self, sample: int) -> float | None:
        """When `sample` was heard, on the host's monotonic clock; None until the clocks are compared."""
        return None if self._clock is None else self._clock.t0_mono_ms + sample / 48.0

    def failure(self, when: str = "in the middle of the call") -> AttemptError:
        if self.browser.lost.is_set() or not _alive(
            self.browser.pid
        ):  # the page's end may be reported before the browser's
            return AttemptError(CaptureStatus.BROWSER_CRASH, f"Chromium ended {when}")
        if self.session.closed.is_set():
            return AttemptError(CaptureStatus.PAGE_ERROR, f"the page closed or crashed {when}")
        return AttemptError(CaptureStatus.PAGE_ERROR, f"the page was of no more use {when}: {self.session.fatal_why}")

    async def open(self, url: str, script: Path | None) -> None:
        """Raises AttemptError (PAGE_ERROR)."""
        self.session.on_audio = self._heard
        await self.session.open(url, PAGE_OPEN_TIMEOUT_S)
        if script is not None:
            await self.session.run_script(script)

    def _heard(self, block: AudioBlock) -> None:
        self._blocks.append(block)
        self.hearing.feed(block.frame, block.ear)

    async def ready(self) -> None:
        asked = asyncio.create_task(self.session.microphone_asked.wait())
        timeout_s = MIC_ASK_TIMEOUT_S + self.slack_s
        try:
            if not await self.done_in_time(asked, timeout_s):
                raise self._never(f"did not ask for the microphone within {timeout_s:.0f} s")
        finally:
            asked.cancel()

    async def done_in_time(self, step: asyncio.Task[Any], timeout_s: float) -> bool:
        """Whether `step` ended within the limit. Raises AttemptError if the page is lost, or of no use, before."""
        fatal = asyncio.create_task(self.session.fatal.wait())
        closed = asyncio.create_task(self.session.closed.wait())
        try:
            await asyncio.wait({step, fatal, closed}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            fatal.cancel()
            closed.cancel()
        if step.done():
            return True
        if self.session.closed.is_set():
            raise self.failure("before it was in the call")
        if self.session.fatal_why is not None:
            raise AttemptError(CaptureStatus.PAGE_ERROR, f"the page is of no use for a call: {self.session.fatal_why}")
        return False

    def _never(self, what: str) -> AttemptError:
        return AttemptError(CaptureStatus.PAGE_ERROR, f"the page {what}{last_words(self.session.errors)}")

    async def tapped(self, *, agent_track: bool = True) -> None:
        """Wait until the taps deliver samples (mostly silence); `agent_track`: the agent has a track to attach."""
        timeout_s = TAP_TIMEOUT_S + self.slack_s
        try:
            async with asyncio.timeout(timeout_s):
                await self.session.tap_started.wait()
                if agent_track:
                    await self.session.agent_track_seen.wait()
        except TimeoutError as error:
            missing = "attached no audio track of the agent" if self.session.tap_started.is_set() else "ran no audio"
            raise self._never(f"{missing} within {timeout_s:.0f} s") from error
        self._clock = await self.session.clock_map()

    async def now_sample(self) -> int:
        return await self.session.current_frame()

    async def speak(self, samples: Int16Array, at_sample: int | None) -> int:
        if self.mic == "scheduled":
            return await self.session.speak(samples, at_sample)
        released = await self.session.current_frame()
        await self.session.release_microphone()
        return released + self.device_lead_samples

    async def jitter_buffer(self) -> tuple[float, float] | None:
        sample = await self.session.jitter_buffer()
        return None if sample is None else (sample.delay_s, float(sample.emitted_samples))

    async def stats(self) -> list[dict[str, Any]]:
        return await self.session.stats()

    async def unplayed(self, after: int) -> AttemptError | None:
        return await unplayed(self.session, self._blocks, after)

    async def finish(self, folder: Path) -> UserRecording:
        """Collect what the page still has; a page that is gone or hangs costs only the part asked for, and at most
        FINISH_LIMIT_S. A cancelled call leaves in `recording` what had come until then.
        """
        self.recording.webm = self.session.webm()
        try:
            await self._asked(self._take_clock(), CLOCK_TIMEOUT_S)  # alone, so that nothing delays its answers
            parts = (self._take_webm(), self._take_claims(), self._take_screenshot(folder))
            await asyncio.gather(*(self._asked(part, PART_TIMEOUT_S) for part in parts))
        finally:
            left_out = self.session.errors_left_out
            if left_out > 0:
                text = f"{left_out} complaints of the page, from the middle of the call, are left out here"
                self.session.errors.append(PageProblem("tap", text, 1e3 * time.monotonic()))
            self.recording.console = [asdict(problem) for problem in self.session.errors]
            self._assemble(self.recording)
        return self.recording

    async def _asked(self, part: Coroutine[Any, Any, None], limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await part
        except (AttemptError, TimeoutError, OSError) as error:
            reason = f"no answer within {limit_s:g} s" if isinstance(error, TimeoutError) else str(error)
            text = f"at the end of the call the page did not give all: {reason}"
            self.session.errors.append(PageProblem("tap", text, 1e3 * time.monotonic()))

    async def _take_webm(self) -> None:
        self.recording.webm = await self.session.finish_webm()

    async def _take_claims(self) -> None:
        self.recording.page_claims = await self.session.page_claims()

    async def _take_clock(self) -> None:
        if self._blocks:
            last = await self.session.clock_map()
            self._clock, self._slip_ms = self._clock or last, last.slip_ms

    async def _take_screenshot(self, folder: Path) -> None:
        await self.session.screenshot(folder / SCREENSHOT)

    def _assemble(self, recording: UserRecording) -> None:
        late = self.session.last_audio()
        if not self._blocks:
            return
        first = self._blocks[0].frame
        last = max(block.frame + len(block.mic) for block in self._blocks)
        recording.t0_sample = first
        recording.mic = np.zeros(last - first, np.float32)
        recording.ear = np.zeros(last - first, np.float32)
        covered = 0
        for block in self._blocks:
            at = block.frame - first
            recording.mic[at : at + len(block.mic)] = block.mic
            recording.ear[at : at + len(block.ear)] = block.ear
            covered += len(block.mic)
        for frame, samples in late:
            begin, end = max(frame, first), min(frame + len(samples), last)
            if begin >= end:
                continue
            recording.ear[begin - first : end - first] += samples[begin - frame : end - frame]
        recording.ear_received = np.array([(block.frame - first, block.arrived) for block in self._blocks], np.float64)
        if self._clock is not None:
            recording.timeline = Timeline(
                rate_hz=48_000,
                t0_mono_ms=self._clock.t0_mono_ms + first / 48.0,
                error_ms=self._clock.error_ms,
                clock_id=self.host_id,
                lost_samples=(last - first) - covered,
                slip_ms=self._slip_ms,
            )
            instants = np.array(self.session.instants, np.float64).reshape(-1, 2)
            recording.ear_clock = instants + np.array([-first, self._clock.mono_minus_perf_ms])


def _alive(pid: int | None) -> bool:
    """A process that has ended but was not yet waited for is not alive."""
    if pid is None:
        return True
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class BotUser:
    """The user bot, hearing through the probe (the bot lane has no ear of its own)."""

    bot: UserBot
    probe: Probe
    mic: Literal["bot"] = "bot"
    hearing: Hearing = field(default_factory=Hearing)
    echo: Echo | None = None

    _mixer: Mixer = field(default_factory=Mixer)

    def __post_init__(self) -> None:
        self.probe.on_agent_frame = self._heard
        self.bot.on_frame = lambda: self._go_on(self.bot.now_sample())

    def _heard(self, track: str, t_ms: float, samples: Int16Array) -> None:
        now = self.bot.sample_at(t_ms)
        self._mixer.add(track, now - len(samples), samples)
        self._go_on(now)

    def _go_on(self, now: int) -> None:
        """Feed what is complete by now; the clock goes on also while the agent has no track."""
        at = self._mixer.given
        samples = self._mixer.take(self._mixer.due(now))
        if not len(samples):
            return
        if self.echo is not None and samples.any():
            back = (samples * 10 ** (self.echo.gain_db / 20)).astype(np.int16)
            self.bot.speak(back, at + int(self.echo.delay_ms * 48))
        self.hearing.feed(at, samples)

    @property
    def failed(self) -> asyncio.Event:
        return self.bot.disconnected

    @property
    def joined_mono_ms(self) -> float | None:
        """It hears through the probe: when both were there."""
        times = (self.bot.joined_mono_ms, self.probe.joined_mono_ms)
        return None if None in times else max(time for time in times if time is not None)

    def failure(self) -> AttemptError:
        if self.bot.broken_why:
            return AttemptError(CaptureStatus.HARNESS_ERROR, self.bot.broken_why)
        return AttemptError(CaptureStatus.SERVER_LOST, "the user bot lost its connection to the media server")

    async def ready(self) -> None:
        await self.bot.published.wait()

    async def now_sample(self) -> int:
        return self.bot.now_sample()

    async def speak(self, samples: Int16Array, at_sample: int | None) -> int:
        return self.bot.speak(samples, at_sample)

    async def jitter_buffer(self) -> tuple[float, float] | None:
        for item in await self.probe.stats():
            inbound = item.get("inbound_rtp")
            if inbound is not None:
                details = inbound.get("inbound", {})
                emitted = float(details.get("jitter_buffer_emitted_count", 0))
                return float(details.get("jitter_buffer_delay", 0.0)), emitted
        return None

    async def stats(self) -> list[dict[str, Any]]:
        """The probe's statistics of the agent, and the server's of the bot's own voice."""
        own = [item for item in await self.bot.stats() if "remote_inbound_rtp" in item]
        return [*await self.probe.stats(), *own]

    async def unplayed(self, after: int) -> AttemptError | None:
        return None

    async def finish(self, folder: Path) -> UserRecording:
        return UserRecording()


@asynccontextmanager
async def browser_user(
    browser: Browser,
    mic: MicMode,
    host_id: str,
    device_lead_samples: int,
    slack_s: float,
    echo: Echo | None,
    ear: EarMode,
    files: bool = False,
) -> AsyncIterator[BrowserUser]:
    """`files`: media elements with a `src` are heard too. Raises AttemptError where the microphone cannot carry the case's
    echo.
    """
    if echo is not None and mic == "device":
        detail = "the device microphone plays a file and cannot carry an echo: run this case with the scheduled one"
        raise AttemptError(CaptureStatus.HARNESS_ERROR, detail)
    async with browser.session(echo=echo, ear=ear, files=files) as session:
        yield BrowserUser(browser, session, mic, host_id, device_lead_samples, slack_s)


@asynccontextmanager
async def bot_user(
    probe: Probe, url: str, token: str, slack_s: float = 0.0, echo: Echo | None = None
) -> AsyncIterator[BotUser]:
    bot = UserBot()
    user = BotUser(bot, probe, echo=echo)
    async with bot.in_room(url, token, CONNECT_TIMEOUT_S + slack_s):
        yield user
