"""The reference agent with its neural engines in a real call: it hears words, and is heard as it was published.

What a busy machine can make worse (latencies) is not asserted here.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.listen.measure import listen
from harness.model import capture
from harness.model.events import AgentTurnTrace
from harness.model.plan import BuiltCase
from harness.model.status import CaptureStatus
from harness.settings import Settings, load_settings
from tests.live.conftest import OpenBench

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.usefixtures("no_process_left")]


async def test_a_question_is_understood_and_answered_by_a_neural_voice(
    bench: OpenBench, built: Callable[[str], BuiltCase]
) -> None:
    pytest.importorskip("ctranslate2", reason="needs the extra neural, which `make setup` installs")
    settings: Settings = load_settings({"engines": "neural"}, env={})
    async with bench(agent_env=settings.agent_env()) as b:
        folder, manifest = await b.attempt(built("question_short"))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    lines = (folder / capture.AGENT_TRACE).read_text().splitlines()
    trace = next(t for t in map(AgentTurnTrace.model_validate_json, lines) if t.reply_seq is not None)
    assert "what time is it" in trace.user_text.lower()
    assert trace.reply_text == "It is half past nine."
    turn = next(turn for turn in listen(folder).turns if turn.reply_seq is not None)
    identity = turn.metrics["identity"].value
    assert identity is not None
    assert identity > 0.5, "what was said is heard as it was sent"
