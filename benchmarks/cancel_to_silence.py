"""Cancel → silence at the publisher (R-13): how long after `cancel` or `hold` the last sound is taken for sending.

    python benchmarks/cancel_to_silence.py [--times 200]

The publisher runs in real time against a queue that is emptied in ticks of 10 ms, as LiveKit's native one is, by a thread
of its own; each time a reply is cancelled (or held) at a random moment. What counts is the last tick that held sound.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections import deque

import numpy as np
from livekit import rtc

from runtime.audio.pre_rtc import PreRtcTap
from runtime.audio.publisher import RATE_HZ, Publisher

TICK_S = 0.010
TICK_SAMPLES = int(RATE_HZ * TICK_S)
LOUD = 100


class TickingQueue:
    """What `rtc.AudioSource` is to the publisher; `last_sound_s` is when a tick with sound in it was taken."""

    def __init__(self) -> None:
        self._samples: deque[np.ndarray] = deque()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.last_sound_s = 0.0
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        samples = np.frombuffer(frame.data, np.int16)
        with self._lock:
            self._samples.extend(samples.reshape(-1, TICK_SAMPLES))

    def clear_queue(self) -> None:
        with self._lock:
            self._samples.clear()

    def _take(self) -> None:
        due_s = time.monotonic()
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            due_s += TICK_S
            with self._lock:
                tick = self._samples.popleft() if self._samples else None
                if tick is not None and np.max(np.abs(tick.astype(int))) > LOUD:
                    self.last_sound_s = time.monotonic()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


async def measure(times: int, held: bool) -> list[float]:
    """ms from the call of `cancel` or `hold` to the end of the last tick that was taken with sound."""
    queue, rng = TickingQueue(), np.random.default_rng(0)
    publisher = Publisher(queue, PreRtcTap())  # type: ignore[arg-type]
    pump = asyncio.create_task(publisher.run())
    voice = (8_000 * np.sin(np.arange(RATE_HZ) / 9)).astype(np.int16)
    found = []
    try:
        for _ in range(times):
            publisher.begin(lambda: None)
            publisher.write(voice)
            await asyncio.sleep(float(rng.uniform(0.15, 0.35)))  # somewhere in the reply
            called_s = time.monotonic()
            if held:
                publisher.hold()
            else:
                publisher.cancel()
            await asyncio.sleep(0.1)  # longer than the lead: a tick that came late would be seen
            found.append(max(0.0, (queue.last_sound_s + TICK_S - called_s) * 1e3))
            publisher.cancel()
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
        queue.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    times = parser.parse_args().times
    for name, held in (("cancel", False), ("hold", True)):
        found = asyncio.run(measure(times, held))
        values = ", ".join(f"P{q} {np.percentile(found, q):.1f}" for q in (50, 95, 99))
        print(f"{name} → silence at the publisher: {values}, max {max(found):.1f} ms (n {len(found)})")


if __name__ == "__main__":
    main()
