"""The neural voice: the same phonemes give the same samples, and the phonemes' durations add up to them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from runtime.voice.piper import FRAME_SAMPLES, LEAD, PiperVoice, phoneme_ids

HELLO = "həlˈoʊ!"


@pytest.fixture(scope="module")
def voice() -> PiperVoice:
    return PiperVoice()


def test_the_same_phonemes_give_the_same_samples_also_after_others(voice: PiperVoice) -> None:
    first = voice.say(HELLO)
    voice.say("wˌʌt tˈaɪm ɪz ɪt?")
    assert np.array_equal(voice.say(HELLO).samples, first.samples)


def test_the_durations_of_the_phonemes_add_up_to_what_is_heard(voice: PiperVoice) -> None:
    said = voice.say("wˌʌt tˈaɪm ɪz ɪt?")
    assert len(said.frames) == len(said.ids)
    assert said.frames.sum() * FRAME_SAMPLES == len(said.samples)
    assert np.all(said.frames >= 1)


def test_each_phoneme_has_its_time_in_order_and_they_fill_what_is_between_begin_and_end(voice: PiperVoice) -> None:
    said = voice.say("wˌʌtX tˈaɪm")  # X is no phoneme
    sounded = said.sounded()
    assert [one.phoneme for one in sounded] == list("wˌʌt tˈaɪm")
    assert all(before.end == after.start for before, after in pairwise(sounded))
    assert sounded[0].start == said.frames[:2].sum() * FRAME_SAMPLES
    assert sounded[-1].end == len(said.samples) - said.frames[-1] * FRAME_SAMPLES


def test_after_the_lead_a_sibilant_begins_from_silence(voice: PiperVoice) -> None:
    first_5_ms = voice.say(LEAD + "sˈɪks.").samples[:110]
    assert 20 * np.log10(np.sqrt(np.mean(first_5_ms**2)) + 1e-9) < -70  # without it: −50


def test_a_length_scale_above_one_speaks_slower(voice: PiperVoice) -> None:
    plain, slow = voice.say(HELLO), voice.say(HELLO, 1.5)
    assert 1.3 < len(slow.samples) / len(plain.samples) < 1.7


def test_a_word_is_loud_and_unclipped(voice: PiperVoice) -> None:
    samples = voice.say(HELLO).samples
    assert 0.1 < np.max(np.abs(samples)) < 1.0


def test_pads_stand_between_phonemes_and_what_was_never_learnt_is_left_out() -> None:
    id_of = {"_": 0, "^": 1, "$": 2, "a": 14, "b": 15}
    assert phoneme_ids("aXb", id_of).tolist() == [1, 0, 14, 0, 15, 0, 2]
