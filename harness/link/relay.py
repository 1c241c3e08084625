"""The relay: `python -m harness.link.relay`, a process of its own between one participant and the media server.

It has its own loop instead of asyncio's, whose timers are rounded up to whole ms. Each packet gets its fate when it
arrives and leaves at an absolute deadline; each is a line of the log (see `log`), with its lateness. Orders are JSON
lines on stdin, each answered by one on stdout; the relay ends when stdin does, so it never outlives its parent. Addresses
are loopback on the participant's side. With the kernel's netem, each packet goes through a lane of the kernel (see
`kernel`) instead; outages stay here. Standard library alone, so that it starts at once and stays small.
"""

from __future__ import annotations

import contextlib
import gc
import heapq
import itertools
import json
import os
import select
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, Any, Literal

from harness.link.kernel import KernelWay
from harness.link.lane import Lane, Opening
from harness.link.sockets import Address, Framed, family_of, mono_ms, received, udp_socket
from harness.network.fate import FateModel, Impairment
from harness.network.log import HEADER, Row, Way, inspect

FLUSH_EVERY_MS = 250.0
READ_BYTES = 65_536
PRIORITY = -10  # as `nice`; granted to root and by limits.conf alone
LOOPBACK = "127.0.0.1"
WAYS: tuple[Way, Way] = ("up", "down")
Transport = Literal["udp", "tcp", "tcp_from_udp"]  # tcp_from_udp: TCP to the participant, UDP to the server


@dataclass(frozen=True)
class Flow:
    """One address of the participant at one address of the server: how a packet gets to either."""

    number: int
    send: dict[Way, Callable[[bytes], Any]]


