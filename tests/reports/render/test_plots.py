"""Pictures: what is drawn at a time is what is heard at that time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib.mlab import specgram

from harness.model.measurement import Span
from reports.render.plots import FFT_HOP_SAMPLES, FFT_SAMPLES, draw_attempt, envelope, spectrogram_extent_s
from reports.view.axis import RATE_HZ, read_rows
from tests.judge.canned import measurement

LENGTH = 4 * RATE_HZ + 1_111  # no multiple of the number of bins


@pytest.mark.parametrize("at", [0, 777, LENGTH // 2, LENGTH - 2_000, LENGTH - 1])
def test_a_click_is_drawn_where_it_sounds(at: int) -> None:
    sound = np.zeros(LENGTH, np.float32)
    sound[at] = 1.0
    left_s, low, high = envelope(sound, -1.0)
    drawn = int(np.argmax(high))
    next_s = left_s[drawn + 1] if drawn + 1 < len(left_s) else np.inf
    assert left_s[drawn] <= -1.0 + at / RATE_HZ < next_s
    assert low.min() == 0.0


def test_a_sound_shorter_than_the_picture_is_wide_is_drawn_whole() -> None:
    left_s, _, high = envelope(np.ones(100, np.float32), 0.0)
    assert len(left_s) == len(high) == 100


@pytest.mark.parametrize("window", [0, 5, 170, 373])
def test_the_spectrogram_has_the_click_where_the_waveform_has_it(window: int) -> None:
    at = FFT_SAMPLES // 2 + window * FFT_HOP_SAMPLES  # in the middle of a window: the column is not in doubt
    sound = np.zeros(LENGTH, np.float32)
    sound[at] = 1.0
    power, _, _ = specgram(sound, NFFT=FFT_SAMPLES, Fs=RATE_HZ, noverlap=FFT_SAMPLES - FFT_HOP_SAMPLES)
    start_s, end_s = spectrogram_extent_s(len(sound), -1.0)
    column = int(np.argmax(power.sum(axis=0)))
    centre_s = start_s + (column + 0.5) * (end_s - start_s) / power.shape[1]
    assert centre_s == pytest.approx(-1.0 + at / RATE_HZ, abs=0.001)


def test_a_recording_of_another_rate_and_two_channels_stands_on_the_same_axis(tmp_path: Path) -> None:
    measured = measurement()
    turn = measured.turns[0].model_copy(
        update={"mic_end_sample": 48_000, "spans": {n: Span(start=96_000, end=144_000) for n in ("ear", "pre_rtc")}}
    )
    sound = np.zeros((3 * 24_000, 2), np.float32)
    sound[48_000:] = 0.5
    soundfile.write(tmp_path / "pre_rtc.wav", sound, 24_000)
    soundfile.write(tmp_path / "ear.wav", np.repeat(sound[:, 0], 2), RATE_HZ)
    pre, ear = read_rows(tmp_path, measured, turn)
    assert abs(float(np.abs(pre.window(0.9, 1.1) - ear.window(0.9, 1.1)).mean())) < 0.01
    assert draw_attempt(tmp_path, measured, turn, "a title", tmp_path / "a.png")
    data = bytearray((tmp_path / "pre_rtc.wav").read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = bytes(4)  # of an agent that was killed
    (tmp_path / "pre_rtc.wav").write_bytes(data)
    again, _ = read_rows(tmp_path, measured, turn)
    assert np.array_equal(again.window(0.9, 1.1), pre.window(0.9, 1.1))
