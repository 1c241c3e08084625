"""Spectral fingerprints: blind to level and length of silence, not to what changes the sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from harness.errors import UsageError
from harness.listen.against import SPECTRUM_DB, held_against
from harness.listen.measure import listen
from harness.listen.metrics.spectrum import spectral_distance_db, take_spectrum
from tests.listen.captures import RATE_HZ, ms, silence, simple_call, speech

WORDS = speech(1_500, 3)


def print_of(samples):
    spectrum = take_spectrum(samples)
    assert spectrum is not None
    return spectrum


@settings(max_examples=15, deadline=None)
@given(gain_db=st.floats(-20, 6), before_ms=st.integers(0, 400), after_ms=st.integers(0, 400))
def test_level_and_silence_do_not_change_it(gain_db, before_ms, after_ms):
    padded = np.concatenate([silence(before_ms), WORDS * np.float32(10 ** (gain_db / 20)), silence(after_ms)])
    assert spectral_distance_db(print_of(WORDS), print_of(padded)) < 0.5


@pytest.mark.parametrize("cutoff_hz", [3_400, 5_000])
def test_missing_highs_change_it(cutoff_hz):
    dull = sosfilt(butter(8, cutoff_hz, fs=RATE_HZ, output="sos"), WORDS).astype(np.float32)
    assert spectral_distance_db(print_of(WORDS), print_of(dull)) > SPECTRUM_DB
    assert print_of(dull).rolloff_hz <= print_of(WORDS).rolloff_hz


def test_what_is_too_short_or_silent_has_none():
    assert take_spectrum(WORDS[: ms(100)]) is None
    assert take_spectrum(silence(1_000)) is None


def test_a_reply_that_sounds_as_stored_is_not_told_and_another_is(tmp_path):
    stored = listen(simple_call().write(tmp_path / "stored"))
    same = held_against(listen(simple_call().write(tmp_path / "same")), stored)
    assert same.turns[0].metrics["spectral_distance_ear_db"].value == 0.0
    assert not [d for d in same.turns[0].defects if d.kind == "spectrum"]

    def dull(x):
        return sosfilt(butter(8, 3_400, fs=RATE_HZ, output="sos"), x).astype(np.float32)

    other = held_against(listen(simple_call(at_ear=dull).write(tmp_path / "other")), stored)
    assert {d.ring for d in other.turns[0].defects if d.kind == "spectrum"} == {"ear"}


def test_a_measurement_of_another_case_is_refused(tmp_path):
    stored = listen(simple_call().write(tmp_path / "stored"))
    other = stored.model_copy(update={"case_id": "another"})
    with pytest.raises(UsageError, match=r"--against: .* is of case another"):
        held_against(stored, other)
