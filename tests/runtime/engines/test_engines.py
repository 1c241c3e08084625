"""The embedded engines in their own processes: Silero hears speech and not noise, pocketsphinx spots phrases, espeak streams.

A worker that dies is an error of that call alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import psutil
import pytest
import soundfile
from scipy.signal import resample_poly

from harness.model.plan import BuiltCase
from runtime.audio.vad_silero import SileroVad
from runtime.call.speech_detector import SpeechDetector, SpeechKind, SteppedVad
from runtime.call.turn_detector import FixedTurnDetector
from runtime.engines.espeak import EspeakTextToSpeech
from runtime.engines.protocols import EngineError
from runtime.engines.sphinx import SphinxSpeechToText

pytestmark = pytest.mark.usefixtures("no_process_left")


def at_16_khz(case: BuiltCase) -> np.ndarray:
    samples, _ = soundfile.read(case.wav)
    return (np.clip(resample_poly(samples, 1, 3), -1, 1) * 32767).astype(np.int16)


def turns(signal_16k: np.ndarray) -> int:
    detector = SpeechDetector(SteppedVad(SileroVad), FixedTurnDetector(200.0))
    frames = signal_16k[: len(signal_16k) // 160 * 160].reshape(-1, 160)
    events = [detector.feed(frame, 10.0 * k) for k, frame in enumerate(frames)]
    return sum(event is not None and event.kind is SpeechKind.ENDED and event.is_turn for event in events)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("question_short", 1), ("endpoint_short_hello", 1), ("quiet_speech_-30dBFS", 1), ("endpoint_long_sentence", 1),
     ("endpoint_mid_pause_300ms", 2), ("silence_only", 0), ("noise_only", 0)],
)  # fmt: skip
def test_silero_hears_the_turns_of_the_shipped_cases(
    built: Callable[[str], BuiltCase], name: str, expected: int
) -> None:
    signal_16k = np.concatenate([at_16_khz(built(name)), np.zeros(16_000, np.int16)])
    assert turns(signal_16k) == expected


@pytest.mark.parametrize(
    ("name", "phrase"),
    [("question_short", "what time is it"), ("long_reply_story", "story"), ("speed_drift", "the price is")],
)
async def test_pocketsphinx_spots_the_phrases(built: Callable[[str], BuiltCase], name: str, phrase: str) -> None:
    stt = SphinxSpeechToText()
    try:
        await stt.warm_up()
        transcription = await stt.open()
        sound = at_16_khz(built(name))
        for start in range(0, len(sound), 512):
            transcription.push(sound[start : start + 512])
        heard = await transcription.finish()
    finally:
        await stt.aclose()
    assert phrase in heard.phrases


async def test_for_two_users_at_once_two_recognisers_are_warm() -> None:
    stt = SphinxSpeechToText(at_once=2)
    try:
        await stt.warm_up()
        assert len({worker.pid for worker in stt._idle}) == 2
        warm = {worker.pid for worker in stt._idle}
        one, two = await stt.open(), await stt.open()
        assert {one.worker.pid, two.worker.pid} == warm
    finally:
        await stt.aclose()


@pytest.mark.parametrize("silence_ms", [100, 200, 500])
async def test_a_phrase_is_spotted_however_little_silence_followed_it(
    built: Callable[[str], BuiltCase], silence_ms: int
) -> None:
    """A reply is prepared ahead after 100 ms."""
    case = built("long_reply_story")
    end = (case.truth.utterances[-1].end_sample + silence_ms * 48) // 3
    sound = np.pad(at_16_khz(case), (0, 16_000))[:end]
    stt = SphinxSpeechToText()
    try:
        transcription = await stt.open()
        transcription.push(sound)
        heard = await transcription.finish()
    finally:
        await stt.aclose()
    assert "story" in heard.phrases


async def test_two_users_at_once_do_not_share_a_recogniser(built: Callable[[str], BuiltCase]) -> None:
    stt = SphinxSpeechToText()
    try:
        one, two = await stt.open(), await stt.open()
        one.push(at_16_khz(built("question_short")))
        two.push(at_16_khz(built("long_reply_story")))
        first, second = await one.finish(), await two.finish()
    finally:
        await stt.aclose()
    assert "what time is it" in first.phrases
    assert "story" in second.phrases


def kill_worker(module: str) -> None:
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # the worker's child for one segment has just ended
            if module in " ".join(process.cmdline()):
                process.kill()


async def test_a_dead_recogniser_costs_one_turn(built: Callable[[str], BuiltCase]) -> None:
    stt = SphinxSpeechToText()
    try:
        transcription = await stt.open()
        kill_worker("sphinx_process")
        with pytest.raises(EngineError):
            await transcription.finish()
        again = await stt.open()
        again.push(at_16_khz(built("question_short")))
        assert (await again.finish()).phrases
    finally:
        await stt.aclose()


async def test_espeak_streams_and_a_dead_one_costs_one_segment() -> None:
    tts = EspeakTextToSpeech()
    try:
        await tts.warm_up()
        chunks = [chunk async for chunk in tts.speak("This is a sentence of some length, to be streamed.")]
        assert len(chunks) > 5, "it comes in chunks"
        again = [chunk async for chunk in tts.speak("This is a sentence of some length, to be streamed.")]
        assert np.array_equal(np.concatenate(chunks), np.concatenate(again)), "the same text is spoken alike"
        kill_worker("espeak_process")
        with pytest.raises(EngineError):
            async for _ in tts.speak("Are you there?"):
                pass
        assert [chunk async for chunk in tts.speak("Are you there?")]
    finally:
        await tts.aclose()
