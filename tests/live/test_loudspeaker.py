"""A case's echo: the agent's voice comes back into the user's microphone, later and softer, and is not lost or doubled."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from bots.timeline import FRAME_SAMPLES
from bots.user_bot import UserBot
from harness.browser.injection import init_script
from harness.errors import AttemptError
from harness.live.user import BotUser, browser_user
from harness.model.case import Echo


async def test_the_bots_microphone_holds_the_agents_voice_at_its_gain_and_delay() -> None:
    bot, probe = UserBot(t0_mono_ms=0.0), SimpleNamespace(on_agent_frame=None)
    BotUser(bot, probe, echo=Echo(gain_db=-20, delay_ms=200))  # type: ignore[arg-type]
    voice = np.arange(1, 4 * 480 + 1, dtype=np.int16) * 10
    for k, piece in enumerate(voice.reshape(-1, 480)):
        probe.on_agent_frame("track", 1_000.0 + 10 * k, piece)
    heard = np.concatenate([bot._frame(start) for start in range(0, 80_000, FRAME_SAMPLES)])
    first = 48_000 - 480 + 9_600
    assert np.array_equal(heard[first : first + len(voice)], (voice * 0.1).astype(np.int16))
    assert np.count_nonzero(heard) == np.count_nonzero((voice * 0.1).astype(np.int16))


def test_the_page_is_told_only_where_a_case_asks_for_it() -> None:
    assert '"echo": null' in init_script("scheduled", False)
    assert '"delayS": 0.25' in init_script("scheduled", False, Echo(gain_db=-10, delay_ms=250))


async def test_a_microphone_that_plays_a_file_refuses_it() -> None:
    with pytest.raises(AttemptError, match="scheduled"):
        async with browser_user(None, "device", "host", 0, 0.0, Echo(gain_db=-20), "played"):  # type: ignore[arg-type]
            pass


@pytest.mark.parametrize("wrong", [{"gain_db": 3}, {"gain_db": -20, "delay_ms": 50}])
def test_an_echo_louder_than_the_voice_or_sooner_than_can_be_kept_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Echo(**wrong)
