"""A link: everything between one user and the media server, opened for one call and closed after it.

It is the relay in its own process, the signalling proxy in front of the server, and the echo through the relay. The user
joins by `url`; its media has no other way. `lost` is set when the link itself has ended, which no profile asks for. All
ports are free loopback ones.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.link.candidates import Policy, Transport
from harness.link.echo import EchoProbe, echo_through
from harness.link.netem import qdisc
from harness.link.signalling import SignallingProxy
from harness.link.sockets import Address, mono_ms
from harness.model.capture import LINK_LOG
from harness.network.fate import Impairment
from harness.network.log import Way
from harness.network.profile import Direction, Profile, Ways
from harness.network.record import Done, LinkRecord
from harness.processes.child import Child, NoAnswerError
from harness.processes.spec import BY_STDIN, ChildSpec

START_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 5.0
RELAY = "the link's relay"
WAYS: dict[Ways, tuple[Way, ...]] = {"both": ("up", "down"), "uplink": ("up",), "downlink": ("down",)}


class _RelayProcess:
    """The relay's process: one question, one answer. It ends with its stdin, so its log is whole."""

    def __init__(self, child: Child) -> None:
        self.child = child

    @classmethod
    async def start(cls, told: dict[str, Any], errors: Path) -> _RelayProcess:
        """Raises HarnessError."""
        argv = [sys.executable, "-P", "-m", "harness.link.relay", json.dumps(told)]
        relay = cls(await Child.start(ChildSpec(RELAY, argv, errors, stdout="answers", ending=BY_STDIN)))
        try:
            await relay._answer(relay.child.answer(START_TIMEOUT_S))
        except BaseException:
            await relay.child.stop()
            raise
        return relay

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Raises HarnessError if the relay is gone, or cannot do it."""
        return await self._answer(self.child.ask(json.dumps(question).encode() + b"\n", ANSWER_TIMEOUT_S))

    async def _answer(self, line: Awaitable[bytes]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = json.loads(await line)
        except NoAnswerError as error:
            raise HarnessError(f"{error}" if self.child.is_alive else self.why()) from error
        if "error" in answer:
            raise HarnessError(f"{RELAY}: {answer['error']}")
        return answer

    def why(self) -> str:
        code, said = self.child.code, self.child.log_tail()
        ended = "ended" if code is None else f"ended with {code}"
        return f"{RELAY} {ended}" + (f": {said.splitlines()[-1]}" if said else "")


@dataclass
class Link:
    """Made by `open_link`."""

    profile: Profile
    seed: int
    behind: Sequence[str]
    by_kernel: bool = False  # netem applies the profile
    url: str = ""  # by which the user joins
    pid: int | None = None  # of the relay
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    lost_why: str = ""
    _now: dict[Way, Impairment] = field(default_factory=dict)
    _cut_until_ms: dict[Way, float] = field(default_factory=lambda: {"up": 0.0, "down": 0.0})
    _cut_ms: float = 0.0  # the longest outage so far
    _done: list[Done] = field(default_factory=list)
    _opened_ms: float = field(default_factory=mono_ms)
    _relay: _RelayProcess | None = None
    _proxy: SignallingProxy | None = None
    _echo: EchoProbe | None = None

    # changes in mid-call

    async def cut(self, for_ms: float, ways: Ways = "both") -> None:
        """An outage from now on: nothing passes for `for_ms`. Raises HarnessError if the relay is gone."""
        assert self._relay is not None
        answer = await self._relay.ask({"cut_ms": for_ms, "ways": WAYS[ways]})
        for way in WAYS[ways]:
            self._cut_until_ms[way] = max(self._cut_until_ms[way], answer["at_ms"] + for_ms)
        self._cut_ms = max(self._cut_ms, for_ms)
        self._done.append(Done(at_ms=answer["at_ms"], for_ms=for_ms, ways=WAYS[ways]))

    async def change(self, uplink: Direction | None = None, downlink: Direction | None = None) -> None:
        """Apply the given directions from now on. Raises HarnessError if the relay is gone, UsageError (netem)."""
        assert self._relay is not None
        given: dict[Way, Direction | None] = {"up": uplink, "down": downlink}
        new = {way: self._impairment(direction) for way, direction in given.items() if direction is not None}
        order: dict[str, Any] = {"change": {way: impairment.as_dict() for way, impairment in new.items()}}
        if self.by_kernel:
            order["qdisc"] = {way: qdisc(direction) for way, direction in given.items() if direction is not None}
        answer = await self._relay.ask(order)
        self._now |= new
        self._done.append(Done(at_ms=answer["at_ms"], ways=tuple(new), up=new.get("up"), down=new.get("down")))

    def longest_cut_s(self) -> float:
        """The longest outage so far, from the profile or by `cut`."""
        return self._cut_ms / 1e3

    def _impairment(self, direction: Direction) -> Impairment:
        return replace(direction.impairment(), keep_order=direction.keep_order or self.profile.udp_blocked)

    # what it is made of

    async def _open_door(self, target: Address, transport: Transport) -> int:
        assert self._relay is not None
        answer = await self._relay.ask({"listen": target, "transport": transport})
        return int(answer["port"])

    async def _hold(self, way: Way) -> None:
        """Hold a signalling message: it goes by TCP, so it is late where media is lost."""
        due_ms = mono_ms() + self._now[way].delay_ms
        while (left_ms := max(due_ms, self._cut_until_ms[way]) - mono_ms()) > 0:  # noqa: ASYNC110 - it is the delay
            await asyncio.sleep(left_ms / 1e3)

    async def _watch(self) -> None:
        assert self._relay is not None
        assert self._proxy is not None
        process, proxy = asyncio.create_task(self._relay.child.ended()), asyncio.create_task(self._proxy.failed.wait())
        try:
            await asyncio.wait({process, proxy}, return_when=asyncio.FIRST_COMPLETED)
            self.lost_why = self._relay.why() if process.done() else self._proxy.why
            self.lost.set()
        finally:
            for task in (process, proxy):
                task.cancel()
            await asyncio.gather(process, proxy, return_exceptions=True)

    def record(self) -> LinkRecord:
        """What the link has done by now."""
        return LinkRecord(
            kind="netem" if self.by_kernel else "user",
            profile=self.profile,
            seed=self.seed,
            behind=list(self.behind),
            opened_ms=self._opened_ms,
            candidates_turned=self._proxy.turned if self._proxy is not None else 0,
            done=self._done,
            echo=self._echo.results() if self._echo is not None else [],
            lost=self.lost_why,
        )


@asynccontextmanager
async def open_link(
    server_url: str,
    profile: Profile,
    *,
    seed: int,
    folder: Path,
    behind: Sequence[str] = ("user",),
    server_offers_tcp: bool = False,
    proxy_port: int = 0,
    netem_way_in: Sequence[str] | None = None,
) -> AsyncIterator[Link]:
    """A link in front of `server_url`; its packet log goes to `folder`. Raises HarnessError, ProvisionError, UsageError.

    `server_offers_tcp`: where UDP is blocked, the server's own ICE-TCP port is used; else the relay speaks TCP for it.
    `netem_way_in`: the kernel applies the profile, in network namespaces made by this command (see `netem.way_in`).
    """
    link = Link(profile, seed, behind, by_kernel=netem_way_in is not None)
    link._now = {"up": link._impairment(profile.up), "down": link._impairment(profile.down)}
    told: dict[str, Any] = {
        "up": link._now["up"].as_dict(),
        "down": link._now["down"].as_dict(),
        "seed": seed,
        "log": str(folder / LINK_LOG),
        "reliable": profile.udp_blocked,
    }
    if netem_way_in is not None:
        told |= {"way_in": list(netem_way_in), "qdisc": {"up": qdisc(profile.up), "down": qdisc(profile.down)}}
    async with AsyncExitStack() as stack:
        link._relay = await _RelayProcess.start(told, folder / "link.log")
        stack.push_async_callback(link._relay.child.stop)
        link.pid = link._relay.child.pid
        policy = Policy(profile.udp_blocked, convert=not server_offers_tcp)
        link._proxy = SignallingProxy(server_url, policy, link._open_door, link._hold)
        stack.push_async_callback(link._proxy.stop)
        link.url = await link._proxy.start(proxy_port)
        link._echo = await stack.enter_async_context(echo_through(link._open_door, tcp=profile.udp_blocked))
        watching = asyncio.create_task(link._watch())
        try:
            yield link
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            errors = folder / "link.log"
            if errors.exists() and errors.stat().st_size == 0:
                errors.unlink()
