"""What the relay adds of its own: round trips through it at 0/0/0, beside the same round trips without it.

    python benchmarks/relay_latency.py [--sessions 8] [--seconds 20]

Each session has a relay process of its own and sends voice-like packets both ways (50 a second of 160 bytes, answered at
once), so a packet crosses the relay twice. Told: P50, P99 and maximum of both ways together, what the relay's own log
says of lateness (one way), and how much of the host was idle. Limits of the issue: P50 <= 0.3 ms and P99 <= 2 ms one way,
with 8 sessions and >= 30 % idle.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from harness.network.fate import Impairment
from harness.network.log import parse_log

EVERY_S = 0.02
PACKET = bytes([0x80, 111]) + bytes(158)
WAIT_S = 1.0


def answering(ready: list[int], stop: threading.Event) -> None:
    """A far end for all sessions, in a thread: sends every packet back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(0.2)
        ready.append(far.getsockname()[1])
        while not stop.is_set():
            try:
                data, address = far.recvfrom(2048)
            except TimeoutError:
                continue
            far.sendto(data, address)


def open_relay(log: Path, far_port: int) -> tuple[subprocess.Popen[str], int]:
    clean = Impairment().as_dict()
    told = {"up": clean, "down": clean, "seed": 1, "log": str(log), "reliable": False}
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.link.relay", json.dumps(told)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    process.stdin.write(json.dumps({"listen": ["127.0.0.1", far_port], "transport": "udp"}) + "\n")
    process.stdin.flush()
    return process, int(json.loads(process.stdout.readline())["port"])


def round_trips_ms(ports: list[int], seconds: float) -> tuple[np.ndarray, int]:
    """(round trips, packets lost) of one packet every 20 ms to each port, the sessions evenly spread over the 20 ms."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in ports]
    for near, port in zip(sockets, ports, strict=True):
        near.connect(("127.0.0.1", port))
        near.setblocking(False)
    took: list[float] = []
    sent = 0
    start = time.monotonic()
    due = [(start + EVERY_S * k / len(ports), k) for k in range(len(ports))]
    while due[0][0] < start + seconds:
        at, k = due.pop(0)
        collect(sockets, took, at)
        sockets[k].send(PACKET + str(time.monotonic_ns()).encode())
        sent += 1
        due.append((at + EVERY_S, k))
    collect(sockets, took, time.monotonic() + WAIT_S)
    for near in sockets:
        near.close()
    return np.array(took), sent - len(took)


def collect(sockets: list[socket.socket], took: list[float], until_s: float) -> None:
    while (left_s := until_s - time.monotonic()) > 0:
        ready, _, _ = select.select(sockets, [], [], left_s)
        now_ns = time.monotonic_ns()
        for near in ready:
            took.append((now_ns - int(near.recv(2048)[len(PACKET) :])) / 1e6)


def told(name: str, values: np.ndarray, lost: int | None = None) -> str:
    p50, p99 = np.percentile(values, [50, 99])
    more = f", {lost} lost" if lost is not None else ""
    return f"{name:<34} P50 {p50:6.3f} ms, P99 {p99:6.3f} ms, max {values.max():6.3f} ms, n {len(values)}{more}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    ready: list[int] = []
    stop = threading.Event()
    far = threading.Thread(target=answering, args=(ready, stop))
    far.start()
    while not ready:
        time.sleep(0.01)
    relays: list[subprocess.Popen[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / f"{k}.csv" for k in range(asked.sessions)]
        try:
            psutil.cpu_percent()
            direct, direct_lost = round_trips_ms([ready[0]] * asked.sessions, asked.seconds)
            idle_direct = 100 - psutil.cpu_percent()
            opened = [open_relay(log, ready[0]) for log in logs]
            relays = [process for process, _ in opened]
            psutil.cpu_percent()
            relayed, relayed_lost = round_trips_ms([port for _, port in opened], asked.seconds)
            idle_relayed = 100 - psutil.cpu_percent()
        finally:
            stop.set()
            far.join()
            for process in relays:
                assert process.stdin is not None
                process.stdin.close()
                process.wait(5)
        late = np.array(
            [row.lateness_ms for log in logs for row in parse_log(log.read_text()) if row.lateness_ms is not None]
        )
    print(f"{asked.sessions} sessions, {asked.seconds:.0f} s, {psutil.cpu_count()} cores")
    print(told("round trip without a relay", direct, direct_lost) + f", host {idle_direct:.0f} % idle")
    print(told("round trip through the relay", relayed, relayed_lost) + f", host {idle_relayed:.0f} % idle")
    print(told("the relay's own log, one way", late))
    for share in (50, 99):
        added = (np.percentile(relayed, share) - np.percentile(direct, share)) / 2
        print(f"added one way, P{share}: {added:.3f} ms")


if __name__ == "__main__":
    main()
