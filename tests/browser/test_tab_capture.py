"""What Chromium itself plays of a stream, by tab capture: the witness for the gains that the ear mirrors (js/players.js)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

LIMIT_S = 240.0
FLAGS = ["--autoplay-policy=no-user-gesture-required", "--auto-accept-this-tab-capture", "--disable-gpu"]
STEPS = """
async () => {
  const context = new AudioContext();
  await context.resume();
  const sent = context.createMediaStreamDestination();
  const tone = new OscillatorNode(context, { frequency: 440 });
  tone.connect(new GainNode(context, { gain: 0.1 })).connect(sent);
  tone.start();
  const [here, there] = [new RTCPeerConnection(), new RTCPeerConnection()];
  here.onicecandidate = ({ candidate }) => candidate && there.addIceCandidate(candidate);
  there.onicecandidate = ({ candidate }) => candidate && here.addIceCandidate(candidate);
  const came = new Promise((resolve) => (there.ontrack = ({ streams: [stream] }) => resolve(stream)));
  here.addTrack(sent.stream.getTracks()[0], sent.stream);
  await here.setLocalDescription();
  await there.setRemoteDescription(here.localDescription);
  await there.setLocalDescription();
  await here.setRemoteDescription(there.localDescription);
  const stream = await came;
  const [track] = stream.getTracks();

  const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const tab = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: raw, preferCurrentTab: true });
  for (const picture of tab.getVideoTracks()) picture.stop();
  const meter = new AnalyserNode(context, { fftSize: 16384 });
  context.createMediaStreamSource(new MediaStream(tab.getAudioTracks())).connect(meter);
  const samples = new Float32Array(meter.fftSize);
  const level = () => {
    meter.getFloatTimeDomainData(samples);
    return 10 * Math.log10(samples.reduce((sum, x) => sum + x * x, 0) / samples.length + 1e-12);
  };
  // Tab capture lags by up to 80 ms and has no event: a level is taken when it has stood still for a second.
  async function settled() {
    let [last, since] = [level(), performance.now()];
    while (performance.now() - since < 1000) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      const now = level();
      if (Math.abs(now - last) > 1) since = performance.now();
      last = now;
    }
    return last;
  }

  const found = {};
  const one = new Audio();
  one.srcObject = stream;
  await one.play();
  found.one = await settled();
  const other = new Audio();
  other.srcObject = new MediaStream([track]);
  await other.play();
  found.two = await settled();
  other.srcObject = null;
  one.volume = 0.25;
  found.quarter = await settled();
  one.volume = 1;
  one.muted = true;
  found.muted = await settled();
  one.muted = false;
  one.pause();
  found.paused = await settled();
  one.srcObject = new MediaStream([track]);
  await one.play();
  one.srcObject.removeTrack(track);
  found.removed = await settled();
  one.srcObject.addTrack(track);
  found.added = await settled();
  return found;
}
"""


async def test_chromium_plays_a_stream_as_loud_as_the_ear_has_it(chromium: Path, site) -> None:
    from playwright.async_api import async_playwright

    async with asyncio.timeout(LIMIT_S), async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium,
            args=[*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])],
            ignore_default_args=["--mute-audio"],
        )
        try:
            page = await browser.new_page()
            await page.goto(site("is_quiet"))
            levels = await page.evaluate(STEPS)
        finally:
            await browser.close()
    over = {name: level - levels["one"] for name, level in levels.items()}
    assert over["two"] == pytest.approx(6, abs=1)
    assert over["quarter"] == pytest.approx(-12, abs=1)
    assert over["added"] == pytest.approx(0, abs=1)
    assert max(levels["muted"], levels["paused"], levels["removed"]) < -90
