"""The end of a known utterance, found in what arrives frame by frame."""

from __future__ import annotations

import numpy as np
import pytest

from bots.known_ear import FRAME_SAMPLES, HeardEnd, KnownEar
from tests.listen.captures import codec, ms, silence, speech

T0_MS = 1_000_000.0
WORDS = [speech(600, 1), speech(500, 2), speech(700, 3, pauses=((300, 420),))]


def listen(ear: KnownEar, stream: np.ndarray, late: float = 0.0) -> list[tuple[int, HeardEnd]]:
    """(frame number, end) of each; frames arrive when their first tick is due, up to `late` ms later."""
    rng = np.random.default_rng(1)
    samples = np.round(np.clip(stream, -1, 1) * 32767).astype(np.int16)
    found = []
    for number in range(len(samples) // FRAME_SAMPLES):
        t_ms = T0_MS + 10.0 * number + rng.exponential(late) * (number % 5 != 0) if late else T0_MS + 10.0 * number
        end = ear.feed(t_ms, samples[number * FRAME_SAMPLES : (number + 1) * FRAME_SAMPLES])
        if end is not None:
            found.append((number, end))
    return found


def said(*which: int, gap_ms: float = 900.0) -> tuple[np.ndarray, list[float]]:
    """The stream, and the true end of each utterance in ms."""
    stream, ends = silence(333), []
    for index in which:
        stream = np.concatenate([stream, WORDS[index]])
        ends.append(len(stream) / 48)
        stream = np.concatenate([stream, silence(gap_ms)])
    return stream, ends


@pytest.mark.parametrize("late", [0.0, 3.0])
def test_the_last_voiced_sample_is_found_to_a_tenth_of_a_millisecond(late: float) -> None:
    stream, ends = said(0, 1, 2)
    found = listen(KnownEar(WORDS), codec(stream), late)
    assert [end.index for _, end in found] == [0, 1, 2]
    for (number, end), true_ms in zip(found, ends, strict=True):
        assert end.mono_ms == pytest.approx(T0_MS + true_ms, abs=0.15)
        assert 10 * number - true_ms < 170, "early enough for an answer 400 ms after the end"


def test_a_pause_within_the_words_is_not_their_end() -> None:
    stream, ends = said(2)
    (found,) = listen(KnownEar([WORDS[2]]), stream)
    assert found[1].mono_ms == pytest.approx(T0_MS + ends[0], abs=0.15)


def test_an_utterance_that_is_lost_does_not_block_the_next() -> None:
    stream, _ = said(1, 2)
    assert [end.index for _, end in listen(KnownEar(WORDS), stream)] == [1, 2]


def test_other_speech_and_clicks_are_nobody() -> None:
    stream = np.concatenate([silence(300), speech(800, 99), silence(500)])
    stream[ms(1_400)] = 0.9
    assert listen(KnownEar(WORDS), stream) == []
