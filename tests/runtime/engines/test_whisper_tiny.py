"""Whisper's tiny.en hears the neural voice's words, and says what it lacks where it is not there."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from runtime.audio.resampler import StreamingResampler
from runtime.engines.protocols import EngineError
from runtime.engines.whisper_by_ctranslate2 import prompt, text_of
from runtime.engines.whisper_features import BANDS, log_mel, mel_bands
from runtime.engines.whisper_tiny import TinyWhisperSpeechToText
from runtime.voice.piper import RATE_HZ, PiperVoice


async def heard(sentences: dict[str, str]) -> dict[str, str]:
    pytest.importorskip("ctranslate2", reason="needs the extra neural, which `make setup` installs")
    voice, stt = PiperVoice(), TinyWhisperSpeechToText()
    found = {}
    try:
        await stt.warm_up()
        for text, phonemes in sentences.items():
            resampler = StreamingResampler(RATE_HZ, 16_000)
            samples = np.rint(32_767 * voice.say(phonemes).samples).astype(np.int16)
            transcription = await stt.open()
            transcription.push(resampler.push(samples))
            transcription.push(resampler.flush())
            found[text] = (await transcription.finish()).text
    finally:
        await stt.aclose()
    return found


async def test_a_neural_caller_is_understood() -> None:
    said = {
        "What time is it?": "wˌʌt tˈaɪm ɪz ɪt?",
        "Can I hear a story?": "kæn aɪ hˈɪɹ ɐ stˈoːɹi?",
        "Once upon a time, a lighthouse keeper found a bottle on the beach.": (
            "wˈʌns əpˌɑːn ɐ tˈaɪm, ɐ lˈaɪthaʊs kˈiːpɚ fˈaʊnd ɐ bˈɑːɾəl ɔnðə bˈiːtʃ."
        ),
    }
    assert await heard(said) == {text: text for text in said}


async def test_its_absence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    await fails_with(r"pip install 'earwitness\[neural\]'")


async def test_a_model_that_is_not_there_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ctranslate2", reason="needs the extra neural, which `make setup` installs")
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    await fails_with(r"tiny\.en is not at .*; run `earwitness setup`")


async def fails_with(says: str) -> None:
    stt = TinyWhisperSpeechToText()
    try:
        with pytest.raises(EngineError, match=says):
            await stt.warm_up()
    finally:
        await stt.aclose()
    assert not stt.health().ok


@pytest.mark.parametrize("bands", [BANDS, 128])
def test_the_bands_are_those_that_whisper_learnt(bands: int) -> None:
    from librosa.filters import mel

    assert np.allclose(mel_bands(bands), mel(sr=16_000, n_fft=400, n_mels=bands), atol=1e-6)


def test_a_multilingual_model_is_told_the_language() -> None:
    assert prompt(False, "de") == ["<|startoftranscript|>", "<|notimestamps|>"]
    assert prompt(True, "de") == ["<|startoftranscript|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>"]


def test_a_tone_is_one_bright_band() -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000).astype(np.float32)
    seen = log_mel(tone)
    assert seen.shape == (BANDS, 100)
    middle = seen[:, 50]
    assert middle.argmax() == mel_bands()[:, 25].argmax(), "bin 25 is 1 kHz"
    assert middle.max() - middle.min() == pytest.approx(2.0), "80 dB, a quarter of eight powers of ten"


def test_bytes_that_are_no_letters_are_written_as_letters() -> None:
    assert text_of(["<|notimestamps|>", "ĠCaf", "Ã©", "Ġis", "Ġopen", ".", "<|endoftext|>"]) == "Café is open."
