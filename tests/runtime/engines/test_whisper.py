"""faster-whisper as far as it goes without weights: what it is asked, what becomes of its answer, how its absence is told.

Where the extra is installed, the arguments are held against its real signatures.
"""

from __future__ import annotations

import inspect
import sys
import threading
import types
from typing import Any, ClassVar

import numpy as np
import pytest

from runtime.engines.protocols import EngineError
from runtime.engines.whisper import WhisperOptions, WhisperSpeechToText


class FakeModel:
    """Records what it is asked. `fails`: where it raises."""

    made: ClassVar[list[tuple[tuple, dict[str, Any]]]] = []
    asked: ClassVar[list[tuple[np.ndarray, dict[str, Any], str]]] = []
    fails = ""

    def __init__(self, *positional: Any, **named: Any) -> None:
        if self.fails == "load":
            raise ValueError("Invalid model size")
        self.made.append((positional, named))

    def transcribe(self, sound: np.ndarray, **named: Any) -> tuple[Any, Any]:
        self.asked.append((sound, named, threading.current_thread().name))
        if self.fails == "run":
            raise RuntimeError("CUDA failed")
        return (types.SimpleNamespace(text=text) for text in (" One two.", " Three. ")), None


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeModel]:
    module = types.ModuleType("faster_whisper")
    module.WhisperModel = FakeModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "faster_whisper", module)
    FakeModel.made, FakeModel.asked, FakeModel.fails = [], [], ""
    return FakeModel


async def test_an_utterance_is_transcribed_in_a_thread_with_one_model(fake: type[FakeModel]) -> None:
    stt = WhisperSpeechToText(WhisperOptions(language="zh"))
    await stt.warm_up()
    transcription = await stt.open()
    transcription.push(np.full(8_000, -16_384, np.int16))
    transcription.push(np.full(8_000, 16_384, np.int16))
    assert (await transcription.finish()).text == "One two. Three."
    await stt.aclose()
    assert fake.made == [(("large-v3-turbo",), {"device": "auto", "compute_type": "int8"})], "R-91"
    sound, named, thread = fake.asked[-1]
    assert sound.dtype == np.float32
    assert (sound[0], sound[-1], len(sound)) == (-0.5, 0.5, 16_000)
    assert named["beam_size"] == 5
    assert named["language"] == "zh"
    assert thread.startswith("whisper"), "the event loop goes on meanwhile"


@pytest.mark.parametrize(("fails", "says"), [("load", "cannot load 'large-v3-turbo'"), ("run", "CUDA failed")])
async def test_a_failure_is_an_engine_error(fake: type[FakeModel], fails: str, says: str) -> None:
    fake.fails = fails
    stt = WhisperSpeechToText(WhisperOptions())
    with pytest.raises(EngineError, match=says):
        await stt.warm_up()
    await stt.aclose()
    assert not stt.health().ok


async def test_its_absence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    stt = WhisperSpeechToText(WhisperOptions())
    with pytest.raises(EngineError, match=r"pip install 'earwitness\[whisper\]'"):
        await stt.warm_up()
    await stt.aclose()


async def test_the_real_package_takes_these_arguments(fake: type[FakeModel], monkeypatch: pytest.MonkeyPatch) -> None:
    stt = WhisperSpeechToText(WhisperOptions())
    await stt.warm_up()
    await stt.aclose()
    monkeypatch.undo()
    real = pytest.importorskip("faster_whisper").WhisperModel
    positional, named = fake.made[0]
    inspect.signature(real).bind(*positional, **named)
    sound, asked, _ = fake.asked[0]
    inspect.signature(real.transcribe).bind(None, sound, **asked)