class Relay:
    """Listeners, flows and the packets that wait. Not thread-safe; `turn` does one round.

    `kernel`: the ways through the kernel, in place of the models, which then only say how full the bottleneck is.
    """

    def __init__(
        self,
        up: Impairment,
        down: Impairment,
        seed: int,
        log: IO[str],
        *,
        reliable: bool,
        kernel: Mapping[Way, KernelWay] | None = None,
    ) -> None:
        self.models: dict[Way, FateModel] = {
            "up": FateModel(up, seed, "uplink", reliable=reliable),
            "down": FateModel(down, seed, "downlink", reliable=reliable),
        }
        self._log = log
        self._lines: list[str] = [HEADER + "\n"]
        self._flush_due_ms = 0.0
        self._readers: dict[socket.socket | int, Callable[[], None]] = {}
        self._framed: list[Framed] = []
        self._waiting: list[tuple[float, int, Flow, Way, bytes, Row, int]] = []
        self._order = itertools.count()
        self._flows = itertools.count()
        self.kernel = dict(kernel or {})
        for way, lanes in self.kernel.items():
            self.models[way].change((up if way == "up" else down).bottleneck())
            self._watch_exit(lanes, lanes.lane)

    # ways in

    def watch(self, fd: socket.socket | int, then: Callable[[], None]) -> None:
        self._readers[fd] = then

    def unwatch(self, fd: socket.socket | int) -> None:
        self._readers.pop(fd, None)

    def change(self, way: Way, impairment: Impairment, lane: Lane | None = None) -> None:
        """Apply from the next packet on. `lane`: the kernel's that does it."""
        if lane is None:
            self.models[way].change(impairment)
            return
        self.models[way].change(impairment.bottleneck())
        self.kernel[way].change(impairment, lane)
        self._watch_exit(self.kernel[way], lane)

    def _watch_exit(self, lanes: KernelWay, lane: Lane) -> None:
        self._readers[lane.exit] = partial(lanes.leave, lane)

    def listen(self, target: Address, transport: Transport) -> int:
        """A port of ours that stands for `target`. Raises OSError."""
        if transport == "udp":
            sock = udp_socket(bind=(LOOPBACK, 0))
            by_client: dict[Address, Flow] = {}
            self._readers[sock] = partial(self._from_participant, sock, target, by_client)
        else:
            sock = socket.create_server((LOOPBACK, 0))
            sock.setblocking(False)
            self._readers[sock] = partial(self._accept, sock, target, transport)
        port: int = sock.getsockname()[1]
        return port

    def _from_participant(self, sock: socket.socket, target: Address, flows: dict[Address, Flow]) -> None:
        for data, address, arrived_ms in received(sock):
            flow = flows.get(address)
            if flow is None:
                flow = flows[address] = self._flow_to(target, partial(self._to, sock, address))[0]
            self._take(flow, "up", data, arrived_ms)

    def _flow_to(self, target: Address, to_client: Callable[[bytes], Any]) -> tuple[Flow, socket.socket | None]:
        """A flow to the server by UDP; without a route to it the flow takes packets and sends none."""
        try:
            upstream = udp_socket(connect=target)
        except OSError as error:
            return Flow(next(self._flows), {"up": partial(_refuse, error), "down": to_client}), None
        flow = Flow(next(self._flows), {"up": upstream.send, "down": to_client})
        self._readers[upstream] = partial(self._from_server, upstream, flow)
        return flow, upstream

    @staticmethod
    def _to(sock: socket.socket, address: Address, data: bytes) -> None:
        sock.sendto(data, address)

    def _from_server(self, upstream: socket.socket, flow: Flow) -> None:
        for data, _, arrived_ms in received(upstream):
            self._take(flow, "down", data, arrived_ms)

    def _accept(self, sock: socket.socket, target: Address, transport: Transport) -> None:
        try:
            connection, _ = sock.accept()
        except OSError:  # the client went away before we accepted it
            return
        client = Framed(connection)
        if transport == "tcp_from_udp":
            flow, upstream = self._flow_to(target, client.send)
            ends = [client] if upstream is None else [client, upstream]
            self._read_framed(client, flow, "up", partial(self._close, *ends))
            return
        try:
            connecting = socket.socket(family_of(target[0]), socket.SOCK_STREAM)
        except OSError:  # no more files, or no such family here: the participant sees a connection that ends
            client.close()
            return
        server = Framed(connecting)
        connecting.connect_ex(target)
        flow = Flow(next(self._flows), {"up": server.send, "down": client.send})
        close = partial(self._close, client, server)
        self._read_framed(client, flow, "up", close)
        self._read_framed(server, flow, "down", close)

    def _close(self, *ends: Framed | socket.socket) -> None:
        """Both ends of a pair: with either closed, the other carries nothing."""
        for end in ends:
            self.unwatch(end.sock if isinstance(end, Framed) else end)
            if isinstance(end, Framed) and end in self._framed:
                self._framed.remove(end)
            end.close()

    def _read_framed(self, framed: Framed, flow: Flow, way: Way, close: Callable[[], None]) -> None:
        def read() -> None:
            for data in framed.packets():
                self._take(flow, way, data, mono_ms())
            if framed.closed:
                close()

        self._framed.append(framed)
        self._readers[framed.sock] = read

    # fate

    def _take(self, flow: Flow, way: Way, data: bytes, arrived_ms: float) -> None:
        fate = self.models[way].decide(len(data), arrived_ms)
        what = inspect(data)
        row = Row(
            way, fate.n, flow.number, what.kind, len(data), what.ident, what.seq, what.rtp_ts,
            arrived_ms, fate.queued_ms, fate.due_ms, None, fate.cause,
        )  # fmt: skip
        if way in self.kernel and fate.cause != "outage":
            refused = self.kernel[way].enter(data, row, flow.send[way], queue_full=fate.cause == "queue")
            if refused is not None:
                self._lines.append(refused.line())
        elif fate.due_ms is None:
            self._lines.append(row.line())
        elif fate.due_ms <= mono_ms() and not self._waiting:
            self._send(flow, way, data, row, fate.copies)
        else:
            heapq.heappush(self._waiting, (fate.due_ms, next(self._order), flow, way, data, row, fate.copies))

    def _send(self, flow: Flow, way: Way, data: bytes, row: Row, copies: int) -> None:
        result = "ok" if copies == 1 else "twice"
        try:
            for _ in range(copies):
                flow.send[way](data)
        except OSError as error:  # nobody is there, or the kernel's buffer is full: lost, and not by the profile
            result = f"unsent {type(error).__name__}"
        self._lines.append(replace(row, departed_ms=mono_ms(), fate=result).line())

    def turn(self) -> None:
        """Wait for the next packet or deadline, and do what is due."""
        now_ms = mono_ms()
        waits_ms = [self._waiting[0][0] - now_ms] if self._waiting else []
        waits_ms += [self._flush_due_ms - now_ms] if self._lines else []
        timeout_s = max(0.0, min(waits_ms) / 1e3) if waits_ms else None
        writers = [framed.sock for framed in self._framed if framed.wants_to_write]
        readable, writable, _ = select.select(list(self._readers), writers, [], timeout_s)
        self._send_due()
        for ready in readable:
            handler = self._readers.get(ready)  # None: another handler closed it meanwhile
            if handler is not None:
                handler()
        for framed in self._framed:
            if framed.sock in writable:
                framed.flush()
        self._send_due()
        if mono_ms() >= self._flush_due_ms:
            for lanes in self.kernel.values():
                self._lines += [row.line() for row in lanes.settled(mono_ms())]
            if self._lines:
                self.flush()

    def _send_due(self) -> None:
        while self._waiting and self._waiting[0][0] <= mono_ms():
            _, _, flow, way, data, row, copies = heapq.heappop(self._waiting)
            self._send(flow, way, data, row, copies)

    def close(self) -> None:
        """Write the log's last lines."""
        for lanes in self.kernel.values():
            self._lines += [row.line() for row in lanes.rest()]
        self.flush()

    def flush(self) -> None:
        try:
            self._log.write("".join(self._lines))
            self._log.flush()
        except OSError as error:  # a full disk costs the log, and with it the proof; not the call
            print(f"the packet log is incomplete: {error.strerror}", file=sys.stderr)
        self._lines.clear()
        self._flush_due_ms = mono_ms() + FLUSH_EVERY_MS


