"""A reply at any other sample rate is found with its ratio; other words, and another tempo at the same pitch, are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample

from harness.listen.measure import listen
from harness.listen.metrics.changes import speed_text
from harness.listen.place.any_rate import find_at_rate
from harness.listen.place.ring import Ring
from harness.model.audio import Audio
from harness.model.measurement import Turn
from harness.model.plan import BuiltCase
from harness.prove.offline import through_opus
from tests.listen.captures import RATE_HZ, Samples, ms, silence, simple_call, speech

WAY_MS = 120.0


@pytest.fixture(scope="module", params=["question_short", "numbers_and_units"])
def voice(request: pytest.FixtureRequest, built: Callable[[str], BuiltCase]) -> Samples:
    said = built(request.param)
    samples, _ = soundfile.read(said.wav, dtype="float32")
    words = said.truth.utterances[0]
    return np.asarray(samples[words.start_sample : words.end_sample])


def at_rate(x: Samples, ratio: float) -> Samples:
    """It takes `ratio` times as long, and its pitch goes down as much."""
    return np.asarray(resample(x.astype(np.float64), round(len(x) * ratio)), np.float32)


def rings(published: Samples, heard: Samples) -> tuple[Ring, tuple[int, int], Ring]:
    pre = np.concatenate([silence(300), published, silence(300)])
    arrived = np.concatenate([silence(300 + WAY_MS), through_opus(heard), silence(500)])
    return (
        Ring("pre_rtc", Audio(pre, RATE_HZ)), (ms(300), ms(300) + len(published)), Ring("post_rtc", Audio(arrived, RATE_HZ)),
    )  # fmt: skip


@pytest.mark.parametrize("ratio", [0.2, 0.333, 0.544, 0.7, 0.83, 1.21, 1.378, 1.84, 3.3, 5.0])
def test_the_ratio_is_found_and_where_it_begins(voice: Samples, ratio: float) -> None:
    pre, span, ring = rings(voice, at_rate(voice, ratio))
    found = find_at_rate(pre, span, ring, (0, len(ring.audio)))
    assert found is not None
    assert found.course.ratio == pytest.approx(ratio, rel=2e-3)
    assert found.course.at == pytest.approx(ms(300 + WAY_MS), abs=ms(15) * max(1.0, ratio))
    assert found.track.identity > 0.8


def test_other_words_are_at_no_rate(voice: Samples) -> None:
    for other in (speech(2_000, 7), np.ascontiguousarray(voice[::-1]), speech(1_200, 9)):
        pre, span, ring = rings(voice, other)
        assert find_at_rate(pre, span, ring, (0, len(ring.audio))) is None


def test_silence_is_at_no_rate(voice: Samples) -> None:
    pre, span, ring = rings(voice, silence(2_000))
    assert find_at_rate(pre, span, ring, (0, len(ring.audio))) is None
    assert find_at_rate(pre, span, ring, (0, 0)) is None


def turn_at(folder: Path, ratio: float, voice: Samples) -> Turn:
    """At the ear alone; the call has room for it."""
    call = simple_call(450, sound=voice, at_ear=lambda x: through_opus(at_rate(x, ratio)), total_ms=14_000.0)
    return listen(call.write(folder)).turns[0]


@pytest.mark.parametrize(("ratio", "said"), [(0.6, "plays 1.667 times as fast: 40 % shorter, voice higher"),
                                             (1.84, "plays at 0.543 of its speed: 84 % longer, voice deeper")])  # fmt: skip
def test_a_listener_hears_the_rate_and_nothing_that_it_explains(
    ratio: float, said: str, voice: Samples, tmp_path: Path
) -> None:
    turn = turn_at(tmp_path / "c", ratio, voice)
    at_ear = [defect for defect in turn.defects if defect.ring == "ear"]
    assert [defect.kind for defect in at_ear] == ["wrong_rate"]
    assert at_ear[0].detail == said
    assert at_ear[0].born == "at_ear"
    assert turn.metrics["speed_ear_ppm"].value == pytest.approx(1e6 * (1 - ratio), rel=0.01)
    assert turn.metrics["audio_valid_ear"].value == 0
    assert turn.metrics["audio_valid"].value == 1


def test_how_a_speed_is_said() -> None:
    assert speed_text(1.838, 3.0) == "plays at 0.544 of its speed: 83.8 % longer, voice deeper"
    assert speed_text(0.5, 0.0) == "plays 2.000 times as fast: 50 % shorter, voice higher"
    assert speed_text(1.2, 315.0) == "plays at 0.833 of its speed: 20 % longer, at another pitch"
    assert speed_text(1.005, 0.0) == "plays at 0.995 of its speed: 0.5 % longer"
