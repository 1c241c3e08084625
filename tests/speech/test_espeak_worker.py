"""The speaking process: the same words give the same samples, and its end is told."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.errors import HarnessError
from harness.speech.espeak_worker import EspeakWorker, UnknownVoiceError


def start(worker: EspeakWorker) -> tuple[psutil.Process, np.ndarray]:
    """Its process, and what it says."""
    before = set(psutil.Process().children())
    samples = worker.speak("hello", "en-us", 170)
    (process,) = set(psutil.Process().children()) - before
    return process, samples


@pytest.mark.parametrize(("text", "voice"), [("hello there", "en-us"), ("hello there", "en-gb"), ("你好谢谢", "cmn")])
def test_a_voice_speaks_and_does_not_depend_on_what_was_said_before(text: str, voice: str) -> None:
    with EspeakWorker() as worker:
        first = worker.speak(text, voice, 170)
        worker.speak("She sells sea shells", "en-us", 300)
        again = worker.speak(text, voice, 170)
    assert worker.rate_hz == 22_050
    assert 0.3 < len(first) / 22_050 < 3.0
    assert np.abs(first).max() > 3_000
    assert np.array_equal(first, again)


def test_voices_and_rates_are_heard(espeak: EspeakWorker) -> None:
    plain = espeak.speak("what time is it", "en-us", 170)
    assert len(espeak.speak("what time is it", "en-us", 240)) < 0.9 * len(plain)
    assert not np.array_equal(espeak.speak("what time is it", "en-gb", 170), plain)


def test_a_voice_that_is_not_there_is_named_and_the_next_words_are_spoken(espeak: EspeakWorker) -> None:
    with pytest.raises(UnknownVoiceError, match="nosuchvoice"):
        espeak.speak("hello", "nosuchvoice", 170)
    assert len(espeak.speak("hello", "en-us", 170)) > 0


@pytest.mark.usefixtures("no_process_left")
def test_a_worker_that_was_killed_is_started_again() -> None:
    with EspeakWorker() as worker:
        killed, before = start(worker)
        killed.kill()
        killed.wait(5)
        assert np.array_equal(worker.speak("hello", "en-us", 170), before)


@pytest.mark.usefixtures("no_process_left")
def test_a_worker_that_dies_while_speaking_is_told() -> None:
    with EspeakWorker() as worker:
        stopped, _ = start(worker)
        stopped.suspend()  # it is there when the words are handed over, and gone before they are spoken
        with pytest.raises(HarnessError, match="ended while speaking 'good morning'"):
            speak_while(worker, "good morning", stopped)


def speak_while(worker: EspeakWorker, text: str, victim: psutil.Process) -> None:
    killer = threading.Timer(0.2, victim.kill)
    killer.start()
    try:
        worker.speak(text, "en-us", 170)
    finally:
        killer.join()


def test_the_gpl_library_is_never_in_the_harness_process(espeak: EspeakWorker) -> None:
    espeak.speak("hello", "en-us", 170)
    assert "espeak" not in Path("/proc/self/maps").read_text()
