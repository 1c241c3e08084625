"""A conversation whose audio stops is named for that. No call is made here: the user hears what the test feeds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.errors import AttemptError
from harness.live import audio_wait
from harness.live.conversation import Conversation
from harness.live.hearing import Hearing
from harness.model.case import Case, Recipe, SpokenUtterance, Tier, Truth
from harness.model.plan import CallRules
from harness.model.status import CaptureStatus

PER_MS = 48


class DeafUser:
    """While it speaks and for `then_ms` more it hears the call, and nothing from then on."""

    def __init__(self, mic: str, then_ms: int, level: float) -> None:
        self.mic, self.then_ms, self.level = mic, then_ms, level
        self.hearing = Hearing()

    async def now_sample(self) -> int:
        return self.hearing.now

    async def speak(self, samples: np.ndarray, at_sample: int) -> int:
        end = at_sample + len(samples)
        for at in range(0, end + self.then_ms * PER_MS, 480):
            self.hearing.feed(at, np.full(480, self.level if at > end else 0.0, np.float32))
        return at_sample


@pytest.mark.parametrize(
    ("mic", "status"), [("scheduled", CaptureStatus.PAGE_ERROR), ("bot", CaptureStatus.HARNESS_ERROR)]
)
@pytest.mark.parametrize(
    ("then_ms", "level", "waited_for"),
    [
        (-50, 0.0, "the end of the user's speech"),
        (60, 0.0, "the agent's reply"),
        (500, 0.3, "the end of the agent's reply"),
    ],
)
async def test_audio_that_stops_is_named_for_whose_it_was_and_never_for_the_agent(
    monkeypatch: pytest.MonkeyPatch, mic: str, status: CaptureStatus, then_ms: int, level: float, waited_for: str
) -> None:
    monkeypatch.setattr(audio_wait, "STOPPED_S", 0.2)
    case = Case(
        id="x", title="x", tier=Tier.P1, speech=Recipe(), reply_timeout_ms=100, min_reply_ms=0, max_reply_ms=600
    )
    said = np.zeros(100 * PER_MS, np.int16)
    truth = Truth(
        case_id="x",
        n_samples=len(said),
        sha256="",
        source="recipe",
        utterances=[SpokenUtterance(start_sample=0, end_sample=len(said))],
    )
    user: Any = DeafUser(mic, then_ms, level)
    probe: Any = SimpleNamespace(agent_state=None, agent_has_track=True, user_left=None)
    talk = Conversation(case, truth, said, user, probe, instrumented=False, rules=CallRules(greeting="none"))
    with pytest.raises(AttemptError) as caught:
        await talk.hold()
    assert caught.value.status is status
    assert "the call's audio stopped" in caught.value.detail
    assert waited_for in caught.value.detail
