"""engines.toml: what it makes, and that every mistake in it is told with file, line and key, and no secret."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runtime.engines.build import EngineBuilder
from runtime.engines.engine_file import EngineFileError, line_of, read_engine_file
from runtime.engines.fallback import FallbackLanguageModel
from runtime.engines.fallback_tts import FallbackTextToSpeech
from runtime.engines.omni import SoundOnly
from runtime.engines.openai_chat import ChatModel
from runtime.engines.openai_speech import SpeechEndpoint
from runtime.engines.piper import PiperTextToSpeech
from runtime.engines.protocols import EngineError, TextToSpeech
from runtime.engines.sphinx import SphinxSpeechToText
from runtime.engines.websocket_stt import WebSocketSpeechToText
from runtime.engines.whisper_tiny import TinyWhisperSpeechToText
from runtime.settings import PRESETS, RuntimeSettings, SettingsError, load_settings

WHOLE = """
[stt]
kind = "websocket"
url = "ws://127.0.0.1:2700/"

[llm]
kind = "openai"
url = "http://127.0.0.1:11434/v1"
model = "qwen3:8b"
api_key_env = "MY_KEY"
temperature = 0.3
extra = { chat_template_kwargs = { enable_thinking = false } }
timeouts = { first_byte_ms = 9000 }

[llm.fallback]
kind = "embedded"

[llm.switching]
switch_after_ms = 1200
rest_s = 5

[tts]
kind = "openai"
url = "http://127.0.0.1:8880/v1"
model = "kokoro"
voice = "af_heart"

[tts.fallback]
kind = "embedded"
voice = "en-gb"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "engines.toml"


def settings_for(file: Path | None) -> RuntimeSettings:
    return RuntimeSettings("ws://x", "k", "s", engines=file)


def test_without_a_file_all_engines_are_embedded() -> None:
    engines = EngineBuilder(settings_for(None), {}).build()
    assert isinstance(engines.stt, SphinxSpeechToText)
    assert set(engines.report()) == {"vad", "stt", "llm", "tts"}


def test_a_whole_file(file: Path) -> None:
    file.write_text(WHOLE)
    engines = EngineBuilder(settings_for(file), {"MY_KEY": "sk-1"}).build()
    assert isinstance(engines.stt, WebSocketSpeechToText)
    assert isinstance(engines.llm, FallbackLanguageModel)
    assert isinstance(engines.tts, FallbackTextToSpeech)
    first = engines.llm.first
    assert isinstance(first, ChatModel)
    assert first.endpoint.timeouts.first_byte_ms == 9_000
    assert first.options.extra == {"chat_template_kwargs": {"enable_thinking": False}}
    assert (engines.llm.switch_after_ms, engines.llm.breaker.rest_s) == (1_200, 5)
    assert engines.tts.switch_after_ms == 800, "R-96"
    assert isinstance(engines.tts.first, SpeechEndpoint)
    assert engines.tts.rate_hz == 24_000


def test_an_omni_model_hears_by_itself(file: Path) -> None:
    file.write_text('[llm]\nkind = "omni"\nurl = "http://h/v1"\nmodel = "m"\n')
    engines = EngineBuilder(settings_for(file), {}).build()
    assert isinstance(engines.stt, SoundOnly)
    assert isinstance(engines.llm, ChatModel)
    assert engines.llm.options.audio_in
    file.write_text(file.read_text() + '[stt]\nkind = "embedded"\n')
    with pytest.raises(SettingsError, match="hears by itself"):
        EngineBuilder(settings_for(file), {}).build()


