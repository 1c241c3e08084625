"""The reference agent in a real call with all its engines over HTTP, and a TTS that goes down between two replies (R-96).

What a busy machine can make worse (latencies) is not asserted here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from harness.listen.measure import listen
from harness.model import capture
from harness.model.events import AgentTurnTrace, ReplyCause
from harness.model.plan import BuiltCase
from harness.model.status import CaptureStatus
from runtime.engine_server.app import EngineServer
from runtime.engine_server.requests import error
from runtime.engines.engine_set import Engines
from runtime.engines.espeak import EspeakTextToSpeech
from runtime.engines.scripted import ScriptedDialogue
from runtime.engines.silero import SileroDetection
from runtime.engines.sphinx import SphinxSpeechToText
from runtime.loopback import serving
from tests.live.conftest import OpenBench, heard_as_sent, is_overloaded

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_process_left")]
CHATS_UNTIL_DOWN = 2  # the warm-up's and the first reply's

FILE = """
stt = {{ kind = "websocket", url = "ws{rest}/audio/stream" }}
llm = {{ kind = "openai", url = "http{rest}", model = "scripted" }}

[tts]
kind = "openai"
url = "http{rest}"
model = "espeak-ng"
voice = "en-us"
switching = {{ switch_after_ms = 30000 }}
fallback = {{ kind = "embedded" }}

[slow_lane]
"""


class GoesDown(EngineServer):
    """Speaks no more once the second reply is asked for."""

    chats = 0

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.chats += 1
        return await super().chat(request)

    async def speech(self, request: web.Request) -> web.StreamResponse:
        if self.chats > CHATS_UNTIL_DOWN:
            return error(503, "down for maintenance")
        return await super().speech(request)


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    engines = Engines(SileroDetection(), SphinxSpeechToText(), ScriptedDialogue(4.0), EspeakTextToSpeech())
    try:
        await asyncio.gather(engines.stt.warm_up(), engines.tts.warm_up())
        async with serving(GoesDown(engines).app(), 0, cancel_with_client=True) as url:
            yield f"{url}/v1"
    finally:
        await engines.aclose()


async def test_all_engines_over_http_and_a_voice_that_goes_down(
    bench: OpenBench, built: Callable[[str], BuiltCase], tmp_path: Path
) -> None:
    file = tmp_path / "engines.toml"
    async with served() as url:
        file.write_text(FILE.format(rest=url.removeprefix("http")))
        async with bench(agent_env={"EARWITNESS_ENGINES": str(file)}) as b:
            folder, manifest = await b.attempt(built("double_turn"))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    lines = (folder / capture.AGENT_TRACE).read_text().splitlines()
    traces = [AgentTurnTrace.model_validate_json(line) for line in lines]
    # a user whose sender is starved is torn apart on the way, and answered piece by piece
    first, *others = [trace for trace in traces if trace.reply_seq is not None]
    assert others
    assert first.user_text
    assert first.degraded == []
    assert first.slow_lane is not None
    assert first.slow_lane.get("pitch_hz") or first.slow_lane.get("skipped")
    for trace in others:
        assert len(trace.degraded) == 1
        assert "answered 503: " in trace.degraded[0]
        assert "the reserve spoke" in trace.degraded[0]
    whole = {trace.reply_seq for trace in traces if trace.cause is ReplyCause.COMPLETED}
    measurement = listen(folder)
    if is_overloaded(measurement):
        return
    heard = [turn for turn in measurement.turns if turn.reply_seq in whole]
    assert heard
    for turn in heard:
        heard_as_sent(turn)
