"""Waiting on audio: until something is true of what the user hears, or until the audio itself stops coming.

A wait of a conversation ends by what is heard, counted in samples. Only when the samples stop does its limit in seconds
pass; then nothing can be said about the agent, and the error says whose audio stopped and how much of it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from harness.errors import AttemptError
from harness.live.hearing import RATE_HZ
from harness.live.user import User
from harness.model.status import CaptureStatus


async def wait_on_audio(user: User, condition: Callable[[], bool], *, limit_s: float, what: str) -> None:
    """Until `condition` holds. Raises AttemptError if `limit_s` passes first: PAGE_ERROR where a page is the ear."""
    begin = user.hearing.now
    try:
        async with asyncio.timeout(limit_s):
            await user.hearing.wait_for(condition)
    except TimeoutError as error:
        heard_s = (user.hearing.now - begin) / RATE_HZ
        detail = (
            f"the call's audio stopped: {heard_s:.1f} s of it came in the {limit_s:.1f} s that were waited for {what}"
        )
        if user.mic == "bot":
            raise AttemptError(
                CaptureStatus.HARNESS_ERROR, f"{detail} (the bot lane hears through the probe)"
            ) from error
        hint = "the page or its audio context stands still"
        raise AttemptError(CaptureStatus.PAGE_ERROR, f"{detail} ({hint})") from error
