"""What is spoken is heard, to the sample, on pages that know nothing of it: calls of a page with itself, no server."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from scipy.signal import correlate

from harness.browser.driver import RATE_HZ
from harness.errors import AttemptError

pytestmark = pytest.mark.live

BLOCK_FRAMES = 4096  # of the tap; a context that waits for a processor skips some render quanta of 128
LEAD_FRAMES = 3 * RATE_HZ  # so far ahead that a busy page gets the words in time


def found_at(pattern: np.ndarray, recording: np.ndarray) -> int:
    """Where `pattern` lies in `recording`, in samples, by the peak of their correlation."""
    return int(np.argmax(correlate(recording, pattern.astype(np.float32), mode="valid", method="fft")))


async def spoken_in_a_call(session, url, record, wait_for):
    """Open the page and wait until its call stands; gives the recording."""
    recording = record(session)
    await session.open(url, timeout_s=20)
    await wait_for(session.microphone_asked)
    await wait_for(session.tap_started)
    await wait_for(session.agent_track_seen)
    return recording


async def test_speech_lies_on_the_microphone_exactly_where_it_was_scheduled(browser, site, record, wait_for, chirp):
    async with browser.session() as session:
        recording = await spoken_in_a_call(session, site("talks"), record, wait_for)
        asked = await session.current_frame() + LEAD_FRAMES
        frame = await session.speak(chirp, asked)
        await recording.reach(frame + len(chirp) + 4800)
    assert frame == asked
    recording.spoke(frame, chirp)
    assert not recording.mic(frame + len(chirp), frame + len(chirp) + 4800).any()
    assert not recording.mic(recording.blocks[0].frame, frame).any()


async def test_every_value_of_16_bits_survives(browser, site, record, wait_for):
    samples = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)
    async with browser.session() as session:
        recording = await spoken_in_a_call(session, site("talks"), record, wait_for)
        frame = await session.speak(samples, None)
        await recording.reach(frame + len(samples))
    recording.spoke(frame, samples)


async def test_speech_for_a_past_frame_starts_at_once_and_says_where(browser, site, record, wait_for, chirp):
    async with browser.session() as session:
        recording = await spoken_in_a_call(session, site("talks"), record, wait_for)
        before = await session.current_frame()
        frame = await session.speak(chirp, 1)
        await recording.reach(frame + len(chirp))
    assert frame >= before
    recording.spoke(frame, chirp)


async def test_utterances_scheduled_together_are_all_heard(browser, site, record, wait_for, chirp):
    async with browser.session() as session:
        recording = await spoken_in_a_call(session, site("talks"), record, wait_for)
        now = await session.current_frame()
        asked = [now + LEAD_FRAMES, now + LEAD_FRAMES + RATE_HZ]
        frames = await asyncio.gather(*(session.speak(chirp, frame) for frame in asked))
        await recording.reach(frames[-1] + len(chirp))
    assert frames == asked
    for frame in frames:
        recording.spoke(frame, chirp)


async def moved(session) -> float:
    """Samples that the page's jitter buffers have made up, put in or taken out since the call began."""
    names = ("concealedSamples", "insertedSamplesForDeceleration", "removedSamplesForAcceleration")
    return sum(report.get(name, 0) for report in await session.stats() for name in names)


