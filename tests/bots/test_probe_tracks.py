"""What a track's stream brings is recorded as long as the track is there, and no longer. No call is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from livekit import rtc

from bots.probe_bot import Identity, Probe, host_clock
from bots.timeline import FRAME_SAMPLES


class Stream:
    """WebRTC's: of a track that is gone it brings what comes in its place."""

    def __init__(self, track: asyncio.Queue[int], **_: Any) -> None:
        self.frames = track

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            samples = np.full(FRAME_SAMPLES, await self.frames.get(), np.int16)
            yield SimpleNamespace(frame=SimpleNamespace(data=samples.tobytes()))
            self.frames.task_done()

    async def aclose(self) -> None:
        """It is closed by whoever reads it."""


class Receiver(asyncio.Queue):  # type: ignore[type-arg]
    kind = rtc.TrackKind.KIND_AUDIO


def publication(sid: str) -> Any:
    return SimpleNamespace(sid=sid, name=sid, source=rtc.TrackSource.SOURCE_MICROPHONE, kind=rtc.TrackKind.KIND_AUDIO)


@pytest.mark.parametrize("how", ["unsubscribed", "left"])
async def test_a_track_that_is_gone_is_not_recorded_on_when_a_new_one_comes_in_its_place(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(rtc, "AudioStream", Stream)
    probe = Probe(Identity("t", "r", "c", 1, host_clock("h")), "user")
    agent: Any = SimpleNamespace(identity="agent", disconnect_reason=None)
    old, new = Receiver(), Receiver()
    probe._track_subscribed(old, publication("old"), agent)  # type: ignore[arg-type]
    old.put_nowait(1)
    await old.join()
    if how == "left":
        probe._participant_disconnected(agent)
    else:
        probe._track_unsubscribed(old, publication("old"), agent)
    old.put_nowait(2)  # on its way when the track went
    await old.join()
    probe._track_subscribed(new, publication("new"), agent)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    old.put_nowait(3)
    new.put_nowait(3)
    await new.join()
    heard = {take.sid: [int(frame[0]) for frame in take.frames] for take in probe.takes}
    assert heard == {"old": [1, 2], "new": [3]}
    for task in probe._tasks:
        task.cancel()
