"""Clock maps, jitter-buffer counters, statistics, the webm recording and the screenshot of a live page."""

from __future__ import annotations

import asyncio
import base64
import json
import time

import numpy as np
import pytest

from harness.browser.clock import PingPong, map_clock, mono_minus_perf, perf_of_frame_zero
from harness.browser.driver import RATE_HZ, ClockMap, JitterBufferSample
from harness.browser.injection import HANDLE
from harness.listen.read.ear_clock import find_steps

DEVICE_BUFFER_MS = 10  # currentTime moves in such steps
READINGS = 20
HELD_MS = 400
COUNTING_TIMEOUT_S = 20.0
STAND_STILL = f"""
const {{ context }} = await window.{HANDLE}.ears.open();
const resume = context.resume.bind(context);
const held = new Promise((running) => {{
  context.resume = () => setTimeout(() => running(resume()), {HELD_MS});  // the ears ask for it at once
}});
await context.suspend();
await held;
context.resume = resume;
"""
DECODE = """
const bytes = Uint8Array.from(atob("%s"), (character) => character.charCodeAt(0));
const audio = await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(bytes.buffer);
const peak = audio.getChannelData(0).reduce((highest, sample) => Math.max(highest, Math.abs(sample)), 0);
if (audio.duration < 1.5 || peak < 0.1) throw new Error(`${audio.duration} s with a peak of ${peak}`);
"""


def test_shortest_ping_pong_bounds_the_error():
    pings = [PingPong(1000, 210, 1040), PingPong(2000, 1201, 2004), PingPong(3000, 2230, 3100)]
    assert mono_minus_perf(pings) == (801.0, 2.0)


def test_a_late_pair_does_not_move_frame_zero():
    pairs = [(48.0 * t, t + 700.0) for t in range(0, 100, 5)] + [(4800.0, 950.0)]
    assert perf_of_frame_zero(pairs) == (700.0, 0.0)


def test_slip_is_what_the_audio_clock_fell_behind():
    pings = [PingPong(0, 0, 0)]
    before = map_clock(pings, [(48_000.0, 1500.0)], None)
    after = map_clock(pings, [(96_000.0, 2510.0)], before)
    assert before == ClockMap(t0_mono_ms=500.0, error_ms=0.0, slip_ms=None)
    assert after.slip_ms == 10.0
    assert after.mono_ms(96_000) == 2510.0


def test_mean_delay_of_a_buffer_that_emitted_nothing_is_not_computed():
    sample = JitterBufferSample(t_perf_ms=0, delay_s=10, emitted_samples=500, concealed_samples=0, total_samples=500)
    later = JitterBufferSample(t_perf_ms=9, delay_s=22, emitted_samples=1000, concealed_samples=0, total_samples=1000)
    assert sample.mean_delay_ms_since(sample) is None
    assert later.mean_delay_ms_since(sample) == 24.0


@pytest.mark.live
async def test_frame_clock_lies_on_the_host_clock(browser, site, wait_for):
    async with browser.session() as session:
        await session.open(site("talks"), timeout_s=20)
        await wait_for(session.tap_started)
        first = await session.clock_map()
        asked: list[tuple[float, int, float]] = []
        for _ in range(READINGS):
            asked_ms = 1e3 * time.monotonic()
            frame = await session.current_frame()
            asked.append((asked_ms, frame, 1e3 * time.monotonic()))
        second = await session.clock_map()
    assert first.slip_ms is None
    assert second.slip_ms is not None
    assert second.slip_ms == pytest.approx(second.t0_mono_ms - first.t0_mono_ms)
    assert 0 < first.error_ms < 1e3
    margin_ms = first.error_ms + abs(second.slip_ms) + 2 * DEVICE_BUFFER_MS
    # a busy host holds the audio thread up now and then, and its frame is then an old one
    assert any(before - margin_ms <= first.mono_ms(frame) <= after + margin_ms for before, frame, after in asked)


