"""One page under test, heard and spoken to through the injected taps. Frames count its one 48 kHz AudioContext.

A thin async shell: what the page reports arrives in `receive`, what it is asked goes through `_ask`, both bounded.
The page's first document that asks for a microphone or hears an agent is the one whose clock counts.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import numpy.typing as npt

from harness.browser.clock import PingPong, map_clock
from harness.browser.injection import HANDLE
from harness.browser.last_words import RESOURCE, with_advice
from harness.browser.mixing import Mix
from harness.browser.page_script import HANDS, SCRIPT_TIMEOUT_S, as_function, hands_binding, uses_hands
from harness.browser.quiet_wire import PageExceptionError, QuietWire
from harness.browser.records import AudioBlock, ClockMap, JitterBufferSample, PageProblem, Unplayed
from harness.browser.signalling import SignalConnection, read_signalling
from harness.browser.ways import Ways
from harness.errors import AttemptError
from harness.model.audio import FloatArray
from harness.model.capture import write_atomic
from harness.model.redaction import redacted
from harness.model.status import CaptureStatus

if TYPE_CHECKING:
    from playwright.async_api import ConsoleMessage, Frame, Page, WebSocket

ANSWER_TIMEOUT_S = 5.0  # a page that is alive answers in milliseconds; a blocked main thread never does
SPEAK_TIMEOUT_S = 10.0  # a minute of speech is 8 MB to hand over
LEFT_DOCUMENT = "Execution context was destroyed"  # Playwright's words for a navigation
SOCKET_SETTLES_S = 2.0  # a WebSocket without an error so long after its making is open
SCREENSHOT_TIMEOUT_S = 5.0
MOST_PROBLEMS = 1_000  # of which the first and the last are kept: a page may complain at every packet
MOST_CHARS = 4_000  # of one
PING_PONGS = 8
CLOCK_PAIRS = 20
CLOCK_PAIR_EVERY_MS = 5
STATS_TYPES = (
    "inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "remote-outbound-rtp",
    "media-source", "media-playout", "candidate-pair", "local-candidate", "remote-candidate", "transport", "codec",
)  # fmt: skip


class PageSession:
    """A fresh context with one page. Made by `Browser.session()`, which also ends it."""

    def __init__(self, page: Page, mic: Literal["scheduled", "device"], browser_version: str, user_agent: str) -> None:
        self.browser_version = browser_version
        self.user_agent = user_agent
        self.on_audio: Callable[[AudioBlock], None] | None = None
        self.tap_started = asyncio.Event()
        self.agent_track_seen = asyncio.Event()
        self.microphone_asked = asyncio.Event()
        self.microphone_lent = False
        self.closed = asyncio.Event()
        self.lost = asyncio.Event()  # closed, or of no use for the call any more
        self.fatal = asyncio.Event()
        self.fatal_why: str | None = None
        self.wire: QuietWire | None = None  # in place of Playwright's, where the page must not take us for its user
        self.errors: list[PageProblem] = []
        self.errors_left_out = 0
        self.instants: list[tuple[float, float]] = []  # (frame, performance.now()) with every block of audio
        self.connections: list[SignalConnection] = []  # to media servers, as the page opened them
        self.ways = Ways()  # to whoever it talks to
        self._joined: dict[
            str, float
        ] = {}  # document's clock → performance.now() at its first connection to another host
        self.lost_frames = 0  # frames that the context skipped between two blocks
        self._page = page
        self._mic = mic
        self._microphone_released = asyncio.Event()
        self._microphone_answered = asyncio.Event()  # released, or lent ahead of its release
        self._clock: str | None = None
        self._frame: Frame | None = None  # whose document holds the taps
        self._next_frame: int | None = None
        self._mix = Mix()
        self._webm: dict[int, bytes] = {}
        self._clock_map: ClockMap | None = None
        self._ended = False
        self._has_hands = False  # of the page script; a page takes a binding once
        if mic == "scheduled":
            self._release()
        page.on("console", self._console)
        # Only noted: a page that throws may be in the call all the same, and a page that is not is missed there.
        page.on("pageerror", lambda error: self._problem("exception", str(error)))
        page.on("websocket", self._connected)
        page.on("crash", lambda _: self._crashed())
        page.on("close", lambda _: self.gone())

    # what the caller asks for

    async def open(self, url: str, timeout_s: float) -> None:
        """Load the page. Raises AttemptError: PAGE_ERROR if it does not come, BROWSER_CRASH if Chromium goes."""
        shown = _without_secrets(url)
        try:
            response = await self._page.goto(url, wait_until="domcontentloaded", timeout=1e3 * timeout_s)
        except Exception as error:
            raise self._explained(error, f"{shown} did not load", secret=url) from None
        if response is not None and not response.ok:
            raise AttemptError(CaptureStatus.PAGE_ERROR, f"{shown} answered with HTTP status {response.status}")

    async def run_script(self, path: Path) -> None:
        """Evaluate a page script (see page_script) and wait for its end; a navigation of the page ends it."""
        body = await asyncio.to_thread(path.read_text, encoding="utf-8")
        if uses_hands(body) and not self._has_hands:  # to expose a binding counts as a click
            self._has_hands = True
            await self._page.expose_binding(HANDS, hands_binding(self._page))
        try:
            await self._ask(as_function(body), timeout_s=SCRIPT_TIMEOUT_S, what=f"the page script {path}", in_tap=False)
        except AttemptError as error:
            if LEFT_DOCUMENT not in error.detail:
                raise
            self._problem("tap", f"the page script {path} ended where the page went to another document")

    async def speak(self, samples: npt.NDArray[np.int16], at_frame: int | None) -> int:
        """Play 48 kHz mono through the scheduled microphone; sample 0 is heard at the frame that is returned.

        That is `at_frame`, or the first frame possible if it is None or past.
        """
        if self._mic != "scheduled":
            raise ValueError("speak() needs the scheduled microphone; the device microphone plays its own file")
        pcm = base64.b64encode(np.ascontiguousarray(samples, dtype="<i2").tobytes()).decode("ascii")
        start = await self._ask(
            f"({{ pcm, atFrame }}) => window.{HANDLE}.ears.speak(pcm, atFrame)",
            {"pcm": pcm, "atFrame": at_frame},
            timeout_s=SPEAK_TIMEOUT_S,
        )
        return int(start)

    async def release_microphone(self) -> None:
        """Let getUserMedia go on to Chromium's own microphone, and every later call at once."""
        self._release()

    def lend_microphone(self) -> None:
        """Answer getUserMedia ahead of the release: with silence, behind which the microphone opens at the release."""
        self.microphone_lent = True
        self._microphone_answered.set()

    def _release(self) -> None:
        self._microphone_released.set()
        self._microphone_answered.set()

    async def current_frame(self) -> int:
        return int(await self._ask(f"() => window.{HANDLE}.ears.frame()"))

    async def clock_map(self) -> ClockMap:
        """Where frame 0 lies on the host's monotonic clock now, and how far that has slipped since the last call."""
        pairs = await self._ask(
            f"([count, every]) => window.{HANDLE}.ears.clockPairs(count, every)", [CLOCK_PAIRS, CLOCK_PAIR_EVERY_MS]
        )
        pings = [await self._ping() for _ in range(PING_PONGS)]
        self._clock_map = map_clock(pings, [(frame, perf_ms) for frame, perf_ms in pairs], self._clock_map)
        return self._clock_map

    async def jitter_buffer(self) -> JitterBufferSample | None:
        """Counters of all inbound audio; None while there is no inbound audio."""
        return _summed([entry for entry in await self._reports(["inbound-rtp"]) if entry.get("kind") == "audio"])

    async def unplayed(self) -> Unplayed:
        """What the page knows of remote tracks that carried sound and that are not played."""
        found = await self._ask(f"() => window.{HANDLE}.players.unplayed()", what="what the page plays")
        return Unplayed(tuple(found["reasons"]), found["undecoded"], found["encrypts"], tuple(found["graphs"]))

    async def stats(self) -> list[dict[str, Any]]:
        """getStats() of all peer connections that are not closed, each report with `pc` and `t_perf_ms`."""
        return await self._reports(STATS_TYPES)

    async def page_claims(self) -> dict[str, Any]:
        """The page's own measurements (window.earwitness.trace); {} if there are none."""
        claims = await self._ask(
            "() => JSON.parse(JSON.stringify(window.earwitness?.trace ?? {}))",
            what="window.earwitness.trace",
            in_tap=False,
        )
        return claims if isinstance(claims, dict) else {"trace": claims}

    async def screenshot(self, path: Path) -> None:
        """Write a PNG of the page."""
        try:
            picture = await self._page.screenshot(timeout=1e3 * SCREENSHOT_TIMEOUT_S)
        except Exception as error:
            raise self._explained(error, "no screenshot") from None
        write_atomic(path, picture)

    async def finish_webm(self) -> bytes | None:
        """End the recording of the agent: the file, or what came of it before a crash; None if nothing was recorded."""
        if self._frame is not None and not self.closed.is_set():
            try:
                await self._ask(f"() => window.{HANDLE}.ears.finishWebm()", what="the webm recorder")
            except AttemptError as error:
                self._problem("tap", f"the webm recording has no end: {error.detail}")
        return self.webm()

    def webm(self) -> bytes | None:
        """The recording of the agent until now."""
        return b"".join(self._webm[index] for index in sorted(self._webm)) or None

    # what the page reports

    @property
    def joined_perf_ms(self) -> float | None:
        """When the page's first peer connection was up (performance.now()): from then on it can hear. None: not yet."""
        return None if self._clock is None else self._joined.get(self._clock)

    def receive(self, source: dict[str, Any], record: dict[str, Any]) -> Awaitable[object] | None:
        """One report of the injected script; an awaitable keeps the page's call waiting."""
        if self._ended:
            return None
        kind, clock = record["kind"], record["clock"]
        if kind in ("microphone", "track") and not self._adopt(clock, source["frame"]):
            return None
        if kind == "microphone":
            self.microphone_asked.set()
            return self._hold_microphone()
        if kind == "lent":
            return self._hold_opening()
        if kind == "track":
            self.agent_track_seen.set()
        elif kind == "peer":
            self.ways.peer(f"{clock}/{record['id']}", record["state"])
        elif kind == "joined":
            self._joined.setdefault(clock, record["at"])
        elif kind == "broken":
            # A frame that is no part of the call (an advertisement that opens connections) is not the page.
            concerns_us = clock == self._clock or source["frame"] == self._page.main_frame
            self._problem("tap", f"the page cannot be heard: {record['text']}", fatal=concerns_us)
        elif clock == self._clock:
            self._follow(kind, record)
        return None

    def _follow(self, kind: str, record: dict[str, Any]) -> None:
        """Take a report that counts only from the document whose clock counts."""
        if kind == "audio":
            if record.get("at") is not None:
                frame, perf_ms = record["at"]
                self.instants.append((float(frame), float(perf_ms)))
            self._heard(_block(record))
        elif kind == "output":
            samples = _samples(record["samples"], record["length"])
            self._give(self._mix.output(record["context"], record["rate"], record["frame"], record["at"], samples))
        elif kind == "webm":
            self._webm[record["index"]] = base64.b64decode(record["data"])
        elif kind == "problem":
            self._problem("tap", record["text"])

    def _adopt(self, clock: str, frame: Frame) -> bool:
        """Whether `clock` is the one that counts. A second one in a call cannot be put on the first one's samples."""
        if self._clock is None:
            self._clock, self._frame = clock, frame
        elif clock != self._clock:
            self._problem(
                "tap",
                "a second document took a microphone or an agent (the page reloaded, or its call is spread over "
                "frames of several origins): one recording cannot hold both",
                fatal=True,
            )
        return clock == self._clock

    async def _hold_microphone(self) -> str:
        """Which microphone answers the page's call. The attempt ends the wait, at the latest by its own end."""
        await self._microphone_answered.wait()
        return "own" if self._microphone_released.is_set() else "lent"

    async def _hold_opening(self) -> None:
        await self._microphone_released.wait()

    def _heard(self, block: AudioBlock) -> None:
        if self._next_frame is not None:
            self.lost_frames += block.frame - self._next_frame
        self._next_frame = block.end_frame
        self.tap_started.set()
        self._give(self._mix.tap(block))

    def last_audio(self) -> list[tuple[int, FloatArray]]:
        """The call is over: give the waiting blocks, and return what came too late for its block, as (frame, samples)."""
        self._give(self._mix.flush())
        return self._mix.late

    def _give(self, blocks: list[AudioBlock]) -> None:
        if self.on_audio is None:
            return
        try:
            for block in blocks:
                self.on_audio(block)
        except Exception as error:  # raised here it would reach nobody but the page
            self._problem("tap", f"the recording could not be taken: {error}", fatal=True)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            where = message.location.get("url", "") if message.text.startswith(RESOURCE) else ""
            self._problem("console", f"{message.text}: {_without_secrets(where)}" if where else message.text)

    def _connected(self, socket: WebSocket) -> None:
        way = self.ways.socket(_without_secrets(socket.url))
        socket.on("framesent", lambda payload: way.carried(len(payload)))
        asyncio.get_running_loop().call_later(SOCKET_SETTLES_S, way.opened)  # that it is open is told to nobody
        socket.on("framereceived", lambda payload: way.carried(len(payload)))
        socket.on("socketerror", lambda error: way.close(str(error)))
        socket.on("close", lambda _: way.close())
        connection = read_signalling(socket.url)
        if connection is None:
            return
        self.connections.append(connection)

        def failed(error: str) -> None:
            connection.failed = error

        socket.on("socketerror", failed)

    def _crashed(self) -> None:
        self._problem("crash", "the page's process crashed", fatal=True)
        self.gone()

    def gone(self) -> None:
        """The page or its Chromium has ended."""
        self.closed.set()
        self.lost.set()

    def _problem(self, kind: Literal["console", "exception", "crash", "tap"], text: str, fatal: bool = False) -> None:
        shown = redacted(text[: 2 * MOST_CHARS])[:MOST_CHARS]  # a secret is not cut in two
        self.errors.append(PageProblem(kind=kind, text=shown, t_mono_ms=1e3 * time.monotonic()))
        if len(self.errors) > MOST_PROBLEMS:
            del self.errors[MOST_PROBLEMS // 2]
            self.errors_left_out += 1
        if fatal:
            self.fatal_why = self.fatal_why or text
            self.fatal.set()
            self.lost.set()

    def end(self) -> None:
        """Nothing is reported any more; a page that still waits for its microphone gets it."""
        self._ended = True
        self._release()
        self.closed.set()

    # how the page is asked

    async def _ask(
        self,
        expression: str,
        argument: Any = None,
        *,
        timeout_s: float = ANSWER_TIMEOUT_S,
        what: str = "the page",
        in_tap: bool = True,
    ) -> Any:
        """The value of `expression` in the page. Raises AttemptError if there is no answer in time, or no page."""
        if in_tap and self._frame is None:
            detail = "the page has neither asked for a microphone nor received an agent: there is nothing to hear"
            raise AttemptError(CaptureStatus.PAGE_ERROR, detail)
        frame = self._frame if in_tap and self._frame is not None else self._page.main_frame
        try:
            async with asyncio.timeout(timeout_s):
                if self.wire is not None:
                    return await self.wire.evaluate(expression, argument)
                return await frame.evaluate(expression, argument)
        except PageExceptionError as error:
            raise AttemptError(CaptureStatus.PAGE_ERROR, f"{what} failed: {error}") from None
        except TimeoutError:
            detail = f"{what} gave no answer within {timeout_s:g} s (is its main thread blocked?)"
            raise AttemptError(CaptureStatus.PAGE_ERROR, detail) from None
        except Exception as error:
            explained = self._explained(error, f"{what} failed")
            if in_tap and LEFT_DOCUMENT in explained.detail:
                detail = "the page reloaded, or went to another page, in the middle of the call"
                raise AttemptError(CaptureStatus.PAGE_ERROR, detail) from None
            raise explained from None

    async def _ping(self) -> PingPong:
        asked_ms = 1e3 * time.monotonic()
        perf_ms = float(await self._ask("() => performance.now()"))
        return PingPong(asked_ms, perf_ms, 1e3 * time.monotonic())

    async def _reports(self, types: Iterable[str]) -> list[dict[str, Any]]:
        reports: list[dict[str, Any]] = await self._ask(
            f"(types) => window.{HANDLE}.peers.reports(types)", list(types), what="getStats()"
        )
        return reports

    def _explained(self, error: Exception, doing: str, secret: str = "") -> AttemptError:
        """Playwright's error as ours: one line, without the token that a URL may carry. Others are passed on."""
        from playwright.async_api import Error as PlaywrightError

        if not isinstance(error, PlaywrightError):
            raise error
        if self.closed.is_set() or self._page.is_closed() or error.name == "TargetClosedError":
            return AttemptError(CaptureStatus.BROWSER_CRASH, f"{doing}: the page or its Chromium is gone")
        reason = re.sub(r"^(Page|Frame)\.evaluate: (\w*Error: )?", "", error.message.splitlines()[0])
        if secret:
            reason = with_advice(reason.replace(secret, _without_secrets(secret)), secret)
        return AttemptError(CaptureStatus.PAGE_ERROR, f"{doing}: {reason}")


def _block(record: dict[str, Any]) -> AudioBlock:
    length = record["length"]
    return AudioBlock(
        record["frame"], _samples(record["mic"], length), _samples(record["ear"], length), record["arrived"]
    )


def _samples(text: str | None, length: int) -> FloatArray:
    """float32 as the tap had it; silence travels as None."""
    if text is None:
        return np.zeros(length, dtype=np.float32)
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32, copy=False)


def _summed(inbound: list[dict[str, Any]]) -> JitterBufferSample | None:
    if not inbound:
        return None

    def total(name: str) -> float:
        return sum(entry.get(name, 0) for entry in inbound)

    return JitterBufferSample(
        t_perf_ms=max(entry["t_perf_ms"] for entry in inbound),
        delay_s=total("jitterBufferDelay"),
        emitted_samples=int(total("jitterBufferEmittedCount")),
        concealed_samples=int(total("concealedSamples")),
        total_samples=int(total("totalSamplesReceived")),
    )


def _without_secrets(url: str) -> str:
    """The URL without query and fragment, where tokens travel."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
