"""Where the user stops is known in a noisy recording too, to what is stated, or it is said that it is not known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.errors import CaseError
from harness.history.environment import case_hash
from harness.model.case import Truth
from harness.speech import detector
from harness.speech.build import build_case
from harness.speech.case_file import load_case
from harness.speech.find import find_speech
from harness.speech.recording import _detect
from harness.speech.voices import Voices
from tests.speech.noises import LEAD_MS, RATE_HZ, Samples, in_a_room, words

VOICES = ("en-us", "en-gb", "en-us+f3", "en-us+m7", "de")


def built(folder: Path, sound: Samples, extra: str = "") -> Truth:
    soundfile.write(folder / "mine.wav", sound, RATE_HZ, subtype="PCM_16")
    path = folder / "mine.yaml"
    path.write_text(f"id: mine\ntitle: mine\ntier: P0\nspeech:\n  wav: mine.wav\n{extra}")
    with Voices() as voices:
        return build_case(load_case(path), path, folder / "cache", voices).truth


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize(
    ("kind", "below_db", "error_ms"), [("pink", 45, 20), ("pink", 30, 95), ("white", 45, 20), ("white", 35, 45)]
)
def test_the_end_of_words_is_found_in_noise_to_what_is_stated(
    tmp_path, espeak, voice, kind, below_db, error_ms
) -> None:
    spoken = words(espeak, "What time is it in Tokyo", voice)
    truth = built(tmp_path, in_a_room(spoken, kind, below_db, espeak))
    [utterance] = truth.utterances
    assert utterance.error_ms is not None
    assert utterance.error_ms <= error_ms
    assert utterance.start_sample / 48 == pytest.approx(LEAD_MS, abs=utterance.error_ms)
    assert utterance.end_sample / 48 == pytest.approx(LEAD_MS + len(spoken) / 48, abs=utterance.error_ms)
    [note] = truth.notes
    assert note.startswith("mine.wav: noise ")
    assert f"±{utterance.error_ms:.0f} ms" in note


def test_two_utterances_in_noise_stay_two(tmp_path, espeak) -> None:
    spoken = words(espeak, "Hello there", "en-us")
    both = np.concatenate([spoken, np.zeros(48_000), spoken])
    truth = built(tmp_path, in_a_room(both, "pink", 40, espeak))
    ends_ms = [LEAD_MS + len(spoken) / 48, LEAD_MS + len(both) / 48]
    assert [u.end_sample / 48 for u in truth.utterances] == [pytest.approx(end, abs=45) for end in ends_ms]


@pytest.mark.parametrize("voice", VOICES)
def test_a_clean_recording_keeps_what_its_level_says_to_the_sample(tmp_path, espeak, voice) -> None:
    pause = np.zeros(24_000)
    sound = np.concatenate([pause, words(espeak, "Please tell me the price.", voice), pause, 0.1 * pause])
    truth = built(tmp_path, sound)
    written, _ = soundfile.read(tmp_path / "mine.wav")
    assert [(u.start_sample, u.end_sample) for u in truth.utterances] == _detect(
        np.concatenate([written, np.zeros(48_000)])
    )
    assert [u.error_ms for u in truth.utterances] == [None]
    assert truth.notes == []


@pytest.mark.parametrize("below_db", [35, 30])
def test_words_among_other_voices_are_not_guessed(tmp_path, espeak, below_db) -> None:
    spoken = words(espeak, "What time is it in Tokyo", "en-us")
    with pytest.raises(CaseError, match="voices") as told:
        built(tmp_path, in_a_room(spoken, "voices", below_db, espeak))
    assert "speech.wav: mine.wav" in str(told.value)
    assert "speech.truth" in str(told.value)


def test_what_noise_hides_is_told_with_the_noise_and_the_option(tmp_path, espeak) -> None:
    spoken = words(espeak, "Hello there", "en-us")
    with pytest.raises(CaseError, match=r"noise \d+ dB below the loudest sound") as told:
        built(tmp_path, in_a_room(spoken, "pink", 12, espeak))
    assert "speech.truth" in str(told.value)


def test_noise_alone_is_nobody(tmp_path, espeak) -> None:
    with pytest.raises(CaseError, match="nobody is heard to speak"):
        built(tmp_path, 0.02 * np.random.default_rng(1).standard_normal(3 * RATE_HZ))


def test_an_annotation_settles_it(tmp_path, espeak) -> None:
    sound = in_a_room(words(espeak, "Hello there", "en-us"), "voices", 30, espeak)
    [utterance] = built(tmp_path, sound, "  truth:\n    - {start_ms: 1000, end_ms: 1640}\n").utterances
    assert (utterance.start_sample, utterance.end_sample, utterance.error_ms) == (48_000, 78_720, None)


def test_a_noise_after_the_last_word_is_named_and_widens_the_error(tmp_path, espeak) -> None:
    spoken, rng = words(espeak, "Hello there", "en-us"), np.random.default_rng(2)
    rustle = 0.02 * rng.standard_normal(28_800) * np.hanning(28_800)
    sound = np.concatenate([np.zeros(24_000), spoken, np.zeros(24_000), rustle, np.zeros(24_000)])
    truth = built(tmp_path, sound)
    [utterance] = truth.utterances
    assert utterance.error_ms is not None
    assert utterance.end_sample / 48 == pytest.approx(500 + len(spoken) / 48, abs=utterance.error_ms)
    assert "speech detector" in truth.notes[0]


def test_without_the_detector_noise_is_told_and_a_clean_recording_is_read(tmp_path, espeak, monkeypatch) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path / "nothing"))
    detector._session.cache_clear()
    spoken = words(espeak, "Hello there", "en-us")
    clean = np.concatenate([np.zeros(24_000), spoken, np.zeros(24_000)])
    try:
        assert find_speech(clean, _detect(clean)).utterances[0].end_sample == _detect(clean)[0][1]
        noisy = in_a_room(spoken, "pink", 40, espeak)
        told = find_speech(noisy, _detect(noisy)).cannot_tell
    finally:
        detector._session.cache_clear()
    assert "earwitness setup" in told


def test_how_surely_it_is_known_is_no_part_of_what_a_case_is_in_the_history(tmp_path, espeak) -> None:
    truth = built(tmp_path, in_a_room(words(espeak, "Hello there", "en-us"), "pink", 40, espeak))
    surer = truth.model_copy(update={"utterances": [u.model_copy(update={"error_ms": None}) for u in truth.utterances]})
    assert case_hash(truth) == case_hash(surer)
