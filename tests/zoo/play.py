"""Plays a row in a lane, on the code that `earwitness run` is made of, and says what is not as the row has it.

One media server serves all rows; a row has its own run folder, bench and browser. Leftovers (processes, rooms, ports) and
time are part of what is right. Latencies are asserted only where the host was not overloaded, and only if asked for.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import soundfile
from aiohttp import web
from livekit import api

from harness.errors import EarwitnessError
from harness.judge.verdict import explain, status_of_end
from harness.model.capture import EAR, POST_RTC
from harness.model.measurement import Measurement
from harness.model.plan import BuiltCase, Plan
from harness.model.status import CaptureStatus, Status, worst
from harness.model.verdict import AttemptVerdict, GateResult
from harness.provide.cache import cache_dir
from harness.provide.media_server import MediaServer, media_server
from harness.run.cases import build_cases, load_checked_cases, select_cases
from harness.run.open import open_bench_of
from harness.run.plan import make_plan
from harness.run.run import Run
from harness.settings import Settings, load_settings
from reports.render.run_report import render_report
from tests.zoo.row import Lane, Latency, Row
from tests.zoo.voices import voice_folder

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
#: What load moves: left out of a status where latencies are not asserted.
BY_LOAD = {"eot_to_first_audio", "user_kpi", "inter_arrival", "barge_in_to_silence", "way", "unexplained"}
SOUND_DBFS = -45.0
OUR_ROOMS = "ew-"  # as harness.live.attempt names them
OVERLOADED = "the host was overloaded"
STEPPED = "the ear's clock stepped"  # a starved audio thread: what it spoils is INVALID, and says so
FULL_CPU_RATIO = 0.98  # as harness.listen.validity has it
HELD_BACK_MS = 200.0  # by a jitter buffer on such a host; measured: 130 ms
OVER_THE_LIMIT = 3.0  # on a quiet host a row that takes longer is wrong; one that takes so much longer is ended on any
CANCEL_TIMEOUT_S = 30.0
GONE_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Played:
    """What came of a row."""

    row: Row
    lane: Lane
    status: Status | None  # None: the limit passed first
    capture: CaptureStatus | None
    reason: str
    report: str  # all that the report says
    turns: int
    heard_s: float  # of the agent's sound in the first listener's recording
    eot_to_first_audio_ms: float | None
    user_kpi_ms: float | None
    overloaded: bool
    host_cpu_ratio: float | None  # while the first turn was measured
    wall_s: float
    folder: Path
    left: list[str] = field(default_factory=list)

    def wrong(self, *, latency: bool) -> list[str]:
        """What is not as it should be; empty if all is right."""
        row = self.row
        if self.status is None:
            return [self.reason, *self.left]
        found = list(self.left)
        if self.status is Status.INVALID and row.status is not Status.INVALID and self.overloaded:
            return found  # not measured, and it says why
        if self.status is not row.status:
            found.append(f"{self.status}, wanted {row.status}")
        if self.capture is not row.capture:
            found.append(f"{self.capture}, wanted {row.capture}")
        if not row.pattern.search(self.report):
            found.append(f"the report does not say “{row.says}”")
        if row.turns is not None and self.turns != row.turns:
            found.append(f"{self.turns} turns, wanted {row.turns}")
        if self.heard_s < row.heard_s:
            found.append(f"{self.heard_s:.1f} s of the agent were recorded, wanted {row.heard_s:.1f} s")
        if self.heard_s > row.heard_at_most_s:
            found.append(f"{self.heard_s:.1f} s of the agent were recorded, wanted {row.heard_at_most_s:.1f} s at most")
        if latency and self.wall_s > row.limit_s:
            found.append(f"it took {self.wall_s:.0f} s, limit {row.limit_s:.0f} s")
        if row.latency is not None:
            found += self._wrong_latency(row.latency, both_ways=latency and not self.overloaded)
        return found

    def _wrong_latency(self, wanted: Latency, *, both_ways: bool) -> list[str]:
        """Load makes an answer later. One that comes too soon is another sound, taken for it: but with no core free the
        second listener's jitter buffer holds the user's words back, and they end nearer to the answer.
        """
        measured = self.eot_to_first_audio_ms
        if measured is None:
            return ["no latency was measured"] if both_ways else []
        off_ms = measured - wanted.ms
        full = self.host_cpu_ratio is not None and self.host_cpu_ratio >= FULL_CPU_RATIO
        sooner_ms = HELD_BACK_MS if full and not both_ways else wanted.within_ms
        if -sooner_ms <= off_ms and (off_ms <= wanted.within_ms or not both_ways):
            return []
        return [f"end of turn → first audio {measured:.0f} ms, wanted {wanted.ms:.0f} ± {wanted.within_ms:.0f}"]


class Zoo:
    """Not to be made directly: see `open_zoo`."""

    def __init__(self, server: MediaServer, pages_url: str, runs: Path) -> None:
        self.server, self.pages_url, self.runs = server, pages_url, runs

    async def play(self, row: Row, lane: Lane, *, latency: bool) -> Played:
        """What came of it; a harness that does not even begin is its reason, without a status."""
        try:
            settings = self._settings(row, lane)
            built = _built(row.case)
            plan = make_plan(settings, (built,))
        except EarwitnessError as error:
            return _played(row, lane, self.runs, error, 0.0, [], latency=latency)
        before = _ours()
        began = time.monotonic()
        came = await self._within(row, self._run(plan, settings, built))
        wall_s = time.monotonic() - began
        return _played(row, lane, plan.run_dir, came, wall_s, await self._left(before), latency=latency)

    async def _within(
        self, row: Row, work: Coroutine[None, None, tuple[AttemptVerdict, str]]
    ) -> tuple[AttemptVerdict, str] | EarwitnessError | None:
        task = asyncio.create_task(work)
        await asyncio.wait({task}, timeout=row.limit_s * OVER_THE_LIMIT)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_TIMEOUT_S)
            return None
        try:
            return task.result()
        except EarwitnessError as error:
            return error

    async def _run(self, plan: Plan, settings: Settings, built: BuiltCase) -> tuple[AttemptVerdict, str]:
        run = Run(plan)
        async with open_bench_of(plan, settings, server=self.server) as bench:
            run.bench = bench
            verdict = await run.case(built)
        summary = await asyncio.to_thread(run.finish, complete=True)
        report = await asyncio.to_thread(lambda: render_report(summary, plan.run_dir).read_text())
        return verdict.attempts[0], report

    def _settings(self, row: Row, lane: Lane) -> Settings:
        file, *arguments = shlex.split(row.agent)
        command = shlex.join([sys.executable, str(HERE / "agents" / file), *arguments])
        flags = {
            "agent": f"command: {command}",
            "lane": lane,
            "runs": self.runs,
            "history": "off",
            "page": f"{self.pages_url}/{row.page}?url={{livekit_url}}&token={{token}}"
            if row.page is not None
            else None,
            "page_script": HERE / "pages" / row.script if row.script is not None else None,
        }
        return load_settings({**flags, **row.options}, folder=HERE, env={})

    async def _left(self, before: set[str]) -> list[str]:
        """Processes, listening ports and rooms that were not there before."""
        deadline = time.monotonic() + GONE_TIMEOUT_S
        while left := sorted(_ours() - before):  # children end a moment after their parent has
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        url = self.server.url.replace("ws", "http", 1)
        async with api.LiveKitAPI(url, self.server.api_key, self.server.api_secret) as service:
            rooms = await service.room.list_rooms(api.ListRoomsRequest())
        ours = [room.name for room in rooms.rooms if room.name.startswith(OUR_ROOMS)]  # a page may make others
        return [f"left behind: {thing}" for thing in (*left, *(f"room {name}" for name in ours))]


def _built(name: str) -> BuiltCase:
    chosen = select_cases(load_checked_cases([ROOT / "cases", HERE / "cases"]), "all", [name])
    return build_cases(chosen, cache_dir() / "cases")[0]


def _ours() -> set[str]:
    """Processes and listening ports of this process and its children, in words."""
    me = psutil.Process()
    found = set()
    for process in [me, *me.children(recursive=True)]:
        try:
            if process != me:
                found.add(f"process {process.pid} {process.name()}")
            found |= {
                f"port {c.laddr.port} of {process.name()}"
                for c in process.net_connections(kind="tcp")
                if c.status == psutil.CONN_LISTEN
            }
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _played(
    row: Row,
    lane: Lane,
    run_dir: Path,
    came: tuple[AttemptVerdict, str] | EarwitnessError | None,
    wall_s: float,
    left: list[str],
    *,
    latency: bool,
) -> Played:
    if came is None or isinstance(came, EarwitnessError):
        why = f"it was not over after {wall_s:.0f} s" if came is None else str(came)
        return Played(row, lane, None, None, why, "", 0, 0.0, None, None, False, None, wall_s, run_dir, left)
    attempt, report = came
    measured = attempt.measurement
    overloaded = OVERLOADED in report
    as_it_is = row.timed or (latency and not overloaded)
    gates = [gate for gate in attempt.gates if as_it_is or not _by_load(gate)]
    status = worst([status_of_end(attempt.capture_status, measured)[0], *(gate.status for gate in gates)])
    reasons = [attempt.detail, *(f"{g.gate_id}: {explain(g)}" for g in gates if g.status is status)]
    return Played(
        row=row,
        lane=lane,
        status=status,
        capture=attempt.capture_status,
        reason=next(filter(None, reasons), ""),
        report=report,
        turns=_answered(measured),
        heard_s=_heard_s(run_dir / attempt.folder / (EAR if lane == "browser" else POST_RTC)),
        eot_to_first_audio_ms=_first(measured, "eot_to_first_audio_ms"),
        user_kpi_ms=_first(measured, "user_kpi_raw_ms"),
        overloaded=overloaded,
        host_cpu_ratio=_first(measured, "host_cpu_ratio"),
        wall_s=wall_s,
        folder=run_dir / attempt.folder,
        left=left,
    )


def _by_load(gate: GateResult) -> bool:
    spoilt = Status.INVALID in (gate.status, gate.would_be) and STEPPED in gate.reason
    return gate.gate_id in BY_LOAD or spoilt


def _heard_s(wav: Path) -> float:
    """Seconds of frames of 20 ms that are louder than SOUND_DBFS."""
    try:
        samples, rate_hz = soundfile.read(wav, dtype="float32")
    except (OSError, soundfile.LibsndfileError):
        return 0.0
    n = rate_hz // 50
    frames = samples[: len(samples) // n * n].reshape(-1, n)
    return float(np.sum(np.mean(frames**2, axis=1) > 10 ** (SOUND_DBFS / 10))) / 50


def _answered(measured: Measurement | None) -> int:
    """Turns of the user that a reply was heard to."""
    turns = measured.turns if measured is not None else []
    return sum(turn.utterance is not None and turn.onset_sample is not None for turn in turns)


def _first(measured: Measurement | None, metric: str) -> float | None:
    """Of the first turn that answers the user."""
    for turn in measured.turns if measured is not None else []:
        found = turn.metrics.get(metric)
        if turn.utterance is not None and found is not None:
            return found.value
    return None


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """What the strangers are told; their commands inherit it."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


