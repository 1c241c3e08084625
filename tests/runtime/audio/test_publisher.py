"""What the publisher puts on the wire."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest
from livekit import rtc

from runtime.audio.pre_rtc import PreRtcTap
from runtime.audio.publisher import KEPT_SILENCE_SAMPLES, QUEUE_MS, RATE_HZ, Publisher
from tests.runtime.virtual_call import HeardSource, in_virtual_time


async def published(tmp_path: Path, *chunks: np.ndarray) -> tuple[np.ndarray, PreRtcTap]:
    """What of one reply in `chunks` was sent, from its first frame to its last."""
    tap = PreRtcTap()
    tap.open(tmp_path / "pre_rtc.wav")
    source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=QUEUE_MS)
    publisher = Publisher(source, tap)
    pump = asyncio.create_task(publisher.run())
    try:
        publisher.begin(lambda: None)
        for chunk in chunks:
            publisher.write(chunk)
        publisher.end()
        async with asyncio.timeout(10):
            await publisher.played()
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
        await source.aclose()
        tap.close()
    with wave.open(str(tmp_path / "pre_rtc.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return samples[tap.start_sample : tap.end_sample] if tap.start_sample is not None else samples[:0], tap


def tone(seconds: float) -> np.ndarray:
    return (8_000 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.int16)


def test_silence_ahead_of_a_reply_is_not_published(tmp_path: Path) -> None:
    silence = np.zeros(RATE_HZ // 20, np.int16)
    sent, _ = asyncio.run(published(tmp_path, silence, silence, tone(0.2)))
    first = int(np.flatnonzero(np.abs(sent) > 100)[0])
    assert first <= KEPT_SILENCE_SAMPLES + 5
    assert np.count_nonzero(sent) == np.count_nonzero(tone(0.2))


def test_a_pause_within_a_reply_stays(tmp_path: Path) -> None:
    sent, _ = asyncio.run(published(tmp_path, tone(0.1), np.zeros(RATE_HZ // 10, np.int16), tone(0.1)))
    loud = np.flatnonzero(np.abs(sent) > 100)
    assert abs(int(loud[-1] - loud[0]) - 3 * RATE_HZ // 10) < RATE_HZ // 100


def test_a_reply_of_silence_is_none(tmp_path: Path) -> None:
    sent, tap = asyncio.run(published(tmp_path, np.zeros(RATE_HZ // 5, np.int16)))
    assert len(sent) == 0
    assert tap.start_sample is None


@pytest.mark.parametrize(("late_ms", "least_ms", "most_ms"), [(15, 0, 0), (100, 60, 100)])  # two frames more at most
def test_a_voice_that_comes_a_little_late_makes_no_hole_and_one_that_comes_too_late_does(
    late_ms: int, least_ms: int, most_ms: int
) -> None:
    seen: dict[str, float] = {}

    async def run() -> None:
        source = HeardSource()
        publisher = Publisher(source, PreRtcTap())  # type: ignore[arg-type]
        pump = asyncio.create_task(publisher.run())
        await asyncio.sleep(0.5)  # virtual time
        publisher.begin(lambda: None)
        publisher.write(np.full(2 * RATE_HZ // 50, 8_000, np.int16))  # 40 ms, less than the lead
        await asyncio.sleep(late_ms / 1e3)
        publisher.write(np.full(RATE_HZ // 5, 8_000, np.int16))
        publisher.end()
        await publisher.played()
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
        loud = source.loud_ms()
        seen.update(holes_ms=loud[-1] - loud[0] + 1 - len(loud), underruns=publisher.underruns)

    in_virtual_time(run)
    assert least_ms <= seen["holes_ms"] <= most_ms
    assert (seen["underruns"] > 0) == (most_ms > 0)


def test_a_held_reply_is_silent_at_once_and_goes_on_without_a_gap_or_a_repeat() -> None:
    said = (8_000 * np.sin(np.arange(RATE_HZ) ** 1.3 / 4_000)).astype(np.int16)  # no two places are alike
    heard: list[np.ndarray] = []
    silent_after_s: list[float] = []

    async def run() -> None:
        source = HeardSource()
        publisher = Publisher(source, PreRtcTap())  # type: ignore[arg-type]
        pump = asyncio.create_task(publisher.run())
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.1)  # virtual time
        publisher.begin(lambda: None)
        publisher.write(said)
        publisher.end()
        await asyncio.sleep(0.437)  # virtual time
        held_s = loop.time() - source.t0_s
        assert publisher.hold()
        assert not publisher.hold(), "once is enough"
        await asyncio.sleep(0.5)  # virtual time
        silent_after_s.append(float(np.flatnonzero(np.abs(source.heard) > 50)[-1]) / RATE_HZ - held_s)
        publisher.resume()
        await publisher.played()
        heard.append(source.heard)
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
        assert publisher.underruns == 0
        assert publisher.starved_s == 0.0

    in_virtual_time(run)
    assert silent_after_s[0] <= 0.010
    sounds = heard[0][np.flatnonzero(heard[0])[0] : np.flatnonzero(heard[0])[-1] + 1]
    gap = int(np.argmax(np.convolve(sounds == 0, np.ones(4_800), "valid")))
    first = sounds[:gap]
    went_on = sounds[gap + int(np.flatnonzero(sounds[gap:])[0]) :]
    assert len(first) + len(went_on) == pytest.approx(len(said), abs=RATE_HZ // 100 + 5)
    assert np.array_equal(went_on[-len(went_on) // 2 :], said[-(len(went_on) // 2 + len(went_on) % 2) :])


def test_nothing_is_held_where_nothing_is_said() -> None:
    async def run() -> None:
        publisher = Publisher(HeardSource(), PreRtcTap())  # type: ignore[arg-type]
        assert not publisher.hold()
        publisher.begin(lambda: None)
        assert not publisher.hold()
        publisher.resume()

    in_virtual_time(run)
