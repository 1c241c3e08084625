"""What the page's own AudioContexts put out lies where it was heard, at any rate, in any order of arrival."""

from __future__ import annotations

import numpy as np
import pytest

from harness.browser.mixing import PATIENCE_FRAMES, Mix, Output
from harness.browser.records import RATE_HZ, AudioBlock

BLOCK = 4096
OWN_BLOCK = 2048


def tone(rate_hz: float, n: int, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(n) / rate_hz)).astype(np.float32)


def silent(frame: int) -> AudioBlock:
    return AudioBlock(frame, np.zeros(BLOCK, np.float32), np.zeros(BLOCK, np.float32))


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 44_100, 48_000, 96_000])
def test_a_context_of_any_rate_lies_where_it_was_heard(rate_hz):
    n, at = rate_hz, 1_000.25
    signal = tone(rate_hz, n)
    output = Output(rate_hz)
    heard = np.zeros(2 * RATE_HZ, np.float32)
    for start in range(0, n, OWN_BLOCK):
        block = signal[start : start + OWN_BLOCK]
        for frame, samples in output.take(start, at + start * RATE_HZ / rate_hz, block):
            heard[frame : frame + len(samples)] += samples
    frames = np.arange(3_000, 40_000)
    wanted = 0.5 * np.sin(2 * np.pi * 440.0 * (frames - at) / RATE_HZ)
    error = np.abs(heard[frames] - wanted).max()
    assert error < (0.02 if rate_hz == RATE_HZ else 2e-3)  # at 48 kHz it is placed by whole frames


def test_blocks_wait_for_a_context_that_runs_and_not_for_one_that_stopped():
    mix = Mix()
    mix.output(0, RATE_HZ, 0, 0.0, tone(RATE_HZ, OWN_BLOCK))
    assert mix.tap(silent(0)) == []
    (first,) = mix.output(0, RATE_HZ, OWN_BLOCK, float(OWN_BLOCK), tone(RATE_HZ, 2 * OWN_BLOCK))
    np.testing.assert_allclose(first.ear[:1_000], tone(RATE_HZ, 1_000), atol=1e-6)
    given = [block for at in range(1, 20) for block in mix.tap(silent(at * BLOCK))]
    assert [block.frame for block in given] == [at * BLOCK for at in range(1, 20)]
    assert given[-1].end_frame - BLOCK > PATIENCE_FRAMES


def test_nothing_waits_where_the_page_has_no_context():
    block = silent(0)
    assert Mix().tap(block) == [block]


def test_what_comes_too_late_for_its_block_is_kept_for_the_recording():
    mix = Mix()
    mix.tap(silent(0))
    mix.output(0, RATE_HZ, 0, 1_000.0, tone(RATE_HZ, 2 * BLOCK))
    mix.tap(silent(BLOCK))
    mix.flush()
    ((frame, samples),) = mix.late
    assert frame == 1_000
    np.testing.assert_allclose(samples, tone(RATE_HZ, BLOCK - 1_000), atol=1e-6)


def test_a_context_that_skips_lies_right_again_after_it():
    output = Output(44_100)
    signal = tone(44_100, 4 * OWN_BLOCK)
    pieces = output.take(0, 0.0, signal[:OWN_BLOCK])
    skipped = 441  # frames of the context: 10 ms
    pieces += output.take(OWN_BLOCK + skipped, (OWN_BLOCK + skipped) * RATE_HZ / 44_100, signal[OWN_BLOCK + skipped :])
    heard = np.zeros(10_000, np.float32)
    for frame, samples in pieces:
        heard[frame : frame + len(samples)] += samples
    frames = np.arange(3_000, 8_000)
    np.testing.assert_allclose(heard[frames], 0.5 * np.sin(2 * np.pi * 440.0 * frames / RATE_HZ), atol=2e-3)
    assert not heard[2_300:2_600].any()
