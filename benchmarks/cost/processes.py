"""What a tree of processes uses: memory (MiB) and processor time (s), and which core it may run on. Linux only.

Memory is PSS, which counts a page that several processes share once among them, and USS, what would be free again without the
process. Processor time is of the tree with the children that its members have waited for. `in_use` leaves out what no call of a
benchmark uses: the job processes that LiveKit Agents keeps in reserve.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ENGINE_MARK = "runtime.engines."  # in the command line of an engine's process, whoever started it
POOL_MARK = "forkserver"  # LiveKit Agents' job processes are forked from one
END_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class ProcessMemory:
    pid: int
    parent: int
    command: str
    pss_mib: float
    uss_mib: float

    @property
    def is_engine(self) -> bool:
        return ENGINE_MARK in self.command


@dataclass(frozen=True)
class TreeMemory:
    """Sums over a tree. `engines_mib`: the part of `pss_mib` that recognises and speaks; `reserve_mib`: left out of it.
    `parts`: the processes that were summed.
    """

    processes: int
    pss_mib: float
    uss_mib: float
    engines_mib: float
    reserve_processes: int
    reserve_mib: float
    parts: tuple[ProcessMemory, ...] = ()


@dataclass(frozen=True)
class TreeTime:
    """Processor time of a tree (s); `engines_s`: the part of `total_s` that recognises and speaks."""

    total_s: float
    engines_s: float

    def since(self, before: TreeTime) -> TreeTime:
        return TreeTime(self.total_s - before.total_s, self.engines_s - before.engines_s)


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """What is started within, by this thread, may run on `cores` alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def tree(root: int) -> list[psutil.Process]:
    """`root` and all below it that are there."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    return []


def strays(root: int, cores: set[int]) -> list[int]:
    """Processes of the tree that may run elsewhere."""
    found = []
    for process in tree(root):
        with suppress(psutil.NoSuchProcess):
            if set(process.cpu_affinity()) != cores:
                found.append(process.pid)
    return found


def cpu_time(root: int) -> TreeTime:
    total_s = engines_s = 0.0
    for process in tree(root):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            own_s = times.user + times.system + times.children_user + times.children_system
            total_s += own_s
            engines_s += own_s if ENGINE_MARK in " ".join(process.cmdline()) else 0.0
    return TreeTime(total_s, engines_s)


def memory(root: int) -> TreeMemory:
    """Takes some milliseconds a process."""
    found = []
    for process in tree(root):
        with suppress(psutil.NoSuchProcess, OSError):
            rollup = _rollup_kib(process.pid)
            uss_kib = rollup["Private_Clean"] + rollup["Private_Dirty"]
            command = " ".join(process.cmdline())
            found.append(ProcessMemory(process.pid, process.ppid(), command, rollup["Pss"] / 1024, uss_kib / 1024))
    return in_use(found, root)


def in_use(found: Sequence[ProcessMemory], root: int) -> TreeMemory:
    """Sums, without the pool's processes that hold no engine: nobody calls them."""
    pools = {p.pid for p in found if p.parent == root and POOL_MARK in p.command}
    with_engine = {p.parent for p in found if p.is_engine}
    reserve = [p for p in found if p.parent in pools and p.pid not in with_engine]
    used = [p for p in found if p not in reserve]
    return TreeMemory(
        processes=len(used),
        pss_mib=sum(p.pss_mib for p in used),
        uss_mib=sum(p.uss_mib for p in used),
        engines_mib=sum(p.pss_mib for p in used if p.is_engine),
        reserve_processes=len(reserve),
        reserve_mib=sum(p.pss_mib for p in reserve),
        parts=tuple(used),
    )


def _rollup_kib(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def end_all(processes: Sequence[psutil.Process]) -> list[int]:
    """Ends what is left of a tree that was stopped; which ones had to be killed."""
    _, alive = psutil.wait_procs(list(processes), timeout=END_TIMEOUT_S)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return [process.pid for process in alive]
