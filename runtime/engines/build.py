"""From settings and `engines.toml` to engines: each table becomes the adapter of its kind, with its fallback around it.

Adapters load where they are made, so that an agent with remote engines needs no embedded ones.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from runtime.engines import engine_file as tables
from runtime.engines.breaker import CircuitBreaker
from runtime.engines.endpoint import Endpoint, Timeouts
from runtime.engines.engine_set import Engines
from runtime.engines.fallback import FallbackLanguageModel, FallbackSpeechToText
from runtime.engines.fallback_tts import FallbackTextToSpeech
from runtime.engines.protocols import LanguageModel, SpeechToText, TextToSpeech
from runtime.settings import TTS_KEY_VARIABLE, RuntimeSettings, SettingsError

ENGINES = "earwitness.engines"  # entry points of packages that bring an engine
SUPERVISED_REST_S = 2.0  # rest of a local server that its supervisor restarts at once


class EngineBuilder:
    """Makes engines for one agent, without starting them: `warm_up` does that."""

    def __init__(self, settings: RuntimeSettings, env: Mapping[str, str] | None = None) -> None:
        self.settings = settings
        self._env = os.environ if env is None else env
        self._file = settings.engines or Path("engines.toml")

    def build(self) -> Engines:
        """Raises SettingsError."""
        from runtime.engines.silero import SileroDetection

        path = self.settings.engines
        wanted = tables.read_engine_file(path) if path is not None else tables.EngineTables()
        engines = Engines(
            vad=SileroDetection(),
            stt=self._stt_with_fallback(wanted),
            llm=self._llm_with_fallback(wanted),
            tts=self._tts_with_fallback(wanted),
        )
        return self._with_lanes(engines, wanted.slow_lane)

    def _with_lanes(self, engines: Engines, table: tables.SlowLaneTable) -> Engines:
        if not table.enabled:
            return engines
        from runtime.lanes.scheduler import LaneScheduler
        from runtime.lanes.slow_lane import SlowLane, lanes_around

        stt = self.stt(table.stt, "slow_lane.stt") if table.stt is not None else None
        return lanes_around(engines, SlowLane(LaneScheduler(table.capacity), stt))

    def _stt_with_fallback(self, wanted: tables.EngineTables) -> SpeechToText:
        if isinstance(wanted.llm, tables.OmniLlm):
            from runtime.engines.omni import SoundOnly

            if "stt" in wanted.model_fields_set or wanted.stt_fallback is not None:
                raise SettingsError(
                    f"{self._file}: stt: an omni model hears by itself; name a slow_lane.stt for transcripts"
                )
            return SoundOnly()
        first = self.stt(wanted.stt, "stt")
        if wanted.stt_fallback is None:
            return first
        rules = wanted.stt_switching
        reserve = self.stt(wanted.stt_fallback, "stt.fallback")
        return FallbackSpeechToText(first, reserve, CircuitBreaker(rules.rest_s), rules.switch_after_ms or 3_000.0)

    def _llm_with_fallback(self, wanted: tables.EngineTables) -> LanguageModel:
        first = self.llm(wanted.llm, "llm")
        if wanted.llm_fallback is None:
            return first
        omni = isinstance(wanted.llm, tables.OmniLlm)
        if omni != isinstance(wanted.llm_fallback, tables.OmniLlm):
            raise SettingsError(
                f"{self._file}: llm.fallback: of an omni model and one that reads, neither can stand in"
            )
        rules = wanted.llm_switching
        reserve = self.llm(wanted.llm_fallback, "llm.fallback")
        return FallbackLanguageModel(first, reserve, CircuitBreaker(rules.rest_s), rules.switch_after_ms or 3_000.0)

    def _tts_with_fallback(self, wanted: tables.EngineTables) -> TextToSpeech:
        if self.settings.tts_server is not None and "tts" not in wanted.model_fields_set:
            wanted = _through_server(wanted, self.settings.tts_server, keyed=bool(self._env.get(TTS_KEY_VARIABLE)))
        first = self.tts(wanted.tts, "tts")
        if wanted.tts_fallback is None:
            return first
        rules = wanted.tts_switching
        reserve = self.tts(wanted.tts_fallback, "tts.fallback")
        return FallbackTextToSpeech(first, reserve, CircuitBreaker(rules.rest_s), rules.switch_after_ms or 800.0)

    def stt(self, table: Any, key: str) -> SpeechToText:
        match table:
            case tables.OpenAiStt():
                from runtime.engines.openai_transcription import TranscriptionEndpoint, TranscriptionOptions

                options = TranscriptionOptions(table.model, table.language, table.extra)
                return TranscriptionEndpoint(self._endpoint(table, key), options)
            case tables.WebSocketStt():
                from runtime.engines.websocket_stt import WebSocketSpeechToText

                return WebSocketSpeechToText(table.url, self._secret(table, key), _timeouts(table))
            case tables.WhisperStt():
                from runtime.engines.whisper import WhisperOptions, WhisperSpeechToText

                fields = table.model_dump(exclude={"kind"})
                return WhisperSpeechToText(WhisperOptions(**fields))
            case tables.TinyWhisperStt():
                from runtime.engines.whisper_tiny import TinyWhisperSpeechToText

                return TinyWhisperSpeechToText()
            case tables.Python():
                from runtime.engines.checked import CheckedSpeechToText

                return CheckedSpeechToText(f"{key} {table.factory}", self._made(table, key), "stt")
        from runtime.engines.sphinx import SphinxSpeechToText

        return SphinxSpeechToText(self.settings.sessions)

    def llm(self, table: Any, key: str) -> LanguageModel:
        match table:
            case tables.OpenAiLlm():
                from runtime.engines.openai_chat import ChatModel, ChatOptions

                hears = isinstance(table, tables.OmniLlm)
                options = ChatOptions(
                    table.model,
                    table.system,
                    table.temperature,
                    table.max_tokens,
                    hears,
                    table.continuation,
                    table.extra,
                )
                return ChatModel(self._endpoint(table, key), options)
            case tables.Python():
                from runtime.engines.checked import CheckedLanguageModel

                return CheckedLanguageModel(f"{key} {table.factory}", self._made(table, key), "llm")
        from runtime.engines.scripted import ScriptedDialogue

        return ScriptedDialogue(self.settings.token_interval_ms, self.settings.replies)

    def tts(self, table: Any, key: str) -> TextToSpeech:
        match table:
            case tables.PiperTts():
                from runtime.engines.piper import PiperTextToSpeech

                return PiperTextToSpeech(self.settings.sessions)
            case tables.OpenAiTts():
                from runtime.engines.openai_speech import SpeechEndpoint, SpeechOptions

                options = SpeechOptions(table.model, table.voice, table.rate_hz, table.encoding, table.extra)
                return SpeechEndpoint(self._endpoint(table, key), options)
            case tables.ServerTts():
                from runtime.engines.tts_server_speech import TtsServerSpeech

                return TtsServerSpeech(self._endpoint(table, key), table.rate_hz, table.voice)
            case tables.RecordedTts():
                from runtime.engines.recordings import RecordingsTextToSpeech

                folder = None if table.folder is None else self._file.parent / table.folder
                return RecordingsTextToSpeech(folder, table.order)
            case tables.Python():
                from runtime.engines.checked import CheckedTextToSpeech

                return CheckedTextToSpeech(f"{key} {table.factory}", self._made(table, key), "tts")
        from runtime.engines.voice_by_name import voice_by_name

        return voice_by_name(table.voice or self.settings.voice, self.settings.sessions)

    def _endpoint(self, table: Any, key: str) -> Endpoint:
        return Endpoint(key, table.url, self._secret(table, key), _timeouts(table))

    def _secret(self, table: Any, key: str) -> str | None:
        if table.api_key_env is None:
            return None
        secret = self._env.get(table.api_key_env)
        if not secret:
            raise SettingsError(f"{self._file}: {key}.api_key_env: {table.api_key_env} is not set in the environment")
        return secret

    def _made(self, table: tables.Python, key: str) -> Any:
        module, _, name = table.factory.partition(":")
        packaged = {point.name: point for point in entry_points(group=ENGINES)}
        if not name and module not in packaged:
            hint = f"expected MODULE:NAME, or an entry point of {ENGINES} (there are: {', '.join(packaged) or 'none'})"
            raise SettingsError(f"{self._file}: {key}.factory: {module}: {hint}")
        try:
            return getattr(importlib.import_module(module), name)() if name else packaged[module].load()()
        except Exception as error:  # the user's own code: whatever it raises becomes one line
            said = f"{type(error).__name__}: {error}"
            raise SettingsError(f"{self._file}: {key}.factory: {table.factory} failed: {said}") from error


def _through_server(wanted: tables.EngineTables, url: str, *, keyed: bool) -> tables.EngineTables:
    """Replace the embedded voice by this server, and keep the embedded voice in reserve."""
    table = tables.ServerTts(kind="tts-server", url=url, api_key_env=TTS_KEY_VARIABLE if keyed else None)
    changed: dict[str, Any] = {"tts": table, "tts_fallback": wanted.tts_fallback or wanted.tts}
    if "tts_switching" not in wanted.model_fields_set:
        changed["tts_switching"] = tables.Switching(rest_s=SUPERVISED_REST_S)
    return wanted.model_copy(update=changed)


def _timeouts(table: Any) -> Timeouts:
    return Timeouts(**table.timeouts.model_dump())
