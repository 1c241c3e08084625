"""Waiting on audio: until something is true of what the user hears, or until the audio itself stops coming.

A wait of a conversation ends by what the user hears, counted in samples. A limit in seconds ends it only when the samples
stop, or come slower than real time; the agent then gets no verdict, and the error says whose audio stopped and how much of
it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from harness.errors import AttemptError
from harness.live.hearing import RATE_HZ
from harness.live.user import User
from harness.model.status import CaptureStatus

STOPPED_S = 8.0  # without a single sample: the slowest machine seen stood still for less


async def wait_on_audio(user: User, condition: Callable[[], bool], *, limit_s: float, what: str) -> None:
    """Wait until `condition` holds. Raises AttemptError if no audio came for STOPPED_S, or `limit_s` passes: PAGE_ERROR if a
    page is the ear.
    """
    hearing, loop = user.hearing, asyncio.get_running_loop()
    begin, begin_s = hearing.now, loop.time()
    while not condition():
        seen = hearing.now
        left_s = min(STOPPED_S, begin_s + limit_s - loop.time())
        try:
            async with asyncio.timeout(left_s):
                await hearing.wait_for(lambda: condition() or hearing.now > seen)  # noqa: B023 - asked in this turn only
        except TimeoutError as error:
            came_s, waited_s = (hearing.now - begin) / RATE_HZ, loop.time() - begin_s
            raise _stopped(
                user, f"{came_s:.1f} s of it came in the {waited_s:.1f} s that were waited for {what}"
            ) from error


def _stopped(user: User, how: str) -> AttemptError:
    detail = f"the call's audio stopped: {how}"
    if user.mic == "bot":
        return AttemptError(CaptureStatus.HARNESS_ERROR, f"{detail} (the user bot stands still)")
    return AttemptError(CaptureStatus.PAGE_ERROR, f"{detail} (the page or its audio context stands still)")
