"""A lane through the kernel: two UDP sockets in a network namespace of their own, whose loopback has a qdisc.

`python -m harness.link.lane` (started by `open_lane`, within the namespace) brings loopback up, puts the qdisc on it, makes
the sockets, hands them over by its standard input, which is a Unix socket, and ends: a namespace lives as long as a socket
in it. So nothing is left behind when their holder ends, however it ends, and the host's own network is never touched.
Standard library alone, for the relay's process starts with it.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from harness.link.sockets import udp_socket

LOOPBACK = "127.0.0.1"
TOOL_TIMEOUT_S = 5.0
MESSAGE_BYTES = 4_096


@dataclass(frozen=True)
class Lane:
    """What is sent by `entrance` comes out at `exit`, or does not."""

    entrance: socket.socket
    exit: socket.socket


@dataclass(frozen=True)
class Opening:
    """A lane whose process is at work; `door` becomes readable when it is done."""

    process: subprocess.Popen[bytes]
    door: socket.socket

    def lane(self) -> Lane:
        """Wait for the lane. Raises OSError with the process's reason."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self.door, MESSAGE_BYTES, 2)
        finally:
            self.door.close()
            self.process.wait()
        if len(descriptors) != 2:
            raise OSError(message.decode(errors="replace") or "the network namespace could not be made")
        entrance, leaving = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        return Lane(entrance, leaving)


def open_lane(way_in: Sequence[str], qdisc: Sequence[str]) -> Opening:
    """`way_in`: the command that makes the namespace (see `netem.way_in`); `qdisc`: its kind and words. Raises OSError."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(
                [*way_in, sys.executable, "-P", "-m", "harness.link.lane", json.dumps(list(qdisc))],
                stdin=theirs.fileno(),
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
    return Opening(process, ours)


def _tool(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_TIMEOUT_S, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise OSError(f"{' '.join(command)}: {said[-1] if said else f'status {done.returncode}'}")


def main() -> int:
    """Argument: JSON, the qdisc's kind and words. Exit status 1 if it fails; the door gets the reason."""
    with socket.socket(fileno=sys.stdin.fileno()) as door:
        try:
            _tool("ip", "link", "set", "lo", "up")
            _tool("tc", "qdisc", "add", "dev", "lo", "root", *json.loads(sys.argv[1]))
            leaving = udp_socket(bind=(LOOPBACK, 0))
            entrance = udp_socket(connect=leaving.getsockname())
        except (OSError, subprocess.TimeoutExpired) as error:
            door.send(str(error).encode()[:MESSAGE_BYTES])
            return 1
        socket.send_fds(door, [b"ready"], [entrance.fileno(), leaving.fileno()])
    return 0


if __name__ == "__main__":
    sys.exit(main())
