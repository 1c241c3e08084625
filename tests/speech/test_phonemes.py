"""Text → phonemes, in the process that holds espeak-ng: sentences, with the marks that a neural voice reads."""

from __future__ import annotations

import pytest

from harness.speech.espeak_worker import EspeakWorker, UnknownVoiceError


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("Hello!", ["!"]),
        ("What time is it", ["."]),  # a sentence ends, also where its writer left the full stop out
        ("Hello, what time is it?", [",?"]),
        ("Wait; really? Yes: now.", [";?", ":."]),
        ('She said "stop." Then she left', [".", "."]),
        ("Really?! Well…", ["!", "."]),
        ("Come in, please,", [",."]),
        ("Ein Café. Noch eins", [".", "."]),
    ],
)
def test_sentences_and_their_marks_are_kept(espeak: EspeakWorker, text: str, marks: list[str]) -> None:
    sentences = espeak.phonemes(text, "en-us")
    assert ["".join(c for c in sentence if c in ".,:;?!") for sentence in sentences] == marks


def test_words_are_phonemes_with_their_stress(espeak: EspeakWorker) -> None:
    assert espeak.phonemes("Hello, what time is it", "en-us") == ["həlˈoʊ, wˌʌt tˈaɪm ɪz ɪt."]


def test_numbers_are_spoken_out_and_words_of_other_languages_leave_no_flag(espeak: EspeakWorker) -> None:
    (sentence,) = espeak.phonemes("42 dollars for 你好", "en-us")
    assert "fˈɔːɹɾi" in sentence
    assert "(" not in sentence


@pytest.mark.parametrize("text", ["", "...", "—", " \n"])
def test_where_nothing_is_to_be_said_there_is_no_sentence(espeak: EspeakWorker, text: str) -> None:
    assert espeak.phonemes(text, "en-us") == []


def test_phonemes_and_speech_come_from_one_process_in_any_order(espeak: EspeakWorker) -> None:
    before = espeak.speak("good morning", "en-us", 185)
    assert espeak.phonemes("good morning", "en-us")
    assert (espeak.speak("good morning", "en-us", 185) == before).all()


def test_phonemes_of_a_language_that_is_not_there_are_refused(espeak: EspeakWorker) -> None:
    with pytest.raises(UnknownVoiceError, match="nobody"):
        espeak.phonemes("good morning", "nobody")
