"""The bench of a run: one media server, one agent, one browser and one page server for all its attempts.

Everything is opened once, in order, and closed in reverse. `attempt` plays one attempt and gives its capture folder; a
browser that died is replaced for the next attempt, a media server that died is not (the run ends with what there is).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.browser.driver import Browser, launch_browser
from harness.errors import HarnessError, ProvisionError
from harness.link.link import Link
from harness.live.agents import open_agent
from harness.live.attempt import Attempt
from harness.live.attendance import Agent
from harness.live.governor import Staging
from harness.live.host import HostLoad
from harness.live.joining import DEVICE_LEAD_S
from harness.live.network import open_network
from harness.live.page_agent import page_agent
from harness.live.page_attempt import PageAttempt
from harness.live.page_server import PAGE_QUERY, page_folder, page_sha256, serve_page
from harness.live.rooms import Rooms, open_rooms
from harness.live.scene import Scene
from harness.model.capture import Manifest
from harness.model.plan import BuiltCase, Plan
from harness.provide.certificates import trusting
from harness.provide.chromium import find_chromium
from harness.provide.media_server import LiveKitTarget, MediaServer, media_server
from harness.provide.page_library import find_page_library
from harness.speech.build import device_wav
from harness.telemetry.wanted import wanted_port

if TYPE_CHECKING:
    from harness.telemetry.receiver import Receiver

log = logging.getLogger(__name__)

NO_SERVER = "none"
SESSIONS = "EARWITNESS_SESSIONS"  # tells the reference agent for how many users at once to warm up


@dataclass
class Bench:
    """Plays attempts. Made by `open_bench`."""

    plan: Plan
    scene: Scene
    server: MediaServer | None  # None: the page needs no room
    staging: Staging | None = None  # keeps attempts side by side from disturbing each other
    _numbers: dict[str, int] = field(default_factory=dict)

    @property
    def broken(self) -> str | None:
        """Why no further attempt makes sense, or None."""
        return "the media server ended" if self.server is not None and self.server.lost.is_set() else None

    def resume_after(self, case_id: str, number: int) -> None:
        """The case's attempts up to `number` were played before this bench was opened."""
        self._numbers[case_id] = number

    async def attempt(
        self,
        built: BuiltCase,
        on_phase: Callable[[str], None] = lambda phase: None,
        on_link: Callable[[Link], None] = lambda link: None,
    ) -> tuple[Path, Manifest]:
        """One attempt, numbered from 1 within the run. Raises OSError if not even a manifest can be written.

        `on_link` gets the attempt's link, if the run has a network, to cut or change it in mid-call. With `staging` the
        attempt waits for its place; raises HarnessError if the bench broke meanwhile.
        """
        number = self._numbers.get(built.case.id, 0) + 1
        self._numbers[built.case.id] = number
        kind = Attempt if self.scene.page.room else PageAttempt
        if self.staging is None:
            return await self._play(kind(self.scene, built, number, on_phase, on_link))
        async with self.staging.session() as seat:
            if self.broken is not None:
                raise HarnessError(f"{built.case.id} was not run: {self.broken}")
            on_phase("join")
            load = HostLoad(launching=lambda: seat.launching_beside)
            return await self._play(kind(self.scene, built, number, on_phase, on_link, seat, load=load))

    async def _play(self, attempt: Attempt) -> tuple[Path, Manifest]:
        manifest = await attempt.run()
        lost = [name for name, timeline in manifest.timelines.items() if timeline.lost_samples > 0]
        if attempt.seat is not None and lost:
            attempt.seat.underrun()
        return attempt.folder, manifest


class _Browsers:
    """The run's browser: one for all attempts with the scheduled microphone, one an attempt with the device."""

    def __init__(
        self, plan: Plan, executable: Path, headless: bool, trusted_keys: Sequence[str], stack: AsyncExitStack
    ) -> None:
        self.plan, self.executable = plan, executable
        self._options: dict[str, Any] = {
            "headless": headless,
            "trusted_keys": trusted_keys,
            "autoplay": plan.page.autoplay,
        }
        self._stack = stack
        self._shared: Browser | None = None
        self._launching = asyncio.Lock()  # attempts side by side share one browser

    @asynccontextmanager
    async def open(self, built: BuiltCase) -> AsyncIterator[Browser]:
        if self.plan.mic == "device":
            wav = self.plan.run_dir / "device" / f"{built.case.id}.wav"
            wav.parent.mkdir(parents=True, exist_ok=True)
            device_wav(built, wav, lead_s=DEVICE_LEAD_S)
            async with launch_browser(self.executable, mic="device", fake_wav=wav, **self._options) as browser:
                yield browser
            return
        async with self._launching:
            if self._shared is None or self._shared.lost.is_set():
                self._shared = await self._stack.enter_async_context(
                    launch_browser(self.executable, mic="scheduled", **self._options)
                )
            browser = self._shared
        yield browser


