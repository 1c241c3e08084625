"""An octave that arrives changed is named with its place, and neither a gain, nor a hole, nor a codec changes one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfiltfilt

from harness.listen.ledger.keep import keep
from harness.listen.metrics.octaves import CHANGED_DB, OctaveChange, find_octave_change, octave_metrics
from harness.listen.place.delay import track_delay
from harness.listen.place.pair import HOP_MS, make_pair
from harness.listen.place.ring import DECIMATION, Ring
from harness.model.audio import Audio
from harness.prove.offline import through_opus
from tests.listen.captures import RATE_HZ, Samples, hole, ms, silence, stretch

WAY_MS = 80.0


@pytest.fixture(scope="module", params=["endpoint_long_sentence", "distortion_sibilant"])
def voice(request: pytest.FixtureRequest, built: Callable) -> Samples:
    """1.8 s of what a case says, between silences."""
    said = built(request.param)
    samples, _ = soundfile.read(said.wav, dtype="float32")
    start = said.truth.utterances[0].start_sample
    return np.concatenate([silence(300), samples[start : start + ms(1_800)], silence(300)])


def compare(published: Samples, arrived: Samples) -> tuple[OctaveChange | None, list]:
    """`arrived` through Opus and WAY_MS later."""
    pre = Ring("pre_rtc", Audio(published, RATE_HZ))
    ring = Ring("post_rtc", Audio(np.concatenate([silence(WAY_MS), through_opus(arrived), silence(400)]), RATE_HZ))
    span = (ms(300), ms(2_100))
    track = track_delay(
        pre.band, (span[0] // DECIMATION, span[1] // DECIMATION), ring.band, WAY_MS * RATE_HZ / 1e3 / DECIMATION
    )
    pair = make_pair(pre, span, ring, track)
    kept = keep(pair, span, (span[0] + ms(WAY_MS), span[1] + ms(WAY_MS)))
    return find_octave_change(pair, kept), octave_metrics({"post_rtc": pair}, {"post_rtc": kept})[1]


def without(x: Samples, low_hz: float, high_hz: float, start_ms: float, end_ms: float, share: float = 1.0) -> Samples:
    sos = butter(4, (low_hz, high_hz), btype="band", fs=RATE_HZ, output="sos")
    y = x.copy()
    piece = slice(ms(start_ms), ms(end_ms))
    y[piece] -= (share * sosfiltfilt(sos, x[piece].astype(np.float64))).astype(np.float32)
    return y


@pytest.mark.parametrize("octave", [(500, 1_000), (1_000, 2_000), (2_000, 4_000)])
def test_a_missing_octave_is_named_with_its_place(voice: Samples, octave: tuple[int, int]) -> None:
    found, defects = compare(voice, without(voice, *octave, 800, 1_500))
    assert found is not None
    assert found.octave_hz == octave
    assert found.change_db < -2 * CHANGED_DB
    assert 450 <= found.first * HOP_MS - 120 <= found.last * HOP_MS - 120 <= 1_250  # the pair begins 120 ms ahead
    (defect,) = defects
    assert defect.kind == "spectrum"
    assert "{:g} to {:g} Hz".format(*octave) in defect.detail


def test_one_that_is_12_db_weaker_all_along_is_named(voice: Samples) -> None:
    found, _ = compare(voice, without(voice, 1_000, 2_000, 0, 2_400, share=1 - 10 ** (-12 / 20)))
    assert found is not None
    assert found.octave_hz == (1_000, 2_000)
    assert found.change_db == pytest.approx(-11, abs=2)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: 0.3 * x,
        lambda x: hole(x, 900, 150),
        lambda x: stretch(stretch(x, 700, 12), 1_400, -12),
    ],
)
def test_what_only_a_way_does_changes_no_octave(voice: Samples, change: Callable[[Samples], Samples]) -> None:
    found, defects = compare(voice, change(voice))
    assert found is not None
    assert abs(found.change_db) < CHANGED_DB / 2
    assert defects == []