def _refuse(why: OSError, _: bytes) -> None:
    raise why


class Control:
    """The relay's orders: {"listen": [host, port], "transport": …}, {"cut_ms": …, "ways": […]}, {"change": {…}}.

    With netem, a change comes with {"qdisc": {way: words}}, and is answered once its lanes are open.
    """

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.ended = False
        self._rest = b""

    def read(self) -> None:
        data = os.read(sys.stdin.fileno(), READ_BYTES)
        self.ended = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            answered = self._do(json.loads(line))
            if answered is not None:
                answer(answered)

    def _do(self, order: dict[str, Any]) -> dict[str, Any] | None:
        now_ms = mono_ms()
        try:
            if "listen" in order:
                host, port = order["listen"]
                return {"port": self.relay.listen((host, port), order["transport"])}
            if "cut_ms" in order:
                for way in order["ways"]:
                    self.relay.models[way].cut(now_ms, now_ms + order["cut_ms"])
            changes = {way: Impairment(**given) for way, given in order.get("change", {}).items()}
            if "qdisc" in order:
                self._open_lanes(changes, order["qdisc"])
                return None
            for way, impairment in changes.items():
                self.relay.change(way, impairment)
        except OSError as error:
            return {"error": error.strerror or str(error)}
        return {"at_ms": now_ms}

    def _open_lanes(self, changes: dict[Way, Impairment], qdiscs: dict[Way, list[str]]) -> None:
        openings = {way: self.relay.kernel[way].begin(words) for way, words in qdiscs.items()}
        lanes: dict[Way, Lane] = {}
        failed: list[str] = []

        def opened(way: Way, opening: Opening) -> None:
            self.relay.unwatch(opening.door)
            try:
                lanes[way] = opening.lane()
            except OSError as error:
                failed.append(str(error))
            if len(lanes) + len(failed) < len(openings):
                return
            if failed:  # the call goes on as it was
                answer({"error": failed[0]})
                return
            for changed, lane in lanes.items():
                self.relay.change(changed, changes[changed], lane)
            answer({"at_ms": mono_ms()})

        for way, opening in openings.items():
            self.relay.watch(opening.door, partial(opened, way, opening))


def answer(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Argument: JSON {up, down, seed, log, reliable} and, for netem, {way_in, qdisc: {up, down}}."""
    given = json.loads(sys.argv[1])
    try:
        log = open(given["log"], "w", encoding="ascii")  # noqa: SIM115, PTH123 - open for as long as the process lives
    except OSError as error:
        answer({"error": f"{given['log']}: {error.strerror}"})
        return
    up, down = Impairment(**given["up"]), Impairment(**given["down"])
    asked: dict[Way, Impairment] = {"up": up, "down": down} if "qdisc" in given else {}
    try:
        kernel = {way: KernelWay(given["way_in"], what, given["qdisc"][way]) for way, what in asked.items()}
    except OSError as error:
        answer({"error": str(error)})
        return
    relay = Relay(up, down, given["seed"], log, reliable=given["reliable"], kernel=kernel)
    control = Control(relay)
    relay.watch(sys.stdin.fileno(), control.read)
    with contextlib.suppress(OSError):  # ahead of the load beside it, where permitted; the relay itself needs little
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    gc.disable()  # no cycles are made here, and a collection would be late packets
    answer({"ready": os.getpid()})
    with contextlib.suppress(BrokenPipeError):  # our parent is gone, and nobody reads the answer
        while not control.ended:
            relay.turn()
    relay.close()
    with contextlib.suppress(OSError):  # reported already
        log.close()


if __name__ == "__main__":
    main()
