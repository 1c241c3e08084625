"""The parts of the reference agent that need no room: transitions, resampler, dialogue, settings."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.audio.resampler import StreamingResampler
from runtime.call.duplex_controller import TRANSITIONS, Cause, DuplexController, IllegalTransitionError, State
from runtime.engines.protocols import Heard
from runtime.engines.scripted import REPLIES, ScriptedDialogue, intent_of
from runtime.settings import SettingsError, load_settings


def controller() -> DuplexController:
    return DuplexController(lambda: 0.0, lambda t, state, cause: None)


def test_a_turn_goes_round() -> None:
    control = controller()
    for cause in (Cause.END_OF_TURN, Cause.FIRST_PUBLISH, Cause.BARGE_IN, Cause.CASCADE_CANCELLED):
        control.go(cause)
    assert [state for _, state, _ in control.history] == ["THINKING", "SPEAKING", "INTERRUPTING", "LISTENING"]


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("cause", list(Cause))
def test_a_transition_that_is_not_in_the_table_resets_to_listening(state: State, cause: Cause) -> None:
    control = controller()
    control.state = state
    if (state, cause) in TRANSITIONS:
        assert control.go(cause) is TRANSITIONS[state, cause]
        return
    with pytest.raises(IllegalTransitionError):
        control.go(cause)
    assert control.state is State.LISTENING


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 1500), min_size=1, max_size=12), st.integers(0, 2**31))
def test_resampling_in_chunks_is_resampling_at_once(sizes: list[int], seed: int) -> None:
    x = (3000 * np.random.default_rng(seed).standard_normal(sum(sizes))).astype(np.int16)
    whole = StreamingResampler(22_050, 48_000)
    at_once = np.concatenate([whole.push(x), whole.flush()])
    parts = StreamingResampler(22_050, 48_000)
    chunks = [parts.push(piece) for piece in np.split(x, np.cumsum(sizes)[:-1])]
    assert np.array_equal(np.concatenate([*chunks, parts.flush()]), at_once)
    assert len(at_once) == -(-len(x) * 320 // 147)


def test_the_same_rate_is_passed_on_as_it_is() -> None:
    x = np.arange(-500, 500, dtype=np.int16)
    resampler = StreamingResampler(48_000, 48_000)
    assert np.array_equal(np.concatenate([resampler.push(x[:300]), resampler.push(x[300:]), resampler.flush()]), x)


def test_resampling_keeps_a_tone_and_adds_nothing() -> None:
    t = np.arange(22_050) / 22_050
    x = (8000 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16)
    resampler = StreamingResampler(22_050, 48_000)
    y = np.concatenate([resampler.push(x), resampler.flush()]).astype(float)
    spectrum = np.abs(np.fft.rfft(y[4800:-4800] * np.hanning(len(y) - 9600)))
    peak = int(np.argmax(spectrum))
    assert abs(peak * 48_000 / (len(y) - 9600) - 1000) < 2
    rest = np.delete(spectrum, slice(peak - 5, peak + 6))
    assert 20 * np.log10(np.max(rest) / spectrum[peak]) < -60


def test_the_same_words_are_always_answered_alike() -> None:
    async def reply() -> list[str]:
        return [token async for token in ScriptedDialogue(0.0).open().reply(Heard("hello"), interrupted=False)]

    first = asyncio.run(reply())
    assert first == asyncio.run(reply())
    assert "".join(first).strip() == REPLIES["hello"]
    assert len(first) > 3, "it streams"


@pytest.mark.parametrize(
    ("heard", "intent"),
    [
        (Heard("what i read it", ("what time is it",)), "time"),
        (Heard("i want to hear a story"), "story"),
        (Heard("", ("a story", "story")), "story"),
        (Heard("stop wait a moment", ("wait a moment",)), "stop"),
        (Heard("gibberish"), "other"),
        (Heard(""), "other"),
    ],
)
def test_intents(heard: Heard, intent: str) -> None:
    assert intent_of(heard) == intent


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "LIVEKIT_URL"),
        ({"VAD_SILENCE_MS": "soon"}, "VAD_SILENCE_MS"),
        ({"VAD_SILENCE_MS": "1"}, "VAD_SILENCE_MS=1"),
        ({"EARWITNESS_TURN_DETECTOR": "magic"}, "fixed or rules"),
        ({"EARWITNESS_PREPARE": "maybe"}, "on or off"),
    ],
)
def test_a_wrong_setting_is_named(env: dict[str, str], says: str) -> None:
    keys = {"LIVEKIT_URL": "ws://x", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s"} if env else {}
    with pytest.raises(SettingsError, match=says):
        load_settings({**keys, **env})
