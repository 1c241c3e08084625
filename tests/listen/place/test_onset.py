"""Where sound begins and ends."""

import io

import numpy as np
import pytest
import soundfile

from harness.listen.place.onset import find_sounds
from harness.model.audio import Audio
from tests.listen.captures import PER_MS, RATE_HZ, Samples, ms, silence, speech


def sounds_ms(samples: Samples) -> list[tuple[float, float]]:
    return [(s.start / PER_MS, s.end / PER_MS) for s in find_sounds(Audio(samples.astype(np.float32), RATE_HZ))]


def around(sound: Samples, before_ms: float = 500, after_ms: float = 500) -> Samples:
    return np.concatenate([silence(before_ms), sound, silence(after_ms)])


def opus(samples: Samples) -> Samples:
    """There and back through libopus."""
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="OGG", subtype="OPUS")
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("level_dbfs", [-18, -23, -30])
def test_speech_through_opus_begins_where_it_does(seed, level_dbfs):
    found = sounds_ms(opus(around(speech(900, seed, level_dbfs))))
    assert found[0][0] == pytest.approx(500, abs=2.5)
    assert found[-1][1] == pytest.approx(1_400, abs=15)  # a codec lets a word ring out


def test_an_edge_is_dated_to_a_quarter_of_a_millisecond():
    tone = (0.1 * np.sin(2 * np.pi * 1_000 * np.arange(ms(100)) / RATE_HZ)).astype(np.float32)
    [(start, end)] = sounds_ms(around(tone, 123.5))
    assert start == pytest.approx(123.5, abs=0.3)
    assert end == pytest.approx(223.5, abs=0.3)


def test_a_click_is_no_onset():
    recording = around(speech(600, 1))
    recording[ms(200) : ms(220)] = 0.9
    assert sounds_ms(recording)[0][0] == pytest.approx(500, abs=2)


def test_silence_has_no_sounds():
    assert sounds_ms(silence(1_000)) == []
    assert sounds_ms(np.zeros(0, np.float32)) == []


def test_steady_noise_is_a_floor_and_no_sound():
    noise = 0.01 * np.random.default_rng(1).standard_normal(RATE_HZ * 2).astype(np.float32)
    assert sounds_ms(noise) == []


def test_speech_stands_out_of_noise():
    noise = 0.003 * np.random.default_rng(1).standard_normal(ms(2_000)).astype(np.float32)
    found = sounds_ms(noise + around(speech(1_000, 3)))
    assert found[0][0] == pytest.approx(500, abs=5)


def test_sound_that_runs_into_the_end_ends_there():
    recording = np.concatenate([silence(300), speech(400, 1)])
    assert sounds_ms(recording)[-1][1] == 700
