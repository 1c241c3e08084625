"""Recordings in the place of a synthesiser: the same words give the same recording, without the quiet around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from runtime.engines.build import EngineBuilder
from runtime.engines.protocols import EngineError
from runtime.engines.recordings import RATE_HZ, RecordingsTextToSpeech
from runtime.settings import load_settings

KEYS = {"LIVEKIT_URL": "ws://h", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s"}
TEXTS = ("It is half past nine.", "That is ninety dollars.", "Okay, I stopped.", "Hello! How can I help?")


def tone(hz: float, seconds: float, rate_hz: int) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings of three rates, with a quarter of a second of silence on both sides."""
    place = tmp_path / "voices"
    place.mkdir()
    for name, rate_hz, hz in (("a.wav", 16_000, 300), ("b.flac", 44_100, 500), ("c.WAV", 48_000, 700)):
        quiet = np.zeros(rate_hz // 4, np.float32)
        soundfile.write(place / name, np.concatenate([quiet, tone(hz, 1.0, rate_hz), quiet]), rate_hz)
    (place / "notes.txt").write_text("not a recording")
    return place


async def said(engine: RecordingsTextToSpeech, text: str) -> np.ndarray:
    return np.concatenate([chunk async for chunk in engine.speak(text)])


def pitch_hz(samples: np.ndarray) -> float:
    middle = samples[len(samples) // 2 - RATE_HZ // 8 : len(samples) // 2 + RATE_HZ // 8].astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(middle * np.hanning(len(middle))))) * RATE_HZ / len(middle))


async def test_recordings_of_every_rate_are_spoken_at_one_without_the_quiet_around_them(folder: Path) -> None:
    engine = RecordingsTextToSpeech(folder, "turn")
    await engine.warm_up()
    for hz in (300, 500, 700, 300):
        samples = await said(engine, "anything")
        assert samples.dtype == np.int16
        assert pitch_hz(samples) == pytest.approx(hz, abs=5)
        assert len(samples) / RATE_HZ == pytest.approx(1.045, abs=0.01)
        assert np.flatnonzero(np.abs(samples) > 300)[0] < 0.010 * RATE_HZ


async def test_the_same_words_choose_the_same_recording_in_every_process(folder: Path) -> None:
    once, again = RecordingsTextToSpeech(folder), RecordingsTextToSpeech(folder)
    await once.warm_up()
    await again.warm_up()
    heard = [await said(once, text) for text in TEXTS]
    for text, samples in zip(reversed(TEXTS), reversed(heard), strict=True):
        assert np.array_equal(samples, await said(again, f"  {text.upper()} "))
    assert len({samples.tobytes() for samples in heard}) > 1


async def test_a_segment_that_is_not_wanted_any_more_ends_at_once(folder: Path) -> None:
    engine = RecordingsTextToSpeech(folder)
    await engine.warm_up()
    speech = engine.speak("Hello")
    await anext(speech)
    await speech.aclose()
    assert engine.health().ok


async def test_what_is_no_voice_is_named_before_a_call(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"nowhere: No such file or directory; name a folder"):
        await RecordingsTextToSpeech(tmp_path / "nowhere").warm_up()
    with pytest.raises(EngineError, match=r"there is no \.wav, \.flac, \.ogg in it"):
        await RecordingsTextToSpeech(tmp_path).warm_up()
    soundfile.write(tmp_path / "quiet.wav", np.zeros(16_000), 16_000)
    with pytest.raises(EngineError, match=r"quiet.wav: nothing is said in it"):
        await RecordingsTextToSpeech(tmp_path).warm_up()
    (tmp_path / "broken.wav").write_text("no sound")
    with pytest.raises(EngineError, match=r"broken.wav: not a sound file"):
        await RecordingsTextToSpeech(tmp_path).warm_up()


async def test_without_a_folder_it_says_how_to_get_the_human_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    with pytest.raises(EngineError, match="run `earwitness setup --human`"):
        await RecordingsTextToSpeech().warm_up()


async def test_the_engine_file_names_a_folder_beside_itself(folder: Path) -> None:
    file = folder.parent / "engines.toml"
    file.write_text('[tts]\nkind = "recordings"\nfolder = "voices"\norder = "turn"\n')
    settings = load_settings({**KEYS, "EARWITNESS_ENGINES": str(file)})
    engine = EngineBuilder(settings).build().tts
    assert isinstance(engine, RecordingsTextToSpeech)
    await engine.warm_up()
    assert pitch_hz(await said(engine, "x")) == pytest.approx(300, abs=5)
