"""The live detector: it triggers barge-in and ends a call, so it must know sound from silence on the user's clock."""

import asyncio

import numpy as np

from harness.live.hearing import Hearing

MS = 48


def tone(ms: int, level: float = 0.1) -> np.ndarray:
    return (level * np.sin(2 * np.pi * 220 * np.arange(ms * MS) / 48_000)).astype(np.float32)


def silence(ms: int) -> np.ndarray:
    return np.zeros(ms * MS, np.float32)


def feed_in_blocks(hearing: Hearing, signal: np.ndarray, block_ms: int = 100, start: int = 0) -> None:
    for at in range(0, len(signal), block_ms * MS):
        hearing.feed(start + at, signal[at : at + block_ms * MS])


def test_an_onset_is_found_within_ten_milliseconds() -> None:
    hearing = Hearing()
    feed_in_blocks(hearing, np.concatenate([silence(437), tone(500), silence(400)]))
    assert len(hearing.onsets) == 1
    assert abs(hearing.onsets[0] - 437 * MS) <= 10 * MS


def test_a_pause_inside_a_reply_is_no_new_onset() -> None:
    hearing = Hearing()
    feed_in_blocks(hearing, np.concatenate([silence(200), tone(400), silence(200), tone(400)]))
    assert len(hearing.onsets) == 1


def test_a_second_reply_after_silence_is_a_new_onset() -> None:
    hearing = Hearing()
    feed_in_blocks(hearing, np.concatenate([silence(200), tone(400), silence(500), tone(400)]))
    assert [round(onset / MS, -1) for onset in hearing.onsets] == [200, 1100]


def test_a_click_is_no_onset() -> None:
    hearing = Hearing()
    feed_in_blocks(hearing, np.concatenate([silence(300), tone(12, 0.9), silence(300)]))
    assert hearing.onsets == []


def test_quiet_is_counted_from_the_last_sound() -> None:
    hearing = Hearing()
    feed_in_blocks(hearing, np.concatenate([silence(100), tone(300), silence(700)]))
    assert abs(hearing.quiet_ms() - 700) <= 10


def test_int16_and_float_are_heard_alike() -> None:
    signal = np.concatenate([silence(250), tone(300), silence(100)])
    one, two = Hearing(), Hearing()
    feed_in_blocks(one, signal)
    feed_in_blocks(two, (signal * 32767).astype(np.int16), block_ms=20)
    assert one.onsets == two.onsets


def test_a_block_that_comes_after_a_gap_is_placed_by_its_number() -> None:
    hearing = Hearing()
    hearing.feed(0, silence(105))
    hearing.feed(1000 * MS, np.concatenate([silence(50), tone(200)]))
    assert abs(hearing.onsets[0] - 1050 * MS) <= 10 * MS
    assert hearing.now == 1250 * MS


async def test_waiting_wakes_when_audio_fulfils_the_condition() -> None:
    hearing = Hearing()
    waiter = asyncio.ensure_future(hearing.wait_for(lambda: bool(hearing.onsets)))
    await asyncio.sleep(0)
    hearing.feed(0, silence(100))
    await asyncio.sleep(0)
    assert not waiter.done()
    hearing.feed(100 * MS, tone(100))
    async with asyncio.timeout(1):
        await waiter


def test_music_from_the_first_moment_on_is_a_bed_and_no_greeting() -> None:
    music = tone(6_000, 0.03) * (1 + 0.3 * np.sin(np.arange(6_000 * MS) / 5_000)).astype(np.float32)
    hearing = Hearing(follow_floor=True)
    feed_in_blocks(hearing, np.concatenate([silence(300), music, tone(500, 0.3), silence(500)]))
    assert [round(onset / MS, -1) for onset in hearing.onsets] == [6_300]


def test_a_voice_that_begins_at_once_is_no_bed() -> None:
    words = np.concatenate([np.concatenate([tone(180, 0.1), silence(40) + 0.0005]) for _ in range(12)])
    hearing = Hearing(follow_floor=True)
    feed_in_blocks(hearing, np.concatenate([silence(300), words, silence(1_000)]))
    assert [round(onset / MS, -1) for onset in hearing.onsets] == [300]


def test_a_long_voice_fades_also_where_the_floor_has_risen_above_its_end() -> None:
    """1.2 s without a pause: by then what is heard all the time is taken for a bed, and the end lies below its threshold."""
    hearing = Hearing(follow_floor=True)
    level = 0.03 * np.ones(57_600, np.float32)
    level[-9_600:] *= np.linspace(1, 0.15, 9_600, dtype=np.float32)
    sound = np.concatenate([level, np.zeros(48_000, np.float32)])
    for at in range(0, len(sound), 4_096):
        hearing.feed(at, sound[at : at + 4_096])
    assert 10 * np.log10(hearing.last_power) < -40
