"""Launches Chromium for measuring, and ends it. Re-exports all that live needs of a browser.

Scheduled microphone: one Chromium serves many sessions. Device microphone: one Chromium a case, because its voice is a
launch flag. The flags are measured to work headless; a failed start is a ProvisionError that says what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil

from harness.browser.injection import BINDING, init_script
from harness.browser.page import PageSession
from harness.browser.quiet_wire import open_wire
from harness.browser.records import RATE_HZ, AudioBlock, ClockMap, JitterBufferSample, PageProblem
from harness.errors import AttemptError, ProvisionError
from harness.model.case import Echo
from harness.model.plan import AutoplayMode, EarMode
from harness.model.status import CaptureStatus

if TYPE_CHECKING:
    from playwright.async_api import Browser as PlaywrightBrowser
    from playwright.async_api import BrowserContext, Playwright

__all__ = [
    "RATE_HZ",
    "AudioBlock",
    "Browser",
    "ClockMap",
    "JitterBufferSample",
    "PageProblem",
    "PageSession",
    "launch_browser",
]

MicMode = Literal["scheduled", "device"]

LAUNCH_TIMEOUT_S = 30.0
SESSION_TIMEOUT_S = 15.0  # a fresh context and page
CLOSE_TIMEOUT_S = 5.0  # a context or a browser that has not closed by then is left to the kill
KILL_TIMEOUT_S = 2.0
# A socket's path has at most 107 bytes; Chromium appends /org.chromium.Chromium.XXXXXX/SingletonSocket to our folder.
MAX_TEMP_ROOT_LENGTH = 40

FLAGS = (
    "--use-fake-ui-for-media-stream",  # nobody is there to click "allow"
    "--use-fake-device-for-media-stream",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AUTOPLAY = "--autoplay-policy=no-user-gesture-required"  # else a page may play only after a click, or with a microphone
PERMISSIONS = ["microphone", "camera"]


class Browser:
    """One running Chromium. Made and ended by `launch_browser`."""

    def __init__(
        self, chromium: PlaywrightBrowser, mic: MicMode, pid: int | None, user_agent: str, *, quiet: bool
    ) -> None:
        self.version = chromium.version
        self.user_agent = user_agent
        self.pid = pid
        self.lost = asyncio.Event()
        self._chromium = chromium
        self._mic = mic
        self._quiet = quiet
        self._sessions: set[PageSession] = set()
        chromium.on("disconnected", lambda _: self._gone())

    def _gone(self) -> None:
        self.lost.set()
        for session in self._sessions:
            session.gone()

    @asynccontextmanager
    async def session(
        self, *, record_webm: bool = True, echo: Echo | None = None, ear: EarMode = "played", files: bool = False
    ) -> AsyncIterator[PageSession]:
        """A fresh context with one page, its taps ready. `files`: media elements with a `src` are heard too.

        Raises AttemptError(BROWSER_CRASH) if Chromium is gone.
        """
        async with self._context() as context:
            with _no_page_is_a_crash():
                async with asyncio.timeout(SESSION_TIMEOUT_S):
                    session = await self._new_session(context, record_webm, echo, ear, files)
            self._sessions.add(session)
            try:
                yield session
            finally:
                self._sessions.discard(session)
                session.end()

    @asynccontextmanager
    async def _context(self) -> AsyncIterator[BrowserContext]:
        with _no_page_is_a_crash():
            async with asyncio.timeout(SESSION_TIMEOUT_S):
                context = await self._chromium.new_context(bypass_csp=True, permissions=PERMISSIONS)
        try:
            yield context
        finally:
            await _ended_quietly(context.close())

    async def _new_session(
        self, context: BrowserContext, record_webm: bool, echo: Echo | None, ear: EarMode, files: bool
    ) -> PageSession:
        page = await context.new_page()
        session = PageSession(page, self._mic, self.version, self.user_agent)
        # The binding first: the init script takes it from the window.
        if self._quiet:
            session.wire = await open_wire(page, session.receive)
        else:
            await context.expose_binding(BINDING, session.receive)
        await context.add_init_script(init_script(self._mic, record_webm, echo, ear, self._quiet, files))
        return session


@contextmanager
def _no_page_is_a_crash() -> Iterator[None]:
    from playwright.async_api import Error as PlaywrightError

    try:
        yield
    except TimeoutError as error:
        detail = f"Chromium gave no page within {SESSION_TIMEOUT_S:g} s"
        raise AttemptError(CaptureStatus.BROWSER_CRASH, detail) from error
    except PlaywrightError as error:
        raise AttemptError(CaptureStatus.BROWSER_CRASH, f"Chromium gave no page: {_first_line(error)}") from error


@asynccontextmanager
async def launch_browser(
    executable: Path,
    *,
    mic: MicMode,
    fake_wav: Path | None = None,
    headless: bool = True,
    trusted_keys: Sequence[str] = (),
    autoplay: AutoplayMode = "allowed",
) -> AsyncIterator[Browser]:
    """A running Chromium, closed at the end in any case. Raises ProvisionError if it does not start.

    `fake_wav` (device microphone): 48 kHz mono 16 bit, ends in silence, for `%noloop` repeats its last 10 ms for ever.
    `autoplay`: `real` is Chromium's own policy, and nothing of ours counts as a click (see quiet_wire).
    `trusted_keys`: whose certificates may be wrong (see harness.provide.certificates).
    """
    if (mic == "device") != (fake_wav is not None):
        raise ValueError("fake_wav belongs to the device microphone, and only to it")
    _check_executable(executable)
    # A folder of our own for Chromium's temporary files: one that is killed leaves its sockets there.
    with tempfile.TemporaryDirectory(
        prefix="earwitness-", dir=_short_temp_root(), ignore_cleanup_errors=True
    ) as folder:
        flags = [*FLAGS, *_fake_microphone_flags(fake_wav, Path(folder))]
        if autoplay == "allowed":
            flags.append(AUTOPLAY)
        if trusted_keys:
            flags.append(f"--ignore-certificate-errors-spki-list={','.join(trusted_keys)}")
        playwright = await _start_playwright()
        try:
            chromium = await _launch(playwright, executable, flags, headless, Path(folder))
        except BaseException:
            await _ended_quietly(playwright.stop())
            raise
        async with _ending(chromium, playwright) as (pid, user_agent):
            yield Browser(chromium, mic, pid, user_agent, quiet=autoplay == "real")


def _short_temp_root() -> str:
    """Where temporary files go, unless its name is so long that Chromium's socket there would break the system's limit."""
    root = tempfile.gettempdir()
    return root if len(root) <= MAX_TEMP_ROOT_LENGTH else "/tmp"


def _check_executable(path: Path) -> None:
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise ProvisionError(f"Chromium: {path} is not a program; run `earwitness doctor` to see what is found")


async def _start_playwright() -> Playwright:
    try:
        from playwright.async_api import async_playwright
    except ImportError as error:
        raise ProvisionError("the browser lane needs Playwright: pip install 'earwitness[browser]'") from error
    try:
        async with asyncio.timeout(LAUNCH_TIMEOUT_S):
            return await async_playwright().start()
    except TimeoutError as error:
        raise ProvisionError(f"Playwright's driver does not start within {LAUNCH_TIMEOUT_S:.0f} s") from error
    except OSError as error:
        raise ProvisionError(f"Playwright's driver does not start: {_first_line(error)}") from error


async def _launch(
    playwright: Playwright, executable: Path, flags: list[str], headless: bool, folder: Path
) -> PlaywrightBrowser:
    """Chromium in its sandbox where the user and the kernel allow one; root and many containers do not."""
    from playwright.async_api import Error as PlaywrightError

    sandboxes = [False] if os.geteuid() == 0 else [True, False]
    for sandbox in sandboxes:
        try:
            return await playwright.chromium.launch(
                executable_path=executable,
                args=flags,
                env={**os.environ, "TMPDIR": str(folder)},
                artifacts_dir=folder,
                headless=headless,
                chromium_sandbox=sandbox,
                timeout=1e3 * LAUNCH_TIMEOUT_S,
                handle_sigint=False,  # Ctrl-C ends the run in order; the recordings are fetched first
                handle_sigterm=False,
                handle_sighup=False,
            )
        except PlaywrightError as error:
            if sandbox and "sandbox" in error.message:
                continue
            raise ProvisionError(
                f"Chromium: {executable} does not start: {_launch_failure(error.message)}; run `earwitness doctor`"
            ) from error
    raise AssertionError("every sandbox setting either launched or raised")


@asynccontextmanager
async def _ending(chromium: PlaywrightBrowser, playwright: Playwright) -> AsyncIterator[tuple[int | None, str]]:
    """Gives (pid, user agent); at the end Chromium is gone, by its own means or by a kill, and so is its profile."""
    process: psutil.Process | None = None
    profile: Path | None = None
    try:
        async with asyncio.timeout(LAUNCH_TIMEOUT_S):
            cdp = await chromium.new_browser_cdp_session()
            user_agent = (await cdp.send("Browser.getVersion"))["userAgent"]
            listed = (await cdp.send("SystemInfo.getProcessInfo"))["processInfo"]
        pid = next((entry["id"] for entry in listed if entry["type"] == "browser"), None)
        if pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                profile = _profile_of(process)
        yield pid, user_agent
    finally:
        await _ended_quietly(chromium.close())
        if process is not None:
            await asyncio.to_thread(_kill_tree, process)
        await _ended_quietly(playwright.stop())
        if profile is not None:
            # Playwright removes it after an orderly end; after a crash it may be stopped before it has.
            await asyncio.to_thread(shutil.rmtree, profile, ignore_errors=True)


def _profile_of(process: psutil.Process) -> Path | None:
    """The temporary profile that Playwright made for this Chromium."""
    flag = "--user-data-dir="
    return next((Path(word.removeprefix(flag)) for word in process.cmdline() if word.startswith(flag)), None)


def _kill_tree(process: psutil.Process) -> None:
    """Kill a Chromium that hangs, with its children; after an orderly close there is none."""
    try:
        tree = [*process.children(recursive=True), process]
        for one in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(tree, timeout=KILL_TIMEOUT_S)
    except psutil.NoSuchProcess:
        return


async def _ended_quietly(ending: Awaitable[None]) -> None:
    """Await an ending for a bounded time; ignore another side that is gone or does not answer."""
    from playwright.async_api import Error as PlaywrightError

    with contextlib.suppress(PlaywrightError, TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await ending


def _fake_microphone_flags(wav: Path | None, folder: Path) -> list[str]:
    """The flags that make `wav` Chromium's microphone, played once. A '%' in its path would be read as an option."""
    if wav is None:
        return []
    path = wav.resolve()
    if "%" in str(path):
        link = folder / "voice.wav"
        link.symlink_to(path)
        path = link
    return [f"--use-file-for-fake-audio-capture={path}%noloop"]


def _launch_failure(message: str) -> str:
    """Playwright's first line, and the first thing that Chromium itself complained of."""
    first, *log = message.splitlines()
    complaint = next((line.partition("[err]")[2].strip() for line in log if "[err]" in line), "")
    return f"{first} ({complaint})" if complaint else first


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
