"""Rounds of rude clients against a TTS server: random lengths, cancels and disconnects, 1 to 4 at once, and a kill (R-62).

Each round asks for one text of a fixed set and ends it in one of four ways; a request not spoken to its end is followed by a
whole one. Whole requests must equal, bit by bit, the server's output when it was quiet. Memory is read between blocks of
rounds, when nothing is in progress, and its slope taken within the life of one worker. Times in ms, memory in KiB.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import time
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
import numpy as np
import psutil

from harness.errors import HarnessError

REQUEST_TIMEOUT_S = 120.0
WORDS = (
    "the",
    "quick",
    "answer",
    "to",
    "a",
    "long",
    "question",
    "is",
    "often",
    "found",
    "nobody",
    "looks",
    "for",
    "it",
    "first",
)
LENGTHS_WORDS = (1, 2, 5, 9, 17, 40, 90, 180, 400)
QUIET_TIMEOUT_S = 60.0
LEAST_FOR_A_SLOPE = 5

How = Literal["whole", "cancel", "disconnect", "cancel_at_once"]
HOWS: tuple[How, ...] = ("whole", "cancel", "disconnect", "cancel_at_once")
WEIGHTS = (4, 3, 2, 1)


@dataclass
class StressResult:
    rounds: int = 0
    by_how: dict[str, int] = field(default_factory=dict)
    compared: int = 0  # whole requests held against the quiet ones
    polluted: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    lost_to_the_kill: int = 0
    kills: int = 0
    restarts: int = 0
    back_after_ms: float | None = None  # kill → first sound of the next request
    in_progress_at_end: int | None = None
    cancel_ms: list[float] = field(default_factory=list)  # asked → answered: silent
    rss_kib: list[tuple[int, int, float]] = field(default_factory=list)  # pid of the worker, round, its memory

    def slopes_kib(self) -> dict[int, float]:
        """Memory a round, by worker; the first third of its readings, when caches fill, left out."""
        found = {}
        for pid in dict.fromkeys(pid for pid, _, _ in self.rss_kib):
            own = [(at, kib) for p, at, kib in self.rss_kib if p == pid]
            own = own[len(own) // 3 :]
            if len(own) >= LEAST_FOR_A_SLOPE:
                found[pid] = float(np.polyfit([at for at, _ in own], [kib for _, kib in own], 1)[0])
        return found


class _KilledError(Exception):
    """The request was lost when the worker was killed."""


@dataclass
class Stress:
    """`url`: base URL of a server like `earwitness serve-tts`, on this machine."""

    url: str
    client: aiohttp.ClientSession
    seed: int
    result: StressResult = field(default_factory=StressResult)
    _reference: dict[str, str] = field(default_factory=dict)
    _n_requests: int = 0
    _kill_epoch: int = 0
    _killing: bool = False

    async def run(self, rounds: int, block: int = 10) -> StressResult:
        """Raises HarnessError if the server cannot even be spoken to in quiet."""
        rng = random.Random(self.seed)
        texts = [" ".join(rng.choices(WORDS, k=n)).capitalize() + "." for n in LENGTHS_WORDS]
        try:
            for text in texts:
                self._reference[text] = await self._whole(text)
            n_blocks = -(-rounds // block)
            for index in range(n_blocks):
                at_once = 1 + index % 4
                many = min(block, rounds - index * block)
                await self._block(rng, texts, many, at_once, kill=index == n_blocks // 2)
                await self._read_memory()
            self.result.in_progress_at_end = (await self._quiet())["in_progress"]
        except (aiohttp.ClientError, TimeoutError, _KilledError) as error:
            raise HarnessError(f"{self.url}: the server cannot be spoken to: {error!r}") from error
        self.result.restarts = (await self._health())["restarts"]
        return self.result

    async def _block(self, rng: random.Random, texts: list[str], many: int, at_once: int, *, kill: bool) -> None:
        gate = asyncio.Semaphore(at_once)
        plan = [(rng.choice(texts), rng.choices(HOWS, WEIGHTS)[0], rng.randint(1, 6)) for _ in range(many)]
        kill_at = many // 2 if kill else None

        async def one(index: int, text: str, how: How, chunks: int) -> None:
            async with gate:
                if index == kill_at:
                    await self._kill(texts[-1])
                await self._round(text, how, chunks)

        await asyncio.gather(*(one(index, *item) for index, item in enumerate(plan)))

    async def _round(self, text: str, how: How, chunks: int) -> None:
        self.result.rounds += 1
        self.result.by_how[how] = self.result.by_how.get(how, 0) + 1
        epoch = self._kill_epoch
        try:
            if how == "whole":
                await self._compared(text)
                return
            await (self._left(text, chunks) if how == "disconnect" else self._cancelled(text, how, chunks))
            await self._compared(text)
        except _KilledError:
            self.result.lost_to_the_kill += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            if self._excused(epoch):
                self.result.lost_to_the_kill += 1
            else:
                self.result.unexplained.append(f"{how} of {len(text)} characters: {error!r}")

    async def _kill(self, text: str) -> None:
        """Kills the worker while it speaks `text`."""
        pid = (await self._health())["worker_pid"]
        async with self._asked(text, self._new_id()) as answer:
            await answer.content.readany()
            self._killing = True
            self._kill_epoch += 1
            began_s = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            self.result.kills += 1
            try:
                await answer.read()  # the answer may have been whole on its way already
            except aiohttp.ClientError:
                self.result.lost_to_the_kill += 1
        async with self._asked(text, self._new_id()) as answer:  # by the next worker
            await answer.content.readany()
            self.result.back_after_ms = 1e3 * (time.monotonic() - began_s)
            answer.close()
        self._killing = False
        await self._compared(text)

    def _new_id(self) -> str:
        self._n_requests += 1
        return f"stress-{self.seed}-{self._n_requests}"

    def _asked(self, text: str, request_id: str) -> Any:
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        body = {"text": text, "request_id": request_id}
        return self.client.post(f"{self.url}/tts/stream", json=body, timeout=timeout)

    async def _whole(self, text: str) -> str:
        """The audio's hash."""
        async with self._asked(text, self._new_id()) as answer:
            answer.raise_for_status()
            return hashlib.sha256(await answer.read()).hexdigest()

    async def _compared(self, text: str) -> None:
        epoch = self._kill_epoch
        try:
            said = await self._whole(text)
        except aiohttp.ClientError as error:
            if self._excused(epoch):
                raise _KilledError from error
            raise
        self.result.compared += 1
        if said != self._reference[text]:
            self.result.polluted.append(f"{len(text)} characters")

    def _excused(self, epoch: int) -> bool:
        """Whether the request's worker was killed since it began, or is dying now."""
        return self._killing or epoch != self._kill_epoch

    async def _left(self, text: str, chunks: int) -> None:
        async with self._asked(text, self._new_id()) as answer:
            for _ in range(chunks):
                await answer.content.readany()
            answer.close()  # the connection, not the body alone

    async def _cancelled(self, text: str, how: How, chunks: int) -> None:
        request_id = self._new_id()
        if how == "cancel_at_once":
            asked = asyncio.create_task(self._read(text, request_id))
            await self._cancel(request_id)
            await asyncio.gather(asked, return_exceptions=True)
            return
        async with self._asked(text, request_id) as answer:
            for _ in range(chunks):
                await answer.content.readany()
            await self._cancel(request_id)
            answer.close()

    async def _read(self, text: str, request_id: str) -> None:
        async with self._asked(text, request_id) as answer:
            await answer.read()

    async def _cancel(self, request_id: str) -> None:
        began_s = time.monotonic()
        async with self.client.post(f"{self.url}/tts/cancel", json={"request_id": request_id}) as answer:
            if answer.status not in (200, 404):  # 404: it had ended, or not begun
                answer.raise_for_status()
            if answer.status == 200:
                self.result.cancel_ms.append(1e3 * (time.monotonic() - began_s))

    async def _health(self) -> dict:
        async with self.client.get(f"{self.url}/health") as answer:
            return await answer.json()

    async def _quiet(self) -> dict:
        """Health once nothing is in progress and every engine is idle; what it is after QUIET_TIMEOUT_S otherwise."""
        end_s = time.monotonic() + QUIET_TIMEOUT_S
        while True:
            health = await self._health()
            if (not health["in_progress"] and health["idle"] == health["concurrency"]) or time.monotonic() > end_s:
                return health
            await asyncio.sleep(0.02)  # the server has no event for it

    async def _read_memory(self) -> None:
        pid = (await self._quiet())["worker_pid"]
        self.result.rss_kib.append((pid, self.result.rounds, psutil.Process(pid).memory_info().rss / 1024))


async def stress(url: str, rounds: int, seed: int, block: int = 10) -> StressResult:
    """Raises HarnessError."""
    connector = aiohttp.TCPConnector(force_close=True)  # each request has its own connection, as with rude clients
    async with aiohttp.ClientSession(connector=connector) as client:
        return await Stress(url, client, seed).run(rounds, block)
