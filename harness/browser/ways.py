"""A page's ways to whoever it talks to: its peer connections and WebSockets, as they come and go.

Where the page has a peer connection, the call goes over it and its WebSockets are signalling. Else the call goes over the
WebSockets that carried more than a greeting, or over any while none has. So it does beside a peer connection that never came
up: pages make an offer to nobody to learn of the network.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

CARRIED_BYTES = 20_000  # half a second of 16 bit at 24 kHz: more than signalling or a development server sends
OF_NO_CALL = ("new", "itself")  # made and not used; a loopback through the page itself
UP = "connected"


@dataclass
class Socket:
    """One WebSocket; `url` without its query."""

    url: str
    changed: Callable[[], None]
    carried_bytes: int = 0  # in both ways
    open: bool = False
    error: str = ""
    ended: bool = False

    def carried(self, n_bytes: int) -> None:
        before, self.carried_bytes = self.carried_bytes, self.carried_bytes + n_bytes
        self.opened()
        if before < CARRIED_BYTES <= self.carried_bytes:
            self.changed()

    def opened(self) -> None:
        """Something went over it, or it has been there for a while without an error."""
        if not self.open and not self.ended:
            self.open = True
            self.changed()

    def close(self, error: str = "") -> None:
        self.open, self.ended, self.error = False, True, error or self.error
        self.changed()


@dataclass
class Ways:
    """`on_change` is called at every change."""

    on_change: Callable[[], None] = lambda: None
    peers: dict[str, str] = field(default_factory=dict)  # connection → its state
    sockets: list[Socket] = field(default_factory=list)
    up_mono_ms: float | None = None  # when the page was connected first, on the host's monotonic clock
    _peer_was_up: bool = False

    def peer(self, name: str, state: str) -> None:
        self.peers[name] = state
        self._peer_was_up |= state == UP
        self._changed()

    def socket(self, url: str) -> Socket:
        way = Socket(url, self._changed)
        self.sockets.append(way)
        self._changed()
        return way

    def _changed(self) -> None:
        if self.up_mono_ms is None and self.up:
            self.up_mono_ms = 1e3 * time.monotonic()
        self.on_change()

    @property
    def was_up(self) -> bool:
        return self.up_mono_ms is not None

    @property
    def tried(self) -> bool:
        """Whether the page has begun to connect to anybody."""
        return bool(self.of_call or self.sockets)

    @property
    def up(self) -> bool:
        if self.by_peer:
            return UP in self.of_call
        return any(socket.open for socket in self._carriers or self.sockets)

    @property
    def by_peer(self) -> bool:
        """Whether the call goes over a peer connection."""
        return bool(self.of_call) and (self._peer_was_up or not self._carriers)

    @property
    def in_words(self) -> str:
        """How it stands with the way that the call takes, as the end of a sentence."""
        if self.by_peer:
            state = self.of_call[-1]
            return "its offer was not answered" if state == "offered" else f"its peer connection is {state}"
        if not self.sockets:
            return "it opened neither a peer connection nor a WebSocket"
        last = (self._carriers or self.sockets)[-1]
        failed = f" ({last.error})" if last.error else ""
        return f"its WebSocket to {last.url} is {'open' if last.open else 'closed'}{failed}"

    @property
    def of_call(self) -> list[str]:
        """The states of the peer connections that are meant for somebody else."""
        return [state for state in self.peers.values() if state not in OF_NO_CALL]

    @property
    def _carriers(self) -> list[Socket]:
        return [socket for socket in self.sockets if socket.carried_bytes >= CARRIED_BYTES]