@asynccontextmanager
async def open_bench(
    plan: Plan,
    *,
    target: LiveKitTarget | None = None,
    server: MediaServer | None = None,
    headless: bool = True,
    agent_env: dict[str, str] | None = None,
    staging: Staging | None = None,
    on_note: Callable[[str], None] = lambda note: None,
) -> AsyncIterator[Bench]:
    """Raises ProvisionError (something is missing: says what to do) or HarnessError (something did not start).

    `server`: a media server that the caller ends; `target`: a remote one; otherwise the bench starts its own.
    """
    logs = plan.run_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    network = open_network(plan.network, external=target is not None)
    async with AsyncExitStack() as stack:
        urls = (plan.page.template, target.url if target is not None else None)
        keys = await stack.enter_async_context(trusting(plan.page.insecure_hosts, urls, logs / "certificates.pem"))
        rooms: Rooms | None = None
        if not plan.page.room:
            server = None
        elif server is None:
            on_note("media server")
            own = media_server(target=target, log_path=logs / "livekit-server.log")
            server = await stack.enter_async_context(own)
        if server is not None:
            rooms = await stack.enter_async_context(open_rooms(server.url, server.api_key, server.api_secret))
        page_url, sha, library_version, browsers = "", None, "", None
        if plan.lane == "browser":
            on_note("browser and page")
            page_url, sha, library_version = await _page(plan, stack)
            found = find_chromium()
            if found is None:
                raise ProvisionError("no Chromium found; run `earwitness setup`, or set EARWITNESS_CHROMIUM to one")
            browsers = _Browsers(plan, found.path, headless, keys, stack)
        telemetry = await _telemetry(plan, stack)
        agent: Agent
        if rooms is None:
            agent = page_agent(plan.agent, plan.page, plan.run_dir, telemetry)
        else:
            on_note("agent")
            env = {SESSIONS: str(plan.jobs), **(agent_env or {})}
            agent = await stack.enter_async_context(
                open_agent(plan.agent, rooms, plan.run_dir, env, plan.invitation.dispatch_metadata, telemetry)
            )
        scene = Scene(
            run_id=plan.run_id,
            run_dir=plan.run_dir,
            media=rooms,
            server_lost=server.lost if server is not None else asyncio.Event(),
            server_version=server.version if server is not None else NO_SERVER,
            agent=agent,
            lane=plan.lane,
            mic=plan.mic,
            page=plan.page,
            page_url=page_url,
            page_sha256=sha,
            library_version=library_version,
            open_browser=browsers.open if browsers is not None else None,
            rules=plan.rules,
            network=network,
            telemetry=telemetry,
            invitation=plan.invitation,
        )
        yield Bench(plan, scene, server, staging)


async def _telemetry(plan: Plan, stack: AsyncExitStack) -> Receiver | None:
    port = wanted_port(plan.otlp_in, plan.agent.kind, os.environ)
    if port is None:
        return None
    from harness.telemetry.receiver import open_receiver  # OTLP's messages load only where spans are taken

    return await stack.enter_async_context(open_receiver(port, waits=plan.agent.kind != "command"))


async def _page(plan: Plan, stack: AsyncExitStack) -> tuple[str, str | None, str]:
    """(URL template, hash of the product page, version of livekit-client)."""
    if plan.page.template is not None:
        return plan.page.template, None, "the page's own"
    library = find_page_library()
    if library is None:
        raise ProvisionError("livekit-client for the product page is missing; run `earwitness setup`")
    folder = page_folder()
    base = await stack.enter_async_context(serve_page(folder, library.path))
    return base + PAGE_QUERY, await asyncio.to_thread(page_sha256, folder), library.version
