"""The host's load as an attempt notes it: its own interval, and who launched beside it."""

from __future__ import annotations

import asyncio
import time
from collections import namedtuple
from collections.abc import Callable

import psutil
import pytest

from bots.probe_bot import mono_ms
from harness.live.cpu import CpuMeter, busy_percent, withheld_ms
from harness.live.host import LAG_TIMER_S, MARKED_LAG_MS, HostLoad

Times = namedtuple("Times", ["user", "nice", "system", "idle", "iowait", "guest", "guest_nice"])


def test_busy_is_what_is_neither_idle_nor_waiting_for_a_disk_and_a_guest_counts_once() -> None:
    before = Times(user=10, nice=0, system=5, idle=100, iowait=1, guest=4, guest_nice=0)
    after = Times(user=13, nice=0, system=6, idle=104, iowait=3, guest=7, guest_nice=0)
    # 10 s passed (the guest's 3 are the user's 3), of which 4 idle and 2 waiting
    assert busy_percent(before, after) == pytest.approx(40)


def test_where_no_time_has_passed_there_is_no_load() -> None:
    now = Times(1, 0, 1, 1, 0, 0, 0)
    assert busy_percent(now, now) is None


def test_two_meters_do_not_shorten_each_others_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([Times(0, 0, 0, 0, 0, 0, 0)] * 2 + [Times(6, 0, 0, 4, 0, 0, 0)] * 2)
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(clock))
    one, other = CpuMeter(), CpuMeter()
    assert one.read().percent == pytest.approx(60)
    assert other.read().percent == pytest.approx(60), "psutil.cpu_percent() would have said 0 or 100"


def test_what_the_hypervisor_withheld_is_counted_where_the_system_tells() -> None:
    told = namedtuple("told", ["user", "steal"])
    assert withheld_ms(told(1, 2.5), told(1, 2.54)) == 40
    assert withheld_ms(Times(1, 0, 1, 1, 0, 0, 0), Times(2, 0, 1, 1, 0, 0, 0)) is None


class Lines(list):
    """Says when the first line with `key` is there."""

    def __init__(self, key: str = "t_mono_ms") -> None:
        self.key, self.written = key, asyncio.Event()

    def append(self, line: dict[str, object]) -> None:
        super().append(line)
        if line.get(self.key):
            self.written.set()


@pytest.mark.parametrize("launching", [None, lambda: 1])
async def test_a_line_says_how_many_others_were_launching_where_that_is_known(launching: Callable[[], int]) -> None:
    lines = Lines()
    async with HostLoad(lines, launching).watched(), asyncio.timeout(10):
        await lines.written.wait()
    alone = {"t_mono_ms", "cpu_percent", "loop_lag_ms"}
    assert set(lines[0]) - {"withheld_ms"} == (alone if launching is None else {*alone, "launching"})
    assert lines[0].get("withheld_ms", 0.0) >= 0
    assert lines[0].get("launching", 1) == 1


async def test_what_was_withheld_while_the_loop_stood_still_is_told_of_the_time_in_which_it_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = namedtuple("told", [*Times._fields, "steal"])
    steal_s = 0.0
    monkeypatch.setattr(psutil, "cpu_times", lambda: told(*[0.0] * 7, steal_s))
    lines = Lines("withheld_ms")
    async with HostLoad(lines).watched(), asyncio.timeout(10):
        await asyncio.sleep(0)  # it watches
        steal_s = 0.04
        time.sleep(2 * MARKED_LAG_MS / 1e3 + LAG_TIMER_S)  # noqa: ASYNC251 - that is what is measured
        stood_until_ms = mono_ms()
        await lines.written.wait()
    named = [line for line in lines if line.get("withheld_ms")]
    assert [line["withheld_ms"] for line in named] == [40]
    assert named[0]["t_mono_ms"] >= stood_until_ms
