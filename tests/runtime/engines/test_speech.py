"""Speech over HTTP, against the product's own server and against one that misbehaves: what is no sound is refused."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from runtime.engines.endpoint import Endpoint, StreamCutError
from runtime.engines.openai_speech import SpeechEndpoint, SpeechOptions
from runtime.engines.pcm import PcmFormat
from runtime.engines.protocols import EngineError
from runtime.engines.wav_bytes import streamed_wav_header, wav_bytes
from tests.model import wavs
from tests.runtime.engines.conftest import KEY, PATIENT, Misbehaving, answers, streams

PCM = "audio/pcm"
RAMP = np.arange(-2_000, 2_000, dtype=np.int16)


def speech(misbehaving: Misbehaving, encoding: PcmFormat = "pcm") -> SpeechEndpoint:
    return SpeechEndpoint(misbehaving.endpoint(), SpeechOptions("m", "v", 24_000, encoding))


async def spoken(tts: SpeechEndpoint) -> np.ndarray:
    try:
        chunks = [chunk async for chunk in tts.speak("Hello")]
    finally:
        await tts.aclose()
    return np.concatenate(chunks) if chunks else np.empty(0, np.int16)


@pytest.mark.parametrize("encoding", ["pcm", "wav"])
async def test_the_served_voice_comes_over_unchanged(served: str, encoding: PcmFormat) -> None:
    tts = SpeechEndpoint(Endpoint("tts", served, KEY, PATIENT), SpeechOptions("espeak-ng", "v", 24_000, encoding))
    await tts.warm_up()
    heard = await spoken(tts)
    assert len(heard) == len("Hello") * 240
    assert np.all(np.abs(heard[100:-100].astype(int) - 1_000) <= 2)
    assert tts.metrics.snapshot()["first_ms_p50"] is not None


@pytest.mark.parametrize("step", [1, 3, 1_000])
async def test_samples_may_be_split_over_chunks(misbehaving: Misbehaving, step: int) -> None:
    data = RAMP.tobytes() if step > 1 else RAMP[:200].tobytes()
    misbehaving.answering = streams(*(data[k : k + step] for k in range(0, len(data), step)), kind=PCM)
    assert np.array_equal(await spoken(speech(misbehaving)), np.frombuffer(data, np.int16))


async def test_a_wav_is_read_while_it_is_written(misbehaving: Misbehaving) -> None:
    data = streamed_wav_header(24_000) + RAMP.tobytes()
    misbehaving.answering = streams(data[:7], data[7:30], data[30:60], data[60:], kind="audio/wav")
    assert np.array_equal(await spoken(speech(misbehaving, "wav")), RAMP)


@pytest.mark.parametrize("kind", [*wavs.STREAMED, *wavs.RIGHT, *wavs.UNPADDED])
@pytest.mark.parametrize("step", [997, 1_000_000])
async def test_a_wav_is_read_whatever_its_header_claims(misbehaving: Misbehaving, kind: str, step: int) -> None:
    data = (wavs.STREAMED | wavs.RIGHT | wavs.UNPADDED)[kind]
    assert np.array_equal(await heard_in(misbehaving, data, step), wavs.SAMPLES)


@pytest.mark.parametrize("kind", wavs.TWICE)
@pytest.mark.parametrize("step", [997, 1_000_000])
async def test_a_wav_a_sentence_is_one_voice(misbehaving: Misbehaving, kind: str, step: int) -> None:
    heard = await heard_in(misbehaving, wavs.TWICE[kind], step)
    assert np.array_equal(heard, np.concatenate([wavs.SAMPLES] * 2))


@pytest.mark.parametrize("step", range(1, 14))
async def test_a_voice_that_ends_like_the_beginning_of_another_wav_is_not_held_back(
    misbehaving: Misbehaving, step: int
) -> None:
    data = wavs.wav(data=wavs.SAID[:100] + b"RIFF\x10\x20\x30\x40WA", size=0xFFFFFFFF)
    assert (await heard_in(misbehaving, data, step)).tobytes() == data[44:]


@pytest.mark.parametrize("kind", wavs.CUT)
async def test_a_wav_that_ends_before_its_header_says_is_told(misbehaving: Misbehaving, kind: str) -> None:
    with pytest.raises(EngineError, match=r"the WAV ended \d+ bytes before its header says: it was cut"):
        await heard_in(misbehaving, wavs.CUT[kind], 1_000_000)


async def heard_in(misbehaving: Misbehaving, data: bytes, step: int) -> np.ndarray:
    """What a server says with these bytes, `step` at a time."""
    misbehaving.answering = streams(*(data[k : k + step] for k in range(0, len(data), step)), kind="audio/wav")
    return await spoken(SpeechEndpoint(misbehaving.endpoint(), SpeechOptions("m", "v", wavs.RATE_HZ, "wav")))


async def test_float_samples_are_scaled(misbehaving: Misbehaving) -> None:
    misbehaving.answering = answers(200, np.array([0.0, 0.5, -1.0, 2.0], "<f4").tobytes(), PCM)
    assert list(await spoken(speech(misbehaving, "pcm_f32"))) == [0, 16_384, -32_768, 32_767]


FLOATS_WITH_NAN = np.array([0.0, np.nan, 0.1], "<f4").tobytes()
FLOATS_WITH_INF = np.array([0.0, np.inf, 0.1], "<f4").tobytes()


@pytest.mark.parametrize(
    ("body", "kind", "encoding", "says"),
    [
        (FLOATS_WITH_NAN, PCM, "pcm_f32", "NaN"),
        (FLOATS_WITH_INF, PCM, "pcm_f32", "NaN or infinity"),
        (RAMP.tobytes()[:-1], PCM, "pcm", "inside a sample"),
        (b'{"error": "no such voice"}', "application/json", "pcm", "no such voice"),
        (b"<html>oops</html>", "text/html", "pcm", "text/html where sound is expected"),
        (RAMP.tobytes(), "audio/pcm;rate=16000", "pcm", "16000 Hz, configured is rate_hz = 24000"),
        (wav_bytes(RAMP, 8_000), "audio/wav", "wav", "8000 Hz, configured is rate_hz = 24000"),
        (b"ID3\x04 an MP3 of some sort", "audio/mpeg", "wav", "expected a WAV"),
        (b"RIFF\x00\x00\x00\x00WAVE" + b"junk\xff\xff\x00\x00" + b"\0" * 9_000, "audio/wav", "wav", "no data chunk"),
        (b"RIFF", "audio/wav", "wav", "before its sound began"),
        (bytes(2 * 24_000 * 125), PCM, "pcm", "more than 120 s"),
    ],
    ids=[
        "nan",
        "infinity",
        "half a sample",
        "json",
        "html",
        "rate",
        "wav rate",
        "mp3",
        "no data",
        "cut header",
        "no end",
    ],
)
async def test_what_is_no_sound_is_refused(
    misbehaving: Misbehaving, body: bytes, kind: str, encoding: PcmFormat, says: str
) -> None:
    misbehaving.answering = streams(body, kind=kind)
    tts = speech(misbehaving, encoding)
    with pytest.raises(EngineError, match=says):
        await spoken(tts)
    assert not tts.health().ok


async def test_speech_that_is_cut_is_an_error_after_what_came(misbehaving: Misbehaving) -> None:
    misbehaving.answering = streams(RAMP.tobytes(), kind=PCM, cut=True)
    tts = speech(misbehaving)
    chunks = tts.speak("Hello")
    assert len(await anext(chunks)) > 0, "what has come is passed on"
    with pytest.raises(StreamCutError):
        _ = [chunk async for chunk in chunks]
    await tts.aclose()


async def test_speech_that_is_not_wanted_any_more_is_closed(misbehaving: Misbehaving) -> None:
    misbehaving.answering = streams(RAMP.tobytes(), misbehaving.never, kind=PCM)
    tts = speech(misbehaving)
    chunks = tts.speak("Hello")
    assert len(await anext(chunks)) > 0
    await chunks.aclose()
    async with asyncio.timeout(10):
        await misbehaving.gone.wait()
    await tts.aclose()


async def test_a_server_that_speaks_no_sound_is_not_ready(misbehaving: Misbehaving) -> None:
    misbehaving.answering = streams(kind=PCM)
    tts = speech(misbehaving)
    with pytest.raises(EngineError, match="no sound"):
        await tts.warm_up()
    await tts.aclose()


@pytest.mark.parametrize("text", [" 😀", "—", "…!", ""])
async def test_what_nobody_can_say_is_not_asked_for(misbehaving: Misbehaving, text: str) -> None:
    misbehaving.answering = answers(400, b"nothing to speak")
    tts = speech(misbehaving)
    assert [chunk async for chunk in tts.speak(text)] == []
    await tts.aclose()
    assert misbehaving.bodies == []