@asynccontextmanager
async def _pages(server: MediaServer) -> AsyncIterator[str]:
    """The folder pages/, LiveKit's client and a token endpoint (?room=…&identity=…) over HTTP. The base URL."""
    from harness.provide.page_library import find_page_library

    library = find_page_library()
    assert library is not None, "make setup brings it"

    async def token(request: web.Request) -> web.Response:
        grants = api.VideoGrants(room_join=True, room=request.query["room"])
        made = api.AccessToken(server.api_key, server.api_secret).with_identity(request.query["identity"])
        return web.Response(text=made.with_grants(grants).to_jwt())

    app = web.Application()
    app.router.add_get("/token", token)
    app.router.add_static("/vendor", library.path)
    app.router.add_static("/", HERE / "pages")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def open_zoo(runs: Path) -> AsyncIterator[Zoo]:
    """Raises EarwitnessError if something is missing."""
    await asyncio.to_thread(runs.mkdir, parents=True, exist_ok=True)
    own = media_server(target=None, log_path=runs / "livekit-server.log")
    async with own as server, _pages(server) as url:
        voices = str(await asyncio.to_thread(voice_folder))
        with _environment(ZOO_VOICE=voices, ZOO_API_KEY=server.api_key, ZOO_API_SECRET=server.api_secret):
            yield Zoo(server, url, runs)
