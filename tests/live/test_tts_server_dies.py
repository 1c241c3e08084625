"""The reference agent in a real call, speaking through a TTS server that is killed in the middle of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.listen.measure import listen
from harness.model import capture
from harness.model.events import AgentTurnTrace
from harness.model.plan import BuiltCase
from harness.model.status import CaptureStatus
from harness.service.supervisor import Supervisor
from harness.service.tts_part import DUMPS_FOLDER, TtsServerPart
from runtime.settings import TTS_KEY_VARIABLE, TTS_SERVER_VARIABLE
from tests.live.conftest import OpenBench, heard_as_sent, is_overloaded

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_process_left")]
KEY = "a-key-of-this-test"
START_TIMEOUT_S = 90.0


async def nothing(_: str) -> None:
    return


async def kill_when_user_speaks(part: TtsServerPart, speaks: asyncio.Event) -> None:
    await speaks.wait()
    assert part.pid is not None
    os.kill(part.pid, signal.SIGKILL)


async def test_a_tts_server_that_is_killed_in_mid_call_costs_not_the_next_reply(
    bench: OpenBench, built: Callable[[str], BuiltCase], tmp_path: Path
) -> None:
    part = TtsServerPart(tmp_path, {TTS_KEY_VARIABLE: KEY}, "en-us")
    supervisor, ready, speaks = Supervisor([part], nothing), asyncio.Event(), asyncio.Event()
    supervising = asyncio.create_task(supervisor.run(ready.set))
    killing = asyncio.create_task(kill_when_user_speaks(part, speaks))
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await ready.wait()
        async with bench(agent_env={TTS_SERVER_VARIABLE: part.url, TTS_KEY_VARIABLE: KEY}) as b:
            folder, manifest = await b.attempt(
                built("endpoint_short_hello"), lambda name: speaks.set() if name == "speak" else None
            )
        restarts = supervisor.kept[0].restarts
    finally:
        killing.cancel()
        supervisor.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await killing
        await supervising
        await part.close()
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert restarts == 1
    assert len(list((tmp_path / DUMPS_FOLDER).iterdir())) == 1
    lines = (folder / capture.AGENT_TRACE).read_text().splitlines()
    replies = [trace for line in lines if (trace := AgentTurnTrace.model_validate_json(line)).reply_seq is not None]
    assert replies  # more than one where a starved sender tore the turn apart
    assert all("the reserve spoke" in note for reply in replies for note in reply.degraded), "labelled, if it did"
    measurement = listen(folder)
    if is_overloaded(measurement):
        return
    for turn in measurement.turns:
        heard_as_sent(turn)
