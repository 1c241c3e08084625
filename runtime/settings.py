"""The agent's settings, all from the environment, the only source of secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(Exception):
    """A setting is missing or wrong; says which and what to do."""


OPUS_BITS_PER_S = 64_000  # Opus keeps the whole band; at LiveKit's default 4 to 8 kHz lose 3 dB
DEFAULT_VOICE = "en-us"
TTS_SERVER_VARIABLE = "EARWITNESS_TTS_SERVER"
TTS_KEY_VARIABLE = "EARWITNESS_TTS_KEY"  # the key of TTS server and clients
TURN_DETECTORS = ("fixed", "rules")
PRESETS = {"neural": Path(__file__).parent / "engines" / "presets" / "neural.toml"}  # engines by one word


@dataclass(frozen=True)
class TurnTaking:
    """`silence_ms`: hangover, from the last voiced 10 ms. `detector` may lengthen or shorten it. `prepare`: work
    on a reply begins at the first pause, unheard, and is dropped if the user goes on.
    """

    silence_ms: float = 200.0
    detector: str = "fixed"
    prepare: bool = True


@dataclass(frozen=True)
class RuntimeSettings:
    """Times in ms. `captures`: where a tested agent leaves pre_rtc.wav and its trace; None outside of tests."""

    livekit_url: str
    api_key: str
    api_secret: str
    control_token: str = ""
    port: int = 0
    taking: TurnTaking = TurnTaking()
    token_interval_ms: float = 4.0
    voice: str = DEFAULT_VOICE
    sessions: int = 1  # users that may speak at the same time; engines are warm for this number
    replies: tuple[str, ...] = ()  # spoken in turn whatever the user says; empty: by intent
    engines: Path | None = None  # engines.toml, or a preset; None: all embedded (docs/how_to/engines.md)
    tts_server: str | None = None  # URL of `earwitness serve-tts`, which speaks if the file names no voice
    captures: Path | None = None
    turn_log: Path | None = None  # gets one JSON line a turn when a call ends
    turn_words: bool = False  # with the turn's words
    audio_filter_pre: str | None = None  # module:factory, before the pre-RTC tap
    audio_filter_post: str | None = None  # module:factory, between the tap and the wire
    opus_bits_per_s: int = OPUS_BITS_PER_S
    opus_dtx: bool = False
    opus_red: bool = False

    @property
    def opus(self) -> str:
        """How the voice is encoded, for a manifest."""
        kbps = f"{self.opus_bits_per_s / 1_000:g} kbit/s"
        return f"{kbps}, DTX {'on' if self.opus_dtx else 'off'}, RED {'on' if self.opus_red else 'off'}"

    @property
    def vad_silence_ms(self) -> float:
        return self.taking.silence_ms


def _number(env: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{name}={text!r}: expected a number") from None
    if not low <= value <= high:
        raise SettingsError(f"{name}={text}: expected {low:g} to {high:g}")
    return value


def _switch(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name) or "off"
    if text not in ("on", "off"):
        raise SettingsError(f"{name}={text}: expected on or off")
    return text == "on"


def _one_of(env: Mapping[str, str], name: str, values: tuple[str, ...]) -> str:
    """The variable's value; the first of `values` if unset."""
    text = env.get(name) or values[0]
    if text not in values:
        raise SettingsError(f"{name}={text}: expected {' or '.join(values)}")
    return text


def engine_file(named: str) -> Path:
    """The file of a preset's name, else the path that it is; a file of one's own goes before a preset."""
    path = Path(named)
    return path if path.exists() else PRESETS.get(named, path)


def _turn_taking(env: Mapping[str, str]) -> TurnTaking:
    return TurnTaking(
        silence_ms=_number(env, "VAD_SILENCE_MS", 200.0, 50, 5_000),
        detector=_one_of(env, "EARWITNESS_TURN_DETECTOR", TURN_DETECTORS),
        prepare=_one_of(env, "EARWITNESS_PREPARE", ("on", "off")) == "on",
    )


def _lines(path: Path) -> tuple[str, ...]:
    """The file's lines that hold text."""
    try:
        lines = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"EARWITNESS_REPLIES={path}: {error}") from error
    if not lines:
        raise SettingsError(f"EARWITNESS_REPLIES={path}: holds no line of text")
    return lines


def _address(env: Mapping[str, str], name: str) -> str | None:
    text = env.get(name) or None
    if text is not None and not re.match(r"https?://[^/@\s]+/?$", text):
        raise SettingsError(f"{name}: expected http://HOST:PORT, without path, name or password")
    return text


def load_settings(env: Mapping[str, str] | None = None) -> RuntimeSettings:
    """Raises SettingsError."""
    env = os.environ if env is None else env
    missing = [name for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET") if not env.get(name)]
    if missing:
        raise SettingsError(f"{', '.join(missing)} must be set in the environment")
    engines = env.get("EARWITNESS_ENGINES")
    captures, replies = env.get("EARWITNESS_CAPTURES"), env.get("EARWITNESS_REPLIES")
    turn_log = env.get("EARWITNESS_TURN_LOG")
    return RuntimeSettings(
        livekit_url=env["LIVEKIT_URL"],
        api_key=env["LIVEKIT_API_KEY"],
        api_secret=env["LIVEKIT_API_SECRET"],
        control_token=env.get("EARWITNESS_CONTROL_TOKEN", ""),
        port=int(_number(env, "EARWITNESS_RUNTIME_PORT", 0, 0, 65_535)),
        taking=_turn_taking(env),
        token_interval_ms=_number(env, "EARWITNESS_TOKEN_INTERVAL_MS", 4.0, 0, 5_000),
        voice=env.get("EARWITNESS_VOICE", DEFAULT_VOICE),
        sessions=int(_number(env, "EARWITNESS_SESSIONS", 1, 1, 64)),
        replies=_lines(Path(replies)) if replies else (),
        engines=engine_file(engines) if engines else None,
        tts_server=_address(env, TTS_SERVER_VARIABLE),
        captures=Path(captures) if captures else None,
        turn_log=Path(turn_log) if turn_log else None,
        turn_words=_one_of(env, "EARWITNESS_TURN_WORDS", ("off", "on")) == "on",
        audio_filter_pre=env.get("EARWITNESS_AUDIO_FILTER_PRE") or None,
        audio_filter_post=env.get("EARWITNESS_AUDIO_FILTER_POST") or None,
        opus_bits_per_s=int(_number(env, "EARWITNESS_OPUS_BITRATE", OPUS_BITS_PER_S, 6_000, 510_000)),
        opus_dtx=_switch(env, "EARWITNESS_OPUS_DTX"),
        opus_red=_switch(env, "EARWITNESS_OPUS_RED"),
    )
