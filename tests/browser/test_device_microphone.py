"""Chromium's own fake microphone: held until it is released, then its file is heard exactly once."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from scipy.signal import correlate, find_peaks

from harness.browser.driver import RATE_HZ, launch_browser

pytestmark = pytest.mark.live


@pytest.fixture
def voice(tmp_path, chirp):
    """The chirp after half a second, with a silent tail of one; its folder has a '%' that Chromium would stumble on."""
    folder = tmp_path / "50%off"
    folder.mkdir()
    lead, tail = np.zeros(RATE_HZ // 2, dtype=np.int16), np.zeros(RATE_HZ, dtype=np.int16)
    soundfile.write(folder / "voice.wav", np.concatenate([lead, chirp, tail]), RATE_HZ, subtype="PCM_16")
    return folder / "voice.wav"


def times_heard(pattern: np.ndarray, recording: np.ndarray) -> int:
    """How many stretches of `recording` correlate with `pattern` by more than half."""
    reference = pattern.astype(np.float64) - pattern.mean()
    score = correlate(recording.astype(np.float64), reference, mode="valid", method="fft")
    summed = np.concatenate([[0.0], np.cumsum(recording.astype(np.float64) ** 2)])
    energy = summed[len(reference) :] - summed[: -len(reference)]
    norm = np.sqrt(np.maximum(energy, 1e-3) * np.sum(reference**2))
    peaks, _ = find_peaks(np.abs(score / norm), height=0.5, distance=len(reference))
    return len(peaks)


@pytest.mark.parametrize("page", ["talks", "asks_twice"])
async def test_speech_is_heard_exactly_once_after_the_release(chromium, site, record, wait_for, voice, chirp, page):
    async with launch_browser(chromium, mic="device", fake_wav=voice) as browser, browser.session() as session:
        recording = record(session)
        await session.open(site(page), timeout_s=20)
        await wait_for(session.microphone_asked)
        await wait_for(session.tap_started)
        await recording.reach_further(RATE_HZ)
        assert not session.agent_track_seen.is_set()
        assert not any(block.mic.any() for block in recording.blocks)
        await session.release_microphone()
        await wait_for(session.agent_track_seen)
        await recording.reach_further(5 * RATE_HZ)
        released = recording.blocks[0].frame
        end = recording.blocks[-1].end_frame
        mic, ear = recording.mic(released, end), recording.ear(released, end)
    assert times_heard(chirp, mic) == 1
    assert times_heard(chirp, ear) == 1
    assert np.abs(mic[-RATE_HZ:]).max() < 0.001  # the silent tail goes on, no buzz


async def test_device_microphone_cannot_be_told_to_speak(chromium, site, voice, chirp):
    async with launch_browser(chromium, mic="device", fake_wav=voice) as browser, browser.session() as session:
        with pytest.raises(ValueError, match="scheduled"):
            await session.speak(chirp, None)


async def test_session_ends_while_the_microphone_is_held(chromium, site, wait_for, voice):
    async with launch_browser(chromium, mic="device", fake_wav=voice) as browser:
        async with browser.session() as session:
            await session.open(site("talks"), timeout_s=20)
            await wait_for(session.microphone_asked)
        assert session.closed.is_set()
