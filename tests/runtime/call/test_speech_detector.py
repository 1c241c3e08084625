"""Where speech starts, pauses and ends, and what the hangover is counted from."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.call.speech_detector import SpeechDetector, SpeechEvent, SpeechKind, SteppedVad
from runtime.call.turn_detector import FixedTurnDetector, Hangover, Pause

RATE = 16_000


class LoudIsSpeech:
    """A VAD for the tests of what is built on it: a window is speech if it is loud, or was within its tail."""

    rate_hz, window_samples = RATE, 512

    def __init__(self, tail_windows: int = 0) -> None:
        self.tail_windows, self._since = tail_windows, 99

    def probability(self, window: np.ndarray) -> float:
        loud = float(np.sqrt(np.mean((window / 32768.0) ** 2))) > 0.01
        self._since = 0 if loud else self._since + 1
        return float(self._since <= self.tail_windows)


def run_detector(
    signal: np.ndarray, silence_ms: float = 200.0, tail_windows: int = 0, echo: slice = slice(0)
) -> list[SpeechEvent]:
    detector = SpeechDetector(SteppedVad(lambda: LoudIsSpeech(tail_windows)), FixedTurnDetector(silence_ms))
    echoes = np.zeros(len(signal) // 160, bool)
    echoes[echo] = True
    events = [
        detector.feed(signal[k * 160 : (k + 1) * 160], 10.0 * (k + 1), not echoes[k]) for k in range(len(signal) // 160)
    ]
    return [event for event in events if event is not None]


def kinds(events: list[SpeechEvent], *wanted: SpeechKind) -> list[SpeechEvent]:
    return [event for event in events if event.kind in wanted]


def decided_at_ms(signal: np.ndarray, silence_ms: float, tail_windows: int) -> float:
    detector = SpeechDetector(SteppedVad(lambda: LoudIsSpeech(tail_windows)), FixedTurnDetector(silence_ms))
    for k in range(len(signal) // 160):
        event = detector.feed(signal[k * 160 : (k + 1) * 160], 10.0 * (k + 1))
        if event is not None and event.kind is SpeechKind.ENDED:
            return 10.0 * (k + 1)
    raise AssertionError("the speech did not end")


def speech(ms: int, level: float = 0.2) -> np.ndarray:
    return (level * 32767 * np.sin(np.arange(ms * 16) / 5)).astype(np.int16)


def quiet(ms: int, noise: float = 0.0) -> np.ndarray:
    return (noise * 32767 * np.random.default_rng(0).standard_normal(ms * 16)).astype(np.int16)


@pytest.mark.parametrize(("noise", "within_ms"), [(0.0, 20), (0.002, 20), (0.006, 100)])
def test_the_end_of_turn_is_the_last_voiced_frame_not_the_decision(noise: float, within_ms: float) -> None:
    signal = np.concatenate([quiet(500, noise), speech(800), quiet(600, noise)])
    (ended,) = kinds(run_detector(signal), SpeechKind.ENDED)
    assert ended.eot_ms is not None
    assert abs(ended.eot_ms - 1300) <= within_ms
    assert ended.is_turn


@pytest.mark.parametrize("length_ms", range(800, 900, 10))
@pytest.mark.parametrize("tail_windows", [0, 3])
def test_the_hangover_is_counted_from_the_last_voiced_frame_whatever_the_detectors_grid_and_tail(
    length_ms: int, tail_windows: int
) -> None:
    signal = np.concatenate([quiet(320), speech(length_ms), quiet(600)])
    assert 200 <= decided_at_ms(signal, 200.0, tail_windows) - (320 + length_ms) <= 210


def test_while_the_detector_still_hears_speech_it_does_not_end() -> None:
    signal = np.concatenate([quiet(320), speech(800), quiet(900)])
    assert decided_at_ms(signal, 100.0, tail_windows=8) >= 1120 + 8 * 16


def test_a_pause_below_the_hangover_does_not_end_the_turn() -> None:
    signal = np.concatenate([quiet(300), speech(400), quiet(150), speech(400), quiet(500)])
    events = run_detector(signal)
    assert len(kinds(events, SpeechKind.ENDED)) == 1
    told = [event.kind for event in kinds(events, SpeechKind.PAUSED, SpeechKind.RESUMED)]
    assert told == [SpeechKind.PAUSED, SpeechKind.RESUMED, SpeechKind.PAUSED]


def test_every_sample_of_the_speech_is_passed_on_once() -> None:
    signal = np.concatenate([quiet(500), speech(400), quiet(150), speech(400), quiet(500)])
    events = run_detector(signal)
    heard = np.concatenate([event.audio for event in events])
    first = 500 * 16 - 320 * 16 + 160
    assert np.array_equal(heard[-800 * 16 :], signal[: len(heard) + _offset(signal, heard)][-800 * 16 :])
    assert len(heard) >= (400 + 150 + 400 + 200) * 16, first


def _offset(signal: np.ndarray, heard: np.ndarray) -> int:
    return next(k for k in range(0, len(signal), 160) if np.array_equal(signal[k : k + len(heard)], heard))


def test_a_click_is_no_turn() -> None:
    signal = np.concatenate([quiet(320), speech(20), quiet(500)])
    assert all(not event.is_turn for event in kinds(run_detector(signal), SpeechKind.ENDED))


def test_a_keyboard_after_the_last_word_does_not_hold_the_turn_open() -> None:
    click = quiet(10, 0.05)
    typing = np.concatenate([np.concatenate([click, quiet(90)]) for _ in range(20)])

    class OnlyTheVoice(LoudIsSpeech):
        def probability(self, window: np.ndarray) -> float:
            spectrum = np.abs(np.fft.rfft(window))
            return float(super().probability(window) and spectrum.max() > 20 * np.median(spectrum))

    detector = SpeechDetector(SteppedVad(OnlyTheVoice), FixedTurnDetector(200.0))
    signal = np.concatenate([quiet(320), speech(800), quiet(300), typing])
    ended = [
        k * 10
        for k in range(len(signal) // 160)
        if (event := detector.feed(signal[k * 160 : (k + 1) * 160], 10.0 * (k + 1))) and event.kind is SpeechKind.ENDED
    ]
    assert ended
    assert ended[0] <= 1350


def test_the_agents_echo_is_no_speech_and_does_not_lengthen_it() -> None:
    echoed = np.concatenate([quiet(320), speech(800), quiet(500)])
    assert not run_detector(echoed, echo=slice(0, None))
    after = np.concatenate([quiet(320), speech(800), speech(500, 0.05), quiet(500)])
    (ended,) = kinds(run_detector(after, echo=slice(112, None)), SpeechKind.ENDED)
    assert ended.eot_ms == pytest.approx(1120, abs=20)


def test_the_turn_detector_is_asked_with_what_is_known_and_its_answer_is_traced() -> None:
    asked: list[Pause] = []

    class Patient:
        def hangover(self, pause: Pause) -> Hangover:
            asked.append(pause)
            return Hangover(400.0, "because")

    words = "so far"
    detector = SpeechDetector(SteppedVad(LoudIsSpeech), Patient(), lambda: words)
    signal = np.concatenate([quiet(320), speech(800), quiet(700)])
    events = [detector.feed(signal[k * 160 : (k + 1) * 160], 10.0 * (k + 1)) for k in range(len(signal) // 160)]
    (ended,) = [event for event in events if event is not None and event.kind is SpeechKind.ENDED]
    assert ended.hangover == Hangover(400.0, "because")
    assert asked[0].partial_text == "so far"
    assert asked[0].prosody is not None
    assert 400 <= asked[-1].silent_ms <= 410
