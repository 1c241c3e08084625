"""What WebRTC is given stands in the file where it was sent, and the file can be read at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from earwitness.attached.pre_rtc import PreRtc
from harness.listen.read.wav import read_wav
from harness.model.audio import Audio

RATE_HZ = 24_000
FRAME = RATE_HZ // 20  # 50 ms, as LiveKit Agents hands it over


def tone(n_samples: int, value: int = 8_000) -> bytes:
    return np.full(n_samples, value, "<i2").tobytes()


def heard(path: Path) -> np.ndarray:
    audio = read_wav(path)
    assert isinstance(audio, Audio), audio
    return audio.samples[:]


def test_replies_stand_at_their_times_with_silence_between(tmp_path: Path) -> None:
    pre = PreRtc(RATE_HZ, 1, 100.0)
    pre.open(tmp_path / "pre_rtc.wav")
    for at_s in (101.0, 101.0, 101.01, 103.0):  # three frames at once are played one after the other
        pre.add(tone(FRAME), at_s)
    assert pre.close(104.0)
    samples = heard(tmp_path / "pre_rtc.wav")
    loud = np.flatnonzero(np.abs(samples) > 0.1)
    assert len(samples) == 4 * 48_000
    starts = [int(loud[0]), int(loud[np.flatnonzero(np.diff(loud) > 4_800)[0] + 1])]
    assert np.abs(np.array(starts) - [48_000, 3 * 48_000]).max() < 48
    assert abs(len(loud) - 4 * 2_400) < 100


def test_a_gap_amid_a_reply_is_silence_in_whole_ticks_of_webrtc() -> None:
    pre = PreRtc(RATE_HZ, 1, 0.0)
    assert pre.add(tone(FRAME), 0.0) == 0.0
    assert pre.add(tone(FRAME), 0.053, goes_on=True) == 0.0  # jitter of the caller, no gap
    assert abs(pre.add(tone(FRAME), 0.163, goes_on=True) - 0.06) < 1e-9
    assert pre.position == 3 * 2_400 + 60 * 48


def test_a_session_that_nobody_measures_may_be_silent_for_a_month_and_then_be_measured(tmp_path: Path) -> None:
    pre, month_s = PreRtc(RATE_HZ, 1, 0.0), 30 * 86_400
    pre.add(tone(FRAME), 0.0)
    before = pre.position
    pre.add(tone(FRAME), month_s)
    pre.open(tmp_path / "pre_rtc.wav")
    assert pre.position == month_s * 48_000 + 2_400
    assert pre.in_file(before) is None
    assert pre.close(month_s + 0.05)
    samples = heard(tmp_path / "pre_rtc.wav")
    start = pre.in_file(month_s * 48_000)
    assert start is not None
    assert np.abs(samples[start + 48 : start + 2_352]).min() > 0.1
    assert np.abs(samples[: start - 48]).max() < 0.01
    assert 59 * 48_000 < start <= 61 * 48_000


def test_what_is_flushed_is_taken_off(tmp_path: Path) -> None:
    pre = PreRtc(RATE_HZ, 1, 0.0)
    pre.open(tmp_path / "pre_rtc.wav")
    for _ in range(4):
        pre.add(tone(FRAME), 0.0)
    pre.take_back(0.126, 0.074)  # 126 ms are queued: twelve ticks and a part of one
    assert pre.position == 80 * 48
    pre.add(tone(FRAME), 0.5)
    pre.close(0.55)
    assert abs(len(heard(tmp_path / "pre_rtc.wav")) - round(0.556 * 48_000)) <= 2


def test_a_flush_of_nothing_keeps_the_silence_ahead_of_it() -> None:
    pre = PreRtc(RATE_HZ, 1, 0.0)
    pre.add(tone(FRAME), 0.0)
    pre.take_back(0.0, 0.5)
    pre.add(tone(FRAME), 1.0)
    assert pre.position == 48_000 + 2_400


def test_all_that_a_long_queue_holds_can_be_taken_back(tmp_path: Path) -> None:
    pre = PreRtc(RATE_HZ, 1, 0.0, queue_s=4.0)
    pre.open(tmp_path / "pre_rtc.wav")
    for _ in range(100):
        pre.add(tone(FRAME), 0.0)
    pre.take_back(4.0, 1.0)
    pre.close(1.0)
    assert abs(len(heard(tmp_path / "pre_rtc.wav")) - 48_000) <= 2


def test_a_minute_ahead_of_the_trace_is_held_and_positions_are_those_of_the_file(tmp_path: Path) -> None:
    pre = PreRtc(8_000, 1, 0.0)
    pre.add(tone(400), 1.0)
    early = pre.position - 400 * 6
    pre.add(tone(400), 200.0)
    greeting = pre.position - 400 * 6
    pre.open(tmp_path / "pre_rtc.wav")
    pre.close(201.0)
    assert pre.in_file(early) is None, "its sound is in no file"
    at = pre.in_file(greeting)
    assert at is not None
    samples = heard(tmp_path / "pre_rtc.wav")
    assert np.abs(samples[at + 100 : at + 2_300]).min() > 0.1
    assert np.abs(samples[: at - 500]).max() < 0.01
    assert len(samples) < 63 * 48_000


def test_channels_are_kept(tmp_path: Path) -> None:
    pre = PreRtc(48_000, 2, 0.0)
    pre.open(tmp_path / "pre_rtc.wav")
    pre.add(np.tile(np.array([8_000, 0], "<i2"), 2_400).tobytes(), 0.0)
    assert pre.position == 2_400
    pre.close(0.0)
    assert abs(float(heard(tmp_path / "pre_rtc.wav")[1_000]) - 4_000 / 32_768) < 1e-3


KILLED = """
import os, signal, sys
from pathlib import Path
from earwitness.attached.pre_rtc import PreRtc
pre = PreRtc(24_000, 1, 0.0)
pre.open(Path(sys.argv[1]))
for number in range(200):
    pre.add(b"\\x00\\x20" * 1_200, number * 0.05)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_recording_of_a_killed_agent_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "pre_rtc.wav"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=root, timeout=30, env={**os.environ})
    assert done.returncode == -signal.SIGKILL
    samples = heard(path)
    assert len(samples) >= 7 * 48_000, "of ten seconds the newest two or three are lost"
    assert np.abs(samples[1_000:-1_000] - 8_192 / 32_768).max() < 0.01


def test_a_header_that_was_not_written_again_hides_only_the_newest(tmp_path: Path) -> None:
    """Killed between the sound and the header that counts it."""
    pre = PreRtc(RATE_HZ, 1, 0.0)
    path = tmp_path / "pre_rtc.wav"
    pre.open(path)
    for number in range(20):
        pre.add(tone(FRAME), number * 0.05)
    pre.close(1.0)
    whole = len(heard(path))
    with path.open("ab") as file:
        file.write(tone(FRAME))
    assert len(heard(path)) >= whole
