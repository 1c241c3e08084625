"""Word times: each written word finds its own phonemes, also where speech runs words together or writes a number out."""

from __future__ import annotations

from harness.speech.voices import NEURAL, Voices
from harness.speech.word_times import Word, times_of_words
from runtime.voice.piper import Sounded


def sounding(phonemes: str) -> list[Sounded]:
    """10 samples each."""
    return [Sounded(phoneme, 10 * n, 10 * n + 10) for n, phoneme in enumerate(phonemes)]


def test_words_that_are_run_together_are_told_apart() -> None:
    tokens = [("of", "ʌv."), ("the", "ðə."), ("bill", "bˈɪl.")]
    assert times_of_words(tokens, sounding("ʌvðə bˈɪl.")) == (
        Word("of", 0, 20),
        Word("the", 20, 40),
        Word("bill", 50, 90),
    )


def test_a_number_is_one_word_however_many_are_spoken() -> None:
    tokens = [("is", "ɪz."), ("42", "fˈɔːɹɾi tˈuː."), ("now", "nˈaʊ.")]
    words = times_of_words(tokens, sounding("ɪz fˈɔːɹɾi tˈuː nˈaʊ."))
    assert [word.text for word in words] == ["is", "42", "now"]
    assert words[1] == Word("42", 30, 150)


def test_a_word_that_sounds_otherwise_in_its_sentence_takes_what_is_left_at_its_place() -> None:
    tokens = [("wait", "wˈeɪt."), ("a", "ˈeɪ."), ("bit", "bˈɪt.")]
    assert times_of_words(tokens, sounding("wˈeɪt ɐ bˈɪt."))[1] == Word("a", 60, 70)


def test_where_nothing_is_said_there_are_no_words() -> None:
    assert times_of_words([("...", "")], []) == ()


def test_the_neural_voice_gives_every_word_its_time_in_order(voices: Voices) -> None:
    speech = voices.speak("Stop, wait a moment. It is 5:30", NEURAL, 185)
    assert [word.text for word in speech.words] == ["Stop,", "wait", "a", "moment.", "It", "is", "5:30"]
    edges = [edge for word in speech.words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert 0 < edges[0] < edges[-1] <= len(speech.samples)