LLM = '[llm]\nkind = "openai"\nurl = "http://h/v1"\nmodel = "m"\n'


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (LLM + "temprature = 1\n", 5, "unknown key 'llm.temprature'; did you mean 'temperature'"),
        (LLM + 'api_key = "sk-secret"\n', 5, "llm.api_key: a secret does not stand in this file"),
        (LLM + "temperature = 9\n", 5, "llm.temperature: must be less than or equal to 2, not 9"),
        (LLM + "[llm.timeouts]\nconnect_ms = 0\n", 6, "llm.timeouts.connect_ms: must be greater than 0"),
        (LLM + "[llm.fallback]\n", 5, "llm.fallback.kind' is missing"),
        (
            LLM + '[llm.fallback]\nkind = "openai"\nurl = "h"\nmodel = "m"\n',
            7,
            "llm.fallback.url: must begin with http",
        ),
        ('[llm]\nkind = "gpt"\n', 2, "llm.kind must be one of: embedded, openai, omni, python"),
        ('[llm]\nkind = "openai"\nmodel = "m"\n', 1, "key 'llm.url' is missing"),
        ('[llm]\nmodel = "m"\n', 1, "llm.kind' is missing"),
        ('[llm]\nkind = "openai"\nurl = "http://me:sk-secret@h/v1"\nmodel = "m"\n', 3, "holds a name or password"),
        ('\n[tss]\nkind = "embedded"\n', 2, "unknown key 'tss'; did you mean 'tts'"),
        ("[stt\n", 1, "not valid TOML"),
        ('[tts]\nkind = "python"\nfactory = "no colon"\n', 3, "tts.factory"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(file: Path, text: str, line: int, says: str) -> None:
    file.write_text(text)
    with pytest.raises(EngineFileError) as caught:
        read_engine_file(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert says in str(caught.value)
    assert "sk-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_that_is_not_in_the_environment_is_asked_for_by_its_name(file: Path) -> None:
    file.write_text(LLM + 'api_key_env = "MY_KEY"\n')
    with pytest.raises(SettingsError, match=r"llm\.api_key_env: MY_KEY is not set in the environment"):
        EngineBuilder(settings_for(file), {}).build()


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(EngineFileError, match="cannot be read"):
        read_engine_file(file)


def test_the_environment_names_the_file(file: Path) -> None:
    env = {"LIVEKIT_URL": "ws://x", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s", "EARWITNESS_ENGINES": str(file)}
    assert load_settings(env).engines == file


OWN = '''
import numpy as np

class Voice:
    rate_hz = 16_000
    async def warm_up(self): pass
    async def aclose(self): pass
    async def speak(self, text):
        yield np.full(160, 0.5, np.float32)
        yield {gives}

def make():
    return Voice()
'''  # fmt: skip


def own_voice(file: Path, monkeypatch: pytest.MonkeyPatch, gives: str) -> TextToSpeech:
    (file.parent / "own_voice.py").write_text(OWN.format(gives=gives))
    monkeypatch.syspath_prepend(str(file.parent))
    monkeypatch.delitem(sys.modules, "own_voice", raising=False)
    file.write_text('[tts]\nkind = "python"\nfactory = "own_voice:make"\n')
    return EngineBuilder(settings_for(file), {}).build().tts


@pytest.mark.parametrize(
    ("gives", "says"),
    [("np.zeros(160, np.int16)", None), ("np.array([0.0, np.nan])", "NaN"), ("b'bytes'", "expected a row of samples"),
     ("np.zeros((2, 2))", "expected a row"), ("np.array([1, 2])", "int64"), ("1 / 0", "ZeroDivisionError")],
)  # fmt: skip
async def test_an_engine_of_ones_own_is_checked_at_the_border(
    file: Path, monkeypatch: pytest.MonkeyPatch, gives: str, says: str | None
) -> None:
    tts = own_voice(file, monkeypatch, gives)
    assert tts.rate_hz == 16_000
    if says is None:
        chunks = [chunk async for chunk in tts.speak("x")]
        assert int(chunks[0][0]) == 16_384
        return
    with pytest.raises(EngineError, match=says):
        [chunk async for chunk in tts.speak("x")]
    assert not tts.health().ok


def test_a_factory_that_fails_is_told_in_one_line(file: Path) -> None:
    file.write_text('[tts]\nkind = "python"\nfactory = "no_such_module:make"\n')
    with pytest.raises(SettingsError, match=r"tts\.factory: no_such_module:make failed: ModuleNotFoundError"):
        EngineBuilder(settings_for(file), {}).build()


def test_lines_are_found_by_table_and_key() -> None:
    text = 'a = 1\n[x]\nb = 2\n[x.y]\n"c" = 3\n'
    assert line_of(text, ("a",)) == 1
    assert line_of(text, ("x", "b")) == 3
    assert line_of(text, ("x", "y", "c")) == 5
    assert line_of(text, ("x", "y", "missing")) == 4
    assert line_of(text, ("z",)) is None


def test_the_preset_hears_words_and_speaks_neurally() -> None:
    engines = EngineBuilder(settings_for(PRESETS["neural"])).build()
    assert isinstance(engines.stt, TinyWhisperSpeechToText)
    assert isinstance(engines.tts, PiperTextToSpeech)


def test_the_neural_voice_may_be_asked_for_by_its_name(file: Path) -> None:
    file.write_text('[tts]\nkind = "embedded"\nvoice = "joe"\n')
    assert isinstance(EngineBuilder(settings_for(file)).build().tts, PiperTextToSpeech)
