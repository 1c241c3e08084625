"""Does the ear's clock step in a page that plays nothing, and is each step noticed? Silence and speech in turn, no call.

    python benchmarks/ear_clock.py [--minutes 10] [--page bare|call] [--as-before]

`bare`: a page that only asks for a microphone; `call`: it calls itself and plays nothing. Every 45 s a second of sound is
spoken into the microphone. The truth is read here, 20 times a second, straight from the context (`getOutputTimestamp` and
the latencies beside it); noticed is what the listening half finds in the pairs that a capture keeps. `--as-before` takes the
inaudible constant away that keeps a silent context awake. Exit status 1 if a step was not noticed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import psutil
from aiohttp import web

from harness.browser.driver import PageSession, launch_browser
from harness.browser.injection import HANDLE
from harness.listen.read.ear_clock import STEP_MS, find_steps
from harness.provide.chromium import find_chromium

RATE_HZ = 48_000
EVERY_S = 45.0
READ_EVERY_S = 15.0
WINDOW, SHARP = 20, 3  # readings of a second, and of the place itself
SAME_S = 1.5  # a step of both lies within it
PAGES = {
    "bare": "navigator.mediaDevices.getUserMedia({ audio: true });",
    "call": """(async () => {
      const [here, there] = [new RTCPeerConnection(), new RTCPeerConnection()];
      here.onicecandidate = ({ candidate }) => candidate && there.addIceCandidate(candidate);
      there.onicecandidate = ({ candidate }) => candidate && here.addIceCandidate(candidate);
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      for (const track of stream.getTracks()) here.addTrack(track, stream);
      await here.setLocalDescription();
      await there.setRemoteDescription(here.localDescription);
      await there.setLocalDescription();
      await here.setRemoteDescription(there.localDescription);
    })();""",
}
WATCH = f"""async () => {{
  const {{ context, awake }} = await window.{HANDLE}.ears.open();
  window.truth = [];
  window.sleepy = () => awake.disconnect();
  setInterval(() => {{
    const {{ contextTime, performanceTime }} = context.getOutputTimestamp();
    if (contextTime > 0) window.truth.push([contextTime, performanceTime, context.baseLatency, context.outputLatency]);
  }}, 50);
}}"""
TAKE = "() => window.truth.splice(0)"


@asynccontextmanager
async def served(script: str) -> AsyncIterator[str]:
    async def page(_: web.Request) -> web.Response:
        return web.Response(
            text=f"<!doctype html><title>bare</title><script>{script}</script>", content_type="text/html"
        )

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def late_of(readings: np.ndarray) -> np.ndarray:
    """How far the context is behind the host, in ms from any zero."""
    return readings[:, 1] - 1e3 * (readings[:, 0] + readings[:, 2] + readings[:, 3])


def steps_of(readings: np.ndarray) -> list[tuple[float, float]]:
    """(context's s, ms) of the truth: where two medians of a second differ most, above STEP_MS, and again to both sides."""
    late_ms = late_of(readings)

    def apart(at: int, begin: int, end: int, window: int) -> float:
        after, before = late_ms[at : min(end, at + window)], late_ms[max(begin, at - window) : at]
        return float(np.median(after) - np.median(before))

    def search(begin: int, end: int) -> list[int]:
        places = range(begin + WINDOW // 4, end - WINDOW // 4)
        rough = max(places, key=lambda at: abs(apart(at, begin, end, WINDOW)), default=None)
        if rough is None or abs(apart(rough, begin, end, WINDOW)) < STEP_MS:
            return []
        near = range(max(places[0], rough - WINDOW), min(places[-1], rough + WINDOW) + 1)
        where = max(near, key=lambda at: abs(apart(at, begin, end, SHARP)))  # a second's medians blur the place
        return [*search(begin, where), where, *search(where, end)]

    cuts = [0, *search(0, len(late_ms)), len(late_ms)]
    found = [
        (float(readings[at, [0, 2, 3]].sum()), apart(at, begin, end, WINDOW))
        for begin, at, end in zip(cuts, cuts[1:], cuts[2:], strict=False)
    ]
    return [(at_s, ms) for at_s, ms in found if abs(ms) >= STEP_MS]


def voice() -> np.ndarray:
    t = np.arange(RATE_HZ) / RATE_HZ
    return (8_000 * np.sin(2 * np.pi * 220 * t) * np.hanning(len(t))).astype(np.int16)


async def watched(minutes: float, page: str, as_before: bool) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """(the truth, the pairs of a capture, the host's load in percent by turns)."""
    chromium = find_chromium()
    if chromium is None:
        sys.exit("no Chromium; run earwitness setup")
    truth: list[list[float]] = []
    load: list[float] = []
    async with served(PAGES[page]) as url, launch_browser(chromium.path, mic="scheduled") as browser:
        async with browser.session(record_webm=False) as session:
            await session.open(url, 20)
            async with asyncio.timeout(20):
                await session.tap_started.wait()
            await session._ask(WATCH)
            if as_before:
                await session._ask("() => window.sleepy()")
            begun = time.monotonic()
            spoken = asyncio.create_task(speak_now_and_then(session))
            psutil.cpu_percent()
            try:
                while time.monotonic() < begun + 60 * minutes:
                    await asyncio.sleep(READ_EVERY_S)
                    truth += await session._ask(TAKE)
                    load.append(psutil.cpu_percent())
            finally:
                spoken.cancel()
            return np.array(truth), np.array(session.instants), load


async def speak_now_and_then(session: PageSession) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        await session.speak(voice(), None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--page", choices=sorted(PAGES), default="bare")
    parser.add_argument("--as-before", action="store_true")
    options = parser.parse_args()
    truth, pairs, load = asyncio.run(watched(options.minutes, options.page, options.as_before))
    happened = steps_of(truth)
    noticed = find_steps(pairs)
    missed = [step for step in happened if not any(abs(other.at_s - step[0]) < SAME_S for other in noticed)]
    alone = [step for step in noticed if not any(abs(step.at_s - at_s) < SAME_S for at_s, _ in happened)]
    print(f"{options.minutes:g} min, page {options.page}, {len(truth)} readings, {len(pairs)} pairs")
    print(f"host busy {np.mean(load):.0f} %, load of five minutes {os.getloadavg()[1]:.1f}")
    print("steps: " + (", ".join(f"{ms:+.1f} ms at {at_s:.1f} s" for at_s, ms in happened) or "none"))
    print("noticed: " + (", ".join(step.in_words() for step in noticed) or "none"))
    print(f"{len(happened)} steps, {len(missed)} not noticed, {len(alone)} noticed that the truth has not")
    behind = late_of(truth)
    whole_ms = float(np.median(behind[-WINDOW:]) - np.median(behind[:WINDOW]))
    print(f"behind in all {whole_ms:+.1f} ms, steps noticed {sum(step.size_ms for step in noticed):+.1f} ms")
    late_ms = pairs[:, 1] - pairs[:, 0] / 48
    print(f"scatter of the pairs around their neighbours: SD {np.std(np.diff(late_ms)) / np.sqrt(2):.3f} ms")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
