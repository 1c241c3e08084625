"""`engines.toml`: which engines the agent uses. One table each for stt, llm and tts; a missing one means embedded.

A table's `kind` says which other keys it knows. A `fallback` inside it is another table of the same sort. The file holds no
secrets: `api_key_env` names the environment variable that holds one. Errors say file, line and key.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from runtime.engines.pcm import PcmFormat
from runtime.settings import SettingsError

Location = tuple[str | int, ...]
Limit = Annotated[float, Field(gt=0, le=600_000)]


class EngineFileError(SettingsError):
    """engines.toml is not valid: file, line, key, what to do."""

    def __init__(self, path: Path, line: int | None, message: str) -> None:
        super().__init__(f"{path}:{line}: {message}" if line is not None else f"{path}: {message}")


def _no_secret(url: str) -> str:
    if "@" in urlsplit(url).netloc:
        raise ValueError("holds a name or password; put the secret into the environment and name it with api_key_env")
    return url


def _http(url: str) -> str:
    if not re.match(r"https?://[^/\s]", url):
        raise ValueError("must begin with http:// or https:// and a host")
    return _no_secret(url)


def _websocket(url: str) -> str:
    if not re.match(r"wss?://[^/\s]", url):
        raise ValueError("must begin with ws:// or wss:// and a host")
    return _no_secret(url)


HttpUrl = Annotated[str, AfterValidator(_http)]
WebSocketUrl = Annotated[str, AfterValidator(_websocket)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Factory = Annotated[str, Field(pattern=r"^[\w.-]+(:[\w.]+)?$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimeoutTable(_Table):
    """See `runtime.engines.endpoint`."""

    connect_ms: Limit = 2_000.0
    first_byte_ms: Limit = 5_000.0
    between_chunks_ms: Limit = 5_000.0
    whole_ms: Limit = 60_000.0


class _Remote(_Table):
    api_key_env: VariableName | None = None
    timeouts: TimeoutTable = TimeoutTable()


class _OpenAi(_Remote):
    kind: Literal["openai"]
    url: HttpUrl
    model: Annotated[str, Field(min_length=1)]
    extra: dict[str, Any] = Field(default_factory=dict)


class Python(_Table):
    """A class of one's own: `factory()` gives the engine. MODULE:NAME, or an entry point of the group `earwitness.engines`."""

    kind: Literal["python"]
    factory: Factory


class EmbeddedStt(_Table):
    kind: Literal["embedded"] = "embedded"


class OpenAiStt(_OpenAi):
    language: str | None = None


class WebSocketStt(_Remote):
    kind: Literal["websocket"]
    url: WebSocketUrl


class WhisperStt(_Table):
    kind: Literal["faster-whisper"]
    model: str = "large-v3-turbo"
    compute_type: str = "int8"
    beam_size: Annotated[int, Field(ge=1, le=20)] = 5
    language: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"


class TinyWhisperStt(_Table):
    """Whisper's tiny.en, which `earwitness setup` fetches."""

    kind: Literal["whisper-tiny"]


class EmbeddedLlm(_Table):
    kind: Literal["embedded"] = "embedded"


class OpenAiLlm(_OpenAi):
    system: str = "You are on the phone. Answer in one to three short sentences, without lists or markup."
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    continuation: bool = False


class OmniLlm(OpenAiLlm):
    """Hears the user's sound itself; there is no speech-to-text before it."""

    kind: Literal["omni"]  # type: ignore[assignment]


class EmbeddedTts(_Table):
    kind: Literal["embedded"] = "embedded"
    voice: str | None = None


class PiperTts(_Table):
    """The neural voice that `earwitness setup` fetches."""

    kind: Literal["piper"]


class OpenAiTts(_OpenAi):
    voice: Annotated[str, Field(min_length=1)]
    rate_hz: Annotated[int, Field(ge=8_000, le=96_000)] = 24_000
    encoding: PcmFormat = "pcm"


class ServerTts(_Remote):
    """A TTS server of ours (`earwitness serve-tts`)."""

    kind: Literal["tts-server"]
    url: HttpUrl
    voice: Annotated[str, Field(min_length=1)] | None = None  # the voice it must have; None: any
    rate_hz: Annotated[int, Field(ge=8_000, le=96_000)] = 22_050


class RecordedTts(_Table):
    """Recordings instead of a synthesiser. `folder`: relative to this file's; None: those of `earwitness setup --human`."""

    kind: Literal["recordings"]
    folder: Annotated[str, Field(min_length=1)] | None = None
    order: Literal["text", "turn"] = "text"  # which one: by the segment's words, or the next by name


SttTable = Annotated[
    EmbeddedStt | OpenAiStt | WebSocketStt | WhisperStt | TinyWhisperStt | Python, Field(discriminator="kind")
]
LlmTable = Annotated[EmbeddedLlm | OpenAiLlm | OmniLlm | Python, Field(discriminator="kind")]
TtsTable = Annotated[EmbeddedTts | PiperTts | OpenAiTts | ServerTts | RecordedTts | Python, Field(discriminator="kind")]