async def test_agent_is_heard_after_the_microphone_on_the_same_clock(browser, site, record, wait_for, chirp):
    async with browser.session() as session:
        recording = await spoken_in_a_call(session, site("talks"), record, wait_for)
        await recording.reach_further(RATE_HZ)
        frames, before = [], await moved(session)
        for _ in range(4):
            frames.append(await session.speak(chirp, await session.current_frame() + RATE_HZ // 2))
            await recording.reach(frames[-1] + RATE_HZ)
        stepped = await moved(session) - before
    lags = [found_at(chirp, recording.ear(frame, frame + RATE_HZ)) for frame in frames]
    assert all(lag > 0 for lag in lags)
    # NetEQ may step by a few frames of 10 ms, and where it steps further, it says so; two clocks would drift unsaid.
    assert max(lags) - min(lags) < RATE_HZ // 10 + stepped


async def test_no_block_is_lost_and_what_the_context_skips_is_told(browser, site, record, wait_for, chirp):
    async with browser.session() as session:
        recording = await spoken_in_a_call(session, site("talks"), record, wait_for)
        await session.speak(chirp, None)
        await recording.reach_further(3 * RATE_HZ)
        gaps = [b.frame - a.end_frame for a, b in zip(recording.blocks, recording.blocks[1:], strict=False)]
        assert all(gap >= 0 for gap in gaps)
        assert not [gap for gap in gaps if gap and gap % BLOCK_FRAMES == 0], "a block was lost on its way"
        assert sum(gaps) == session.lost_frames


async def test_silence_between_utterances_is_sent_too(browser, site, record, wait_for, chirp):
    async with browser.session() as session:
        recording = await spoken_in_a_call(session, site("talks"), record, wait_for)
        await recording.reach_further(RATE_HZ)
        before = await session.jitter_buffer()
        await session.speak(chirp, None)
        await recording.reach_further(3 * RATE_HZ)
        after = await session.jitter_buffer()
    sent = after.total_samples - before.total_samples
    assert sent > RATE_HZ
    assert after.concealed_samples - before.concealed_samples < sent / 2


async def test_page_that_does_not_play_its_agent_is_silent_for_its_user(browser, site, record, wait_for, chirp):
    async with browser.session() as session:
        recording = await spoken_in_a_call(session, site("plays_nothing"), record, wait_for)
        frame = await session.speak(chirp, None)
        await recording.reach(frame + 2 * RATE_HZ)
    assert recording.mic(frame, frame + len(chirp)).any()
    assert not recording.ear(frame, frame + 2 * RATE_HZ).any()


async def test_rate_of_the_page_s_own_context_does_not_matter(browser, site, record, wait_for, chirp):
    async with browser.session() as session:
        recording = await spoken_in_a_call(session, site("own_context"), record, wait_for)
        frame = await session.speak(chirp, None)
        await recording.reach(frame + 2 * RATE_HZ)
        assert await session.page_claims() == {"rate_hz": 16000}
    recording.spoke(frame, chirp)
    assert recording.ear(frame, frame + 2 * RATE_HZ).max() > 0.1


async def test_microphone_asked_for_again_still_speaks(browser, site, record, wait_for, chirp):
    async with browser.session() as session:
        recording = await spoken_in_a_call(session, site("asks_twice"), record, wait_for)
        frame = await session.speak(chirp, None)
        await recording.reach(frame + 2 * RATE_HZ)
    assert recording.ear(frame, frame + 2 * RATE_HZ).max() > 0.1


async def test_call_inside_a_frame_is_heard(browser, site, record, wait_for, chirp):
    async with browser.session() as session:
        recording = await spoken_in_a_call(session, site("in_a_frame"), record, wait_for)
        frame = await session.speak(chirp, None)
        await recording.reach(frame + 2 * RATE_HZ)
        assert not session.fatal.is_set()
    recording.spoke(frame, chirp)
    assert recording.ear(frame, frame + 2 * RATE_HZ).max() > 0.1


async def test_two_sessions_of_one_browser_hear_each_their_own(browser, site, record, wait_for, chirp):
    async with browser.session() as loud, browser.session() as quiet:
        heard_loud = await spoken_in_a_call(loud, site("talks"), record, wait_for)
        heard_quiet = await spoken_in_a_call(quiet, site("talks"), record, wait_for)
        frame = await loud.speak(chirp, None)
        await heard_loud.reach(frame + RATE_HZ)
        await heard_quiet.reach_further(RATE_HZ)
    heard_loud.spoke(frame, chirp)
    assert not any(block.mic.any() for block in heard_quiet.blocks)


async def test_nothing_can_be_spoken_before_the_page_has_a_microphone(browser, site, chirp):
    async with browser.session() as session:
        await session.open(site("is_quiet"), timeout_s=20)
        with pytest.raises(AttemptError, match="neither asked for a microphone"):
            await session.speak(chirp, None)