@pytest.mark.live
async def test_a_context_that_stood_still_is_noticed_where_it_did(browser, site, record, wait_for, tmp_path):
    ask, hold = tmp_path / "ask.js", tmp_path / "hold.js"
    ask.write_text("await navigator.mediaDevices.getUserMedia({ audio: true });")
    hold.write_text(STAND_STILL)
    async with browser.session() as session:
        recording = record(session)
        await session.open(site("is_quiet"), timeout_s=20)
        await session.run_script(ask)
        await recording.reach_further(2 * RATE_HZ)
        before = recording.blocks[-1].end_frame
        await session.run_script(hold)
        after = await session.current_frame()
        await recording.reach_further(2 * RATE_HZ)
        steps = find_steps(np.array(session.instants))
    assert len(session.instants) > len(recording.blocks) / 2
    held = max(steps, key=lambda step: step.size_ms)
    assert held.size_ms > 0.9 * HELD_MS, "it fell behind by what it was held, or more on a busy host"
    assert before - RATE_HZ < held.after < held.before < after + RATE_HZ
    assert not any(block.ear.any() or block.mic.any() for block in recording.blocks), (
        "what keeps it awake is not recorded"
    )


@pytest.mark.live
async def test_jitter_buffer_and_statistics_move_with_the_call(browser, site, record, wait_for, chirp):
    async with browser.session() as session:
        recording = record(session)
        await session.open(site("talks"), timeout_s=20)
        await wait_for(session.agent_track_seen)
        await wait_for(session.tap_started)
        async with asyncio.timeout(COUNTING_TIMEOUT_S):
            while (before := await session.jitter_buffer()) is None:  # WebRTC counts from the first packet on
                await recording.reach_further(RATE_HZ // 10)
        await session.speak(chirp, None)
        await recording.reach_further(RATE_HZ)
        after = await session.jitter_buffer()
        stats = await session.stats()
    assert after.total_samples > before.total_samples
    assert after.emitted_samples > before.emitted_samples
    assert after.mean_delay_ms_since(before) is not None
    types = {report["type"] for report in json.loads(json.dumps(stats))}
    assert {"inbound-rtp", "outbound-rtp", "candidate-pair", "codec"} <= types
    assert all(report["t_perf_ms"] > 0 for report in stats)
    assert {report["pc"] for report in stats} == {0, 1}
    assert session.joined_perf_ms is None, "a page that calls itself has joined nobody"


@pytest.mark.live
async def test_no_call_has_no_jitter_buffer(browser, site, tmp_path, wait_for):
    ask = tmp_path / "ask.js"
    ask.write_text("await navigator.mediaDevices.getUserMedia({ audio: true });")
    async with browser.session() as session:
        await session.open(site("is_quiet"), timeout_s=20)
        await session.run_script(ask)
        await wait_for(session.tap_started)
        assert await session.jitter_buffer() is None
        assert await session.stats() == []
        assert await session.page_claims() == {}
        assert not session.agent_track_seen.is_set()


@pytest.mark.live
async def test_agent_is_recorded_as_webm(browser, site, record, wait_for, chirp, tmp_path):
    async with browser.session() as session:
        recording = record(session)
        await session.open(site("talks"), timeout_s=20)
        await wait_for(session.agent_track_seen)
        await wait_for(session.tap_started)
        await session.speak(chirp, None)
        await recording.reach_further(2 * RATE_HZ)
        webm = await session.finish_webm()
        assert webm == await session.finish_webm()
        # Another page of the same browser plays it: it is a whole file, and the agent is on it.
        check = tmp_path / "check.js"
        check.write_text(DECODE % base64.b64encode(webm).decode())
        async with browser.session() as player:
            await player.open(site("is_quiet"), timeout_s=20)
            await player.run_script(check)


@pytest.mark.live
async def test_webm_can_be_left_out(browser, site, wait_for):
    async with browser.session(record_webm=False) as session:
        await session.open(site("talks"), timeout_s=20)
        await wait_for(session.agent_track_seen)
        assert await session.finish_webm() is None


@pytest.mark.live
async def test_screenshot_is_a_png(browser, site, tmp_path):
    async with browser.session() as session:
        await session.open(site("is_quiet"), timeout_s=20)
        await session.screenshot(tmp_path / "screenshot.png")
    assert (tmp_path / "screenshot.png").read_bytes().startswith(b"\x89PNG")
    assert "Chrome" in browser.user_agent