class Switching(_Table):
    """When a first choice is left for its fallback."""

    switch_after_ms: Limit | None = None
    rest_s: Annotated[float, Field(gt=0, le=3_600)] = 30.0


class SlowLaneTable(_Table):
    """The description of each utterance, beside the reply."""

    enabled: bool = True
    capacity: Annotated[int, Field(ge=1, le=1_000)] | None = None  # replies that the engine serves at a time; None: all
    stt: SttTable | None = None  # makes the transcript if the dialogue's engines make none


class EngineTables(_Table):
    """The whole file."""

    stt: SttTable = EmbeddedStt()
    stt_fallback: SttTable | None = None
    stt_switching: Switching = Switching()
    llm: LlmTable = EmbeddedLlm()
    llm_fallback: LlmTable | None = None
    llm_switching: Switching = Switching()
    tts: TtsTable = EmbeddedTts()
    tts_fallback: TtsTable | None = None
    tts_switching: Switching = Switching()
    slow_lane: SlowLaneTable = SlowLaneTable(enabled=False)


ROLES = ("stt", "llm", "tts")
INSIDE = ("fallback", "switching")  # tables inside a role's; the schema has them at the top
KINDS = (
    "embedded", "openai", "websocket", "faster-whisper", "whisper-tiny", "omni", "piper", "tts-server",
    "recordings", "python",
)  # fmt: skip


def read_engine_file(path: Path) -> EngineTables:
    """Raises EngineFileError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EngineFileError(path, None, f"cannot be read: {error}") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        raise EngineFileError(path, int(found[1]) if found else None, f"not valid TOML: {error}") from error
    try:
        return EngineTables.model_validate(_lifted(data))
    except ValidationError as error:
        location, message = _explained(error)
        raise EngineFileError(path, line_of(text, location), message) from error


def _lifted(data: dict[str, Any]) -> dict[str, Any]:
    """[tts.fallback] → tts_fallback; a role without a kind is embedded."""
    lifted = dict(data)
    for role in ROLES:
        table = lifted.get(role)
        if isinstance(table, dict):
            inside = {name: table[name] for name in INSIDE if name in table}
            lifted[role] = {name: value for name, value in table.items() if name not in INSIDE}
            lifted.update({f"{role}_{name}": value for name, value in inside.items()})
            if not lifted[role]:
                del lifted[role]
    return lifted


def _explained(error: ValidationError) -> tuple[Location, str]:
    """The first error: where it stands in the file, in words."""
    first = error.errors(include_url=False)[0]
    parts = [part for part in first["loc"] if part not in KINDS]
    if parts and isinstance(parts[0], str) and parts[0].partition("_")[2] in INSIDE:
        parts[:1] = list(parts[0].split("_", 1))
    location = tuple(parts)
    key = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        if str(location[-1]) in ("api_key", "key", "token", "secret"):
            return location, f"{key}: a secret does not stand in this file; name its variable with api_key_env"
        close = difflib.get_close_matches(str(location[-1]), _known_keys(), n=1)
        return location, f"unknown key {key!r}" + (f"; did you mean {close[0]!r}?" if close else " for this kind")
    if first["type"] == "missing":
        return location[:-1], f"key {key!r} is missing"
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        tags = str(first.get("ctx", {}).get("expected_tags", "")).replace("'", "") or "kind"
        return (
            *location,
            "kind",
        ), f"{key}.kind must be one of: {tags}" if tags != "kind" else f"key '{key}.kind' is missing"
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    given = first.get("input")
    shown = "" if isinstance(given, dict | list) or "password" in message else f", not {given!r}"
    return location, f"{key}: {message}{shown}"


def _known_keys() -> list[str]:
    tables = (
        OpenAiStt,
        WebSocketStt,
        WhisperStt,
        OmniLlm,
        OpenAiTts,
        ServerTts,
        RecordedTts,
        Python,
        TimeoutTable,
        Switching,
        EngineTables,
    )
    return sorted({name for table in tables for name in table.model_fields} | set(INSIDE))


def line_of(text: str, location: Location) -> int | None:
    """The line of the deepest part of `location` that stands in the TOML text; None if no part does."""
    best: tuple[int, int] | None = None
    table: Location = ()
    for number, row in enumerate(text.split("\n"), 1):
        if header := re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", row):
            table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            place = table
        elif key := re.match(r"\s*([\w.\"'-]+)\s*=", row):
            place = (*table, *(part.strip("\"'") for part in key[1].split(".")))
        else:
            continue
        if place == location[: len(place)] and (best is None or len(place) > best[0]):
            best = (len(place), number)
    return best[1] if best is not None else None
