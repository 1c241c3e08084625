"""The plan of a child process: its command, where its output goes, how it is asked to end. Pure.

Every child is in a process group of its own and holds the far end of a pipe to us as its stdin. Our own ends when that
closes, so that none outlives us; a `foreign` program does not watch its stdin, and is ended by the kernel (see `tied`).
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

STOP_TIMEOUT_S = 5.0
CLOSED_STDIN = None  # a way to ask: it reads the end of its stdin

Ask = tuple[signal.Signals | None, float]  # how, and the seconds that it then gets
BY_SIGTERM: tuple[Ask, ...] = ((signal.SIGTERM, STOP_TIMEOUT_S),)
BY_STDIN: tuple[Ask, ...] = ((CLOSED_STDIN, STOP_TIMEOUT_S),)  # it has something to finish, and no handler of signals

Stdout = Literal["log", "lines", "answers"]


@dataclass(frozen=True)
class ChildSpec:
    """`name` is the subject of its errors. `stdout`: into its log; lines that it says by itself; or answers to what it is
    asked. Lines that begin with `awaited` are for us, and the others go into the log.
    """

    name: str
    argv: Sequence[str] = field(repr=False)  # may hold secrets, as the environment does
    log_path: Path | None = None  # for its stderr; None: its last words are kept here
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # beside our own
    hidden: frozenset[str] = frozenset()  # names of our own environment that it does not see
    stdout: Stdout = "log"
    awaited: bytes = b""
    ending: tuple[Ask, ...] = BY_SIGTERM  # one after the other until it has ended; then its group is killed
    foreign: bool = False  # it does not end with its stdin
    own_session: bool = (
        True  # False: in our session, where its niceness counts; with autogroups, sched(7), none counts across sessions
    )
    pass_fds: tuple[int, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)  # of its command, which its log may repeat
