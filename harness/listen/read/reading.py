"""Read a capture folder: recordings as float32 mono 48 kHz, truth, events, traces, statistics, arrivals, host load.

With wav.py the only module of the listening half that opens files. Whatever is missing, truncated or unreadable is left out and
named in `missing` with its reason; only a folder that is no capture, or one of another schema, is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from harness.errors import UsageError
from harness.listen.read.wav import read_wav, wav_notes
from harness.model import capture
from harness.model.audio import Audio
from harness.model.capture import CAPTURE_SCHEMA_VERSION, Manifest
from harness.model.case import Case, Truth
from harness.model.events import AgentTurnTrace, Event
from harness.model.heard_words import HeardWords
from harness.model.json_lines import lines_of
from harness.model.spans import SpanLine
from harness.model.transcript import TranscriptLine
from harness.network.log import Row, parse_log
from harness.network.record import LinkRecord

RECORDINGS = {
    "said": capture.SAID,
    "mic": capture.MIC,
    "ear": capture.EAR,
    "post_user": capture.POST_USER,
    "post_rtc": capture.POST_RTC,
    "pre_rtc": capture.PRE_RTC,
}

Record = TypeVar("Record", bound=BaseModel)


@dataclass(frozen=True)
class SeenEvent:
    """An event as the probe sent or received it; `t_arrival_mono_ms` on the host's monotonic clock, if noted."""

    event: Event
    t_arrival_mono_ms: float | None
    direction: str


@dataclass(frozen=True)
class HostLoadLine:
    """The host at `t_mono_ms`: `loop_lag_ms` is the worst lag of the measuring event loop since the line before.

    `withheld_ms`: how long a virtual machine's cores, all together, were ready and did not run since the last line that has it.
    `launching`: how many other sessions were being launched, where sessions ran side by side.
    """

    t_mono_ms: float
    cpu_percent: float | None
    loop_lag_ms: float | None
    launching: float | None = None
    withheld_ms: float | None = None


@dataclass(frozen=True)
class StatsLine:
    """WebRTC's statistics as they were at `t_mono_ms`: the browser's getStats() or livekit's of the probe's track."""

    t_mono_ms: float
    reports: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, eq=False)
class Capture:
    """A folder as read. `audio` and `missing` are keyed by recording ("ear"); `missing` also by other files' names."""

    folder: Path
    manifest: Manifest
    case: Case | None
    truth: Truth | None
    audio: Mapping[str, Audio]
    missing: Mapping[str, str]
    events: tuple[SeenEvent, ...]
    traces: tuple[AgentTurnTrace, ...]
    arrivals: npt.NDArray[np.float64] | None  # (n, 2): arrival ms, sample index in post_rtc
    load: tuple[HostLoadLine, ...]
    stats: tuple[StatsLine, ...] = ()
    link: LinkRecord | None = None
    packets: tuple[Row, ...] = ()  # the relay's log
    ear_clock: npt.NDArray[np.float64] | None = None  # (n, 2): sample of ear.wav, ms; older captures have none
    ear_received: npt.NDArray[np.float64] | None = None  # (n, 2): sample of ear.wav, RMS of what came on remote tracks
    voice: Audio | None = None  # the agent's voice in post_rtc, where it has other tracks beside it
    transcript: tuple[TranscriptLine, ...] = ()  # the words that were published
    heard_words: HeardWords | None = None  # what a recogniser understood
    spans: tuple[SpanLine, ...] = ()  # what the agent told by OpenTelemetry
    notes: tuple[str, ...] = ()  # what had to be assumed to read its recordings

    def why_missing(self, name: str) -> str:
        return self.missing.get(name, f"{RECORDINGS.get(name, name)} is missing")


def read_capture(folder: Path) -> Capture:
    """Raises UsageError if `folder` is no capture folder, one of another schema, or one that kept no recording."""
    manifest = _read_manifest(folder)
    _must_have_recordings(folder)
    missing: dict[str, str] = {}
    audio: dict[str, Audio] = {}
    notes: list[str] = []
    for name, file_name in RECORDINGS.items():
        path = capture.recording(folder, file_name)
        found = read_wav(path)
        if isinstance(found, Audio):
            audio[name] = found
            notes += [f"{path.name}: {note}" for note in wav_notes(path)]
        else:
            missing[name] = found
    if "pre_rtc" in missing and manifest.pre_rtc_reason and not (folder / capture.PRE_RTC).exists():
        missing["pre_rtc"] = f"{capture.PRE_RTC} is missing: {manifest.pre_rtc_reason}"
    return Capture(
        folder=folder,
        manifest=manifest,
        case=_read_record(folder / capture.CASE, Case, missing),
        truth=_read_record(folder / capture.TRUTH, Truth, missing),
        audio=audio,
        missing=missing,
        events=tuple(_read_lines(folder / capture.EVENTS, _seen_event, missing)),
        traces=tuple(_read_lines(folder / capture.AGENT_TRACE, AgentTurnTrace.model_validate, missing)),
        arrivals=_read_pairs(folder / capture.ARRIVALS, missing),
        load=tuple(_read_lines(folder / capture.HOST_LOAD, _load_line, missing)),
        stats=tuple(_read_lines(folder / capture.RTC_STATS, _stats_line, missing)),
        link=_read_record(folder / capture.LINK, LinkRecord, missing) if manifest.link != "none" else None,
        ear_clock=_read_of_page(folder / capture.EAR_CLOCK, missing),
        ear_received=_read_of_page(folder / capture.EAR_RECEIVED, missing),
        packets=tuple(_read_packets(folder / capture.LINK_LOG, missing)) if manifest.link != "none" else (),
        voice=_read_voice(folder, manifest, missing),
        transcript=_read_if_there(folder / capture.TRANSCRIPT, TranscriptLine, missing),
        heard_words=_read_heard_words(folder / capture.HEARD_WORDS, missing),
        spans=_read_if_there(folder / capture.SPANS, SpanLine, missing),
        notes=tuple(notes),
    )


def _read_if_there(path: Path, kind: type[Record], missing: dict[str, str]) -> tuple[Record, ...]:
    """Nobody need publish words, or send spans."""
    return tuple(_read_lines(path, kind.model_validate, missing)) if path.exists() else ()


def _read_heard_words(path: Path, missing: dict[str, str]) -> HeardWords | None:
    """No recogniser need have run."""
    return _read_record(path, HeardWords, missing) if path.exists() else None


def _read_voice(folder: Path, manifest: Manifest, missing: dict[str, str]) -> Audio | None:
    """The sum of the agent's voice tracks; None where it has no other track."""
    kept = [track for track in manifest.agent_tracks if track.file is not None]
    if all(track.voice for track in kept):
        return None
    voices: list[Audio] = []
    for track in kept:
        if track.voice and track.file is not None:
            found = read_wav(capture.recording(folder, Path(track.file).name))
            if not isinstance(found, Audio):
                missing[track.file] = found
                return None
            voices.append(found)
    if not voices:
        return None
    mixed = np.zeros(max(len(voice) for voice in voices), np.float32)
    for voice in voices:
        mixed[: len(voice)] += voice.samples
    return Audio(mixed, voices[0].rate_hz)


def _read_manifest(folder: Path) -> Manifest:
    path = folder / capture.MANIFEST
    try:
        text = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"{folder}: not a capture folder ({capture.MANIFEST}: {reason}); give runs/<run_id>/captures/<trace_id>"
        ) from error
    try:
        version = json.loads(text).get("schema_version")
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{path}: not a capture's manifest ({error}); the capture has to be recorded again") from error
    if version != CAPTURE_SCHEMA_VERSION:
        raise UsageError(
            f"{path}: capture schema {version}, this version reads {CAPTURE_SCHEMA_VERSION}; "
            "record the capture again, or measure it with the version that wrote it"
        )
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise UsageError(f"{path}: {first_problem(error)}; the capture has to be recorded again") from error


def _must_have_recordings(folder: Path) -> None:
    """A capture that kept only the numbers cannot be measured again; its measurement.json stays as it is."""
    try:
        record = json.loads((folder / capture.RETAINED).read_bytes())
    except (OSError, ValueError):
        return
    if isinstance(record, dict) and record.get("level") == "numbers":
        raise UsageError(
            f"{folder}: its recordings were given up on {record.get('at')} by `earwitness retain`; only its "
            f"{capture.MEASUREMENT} was kept, so it cannot be heard again"
        )


def first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'content'}: {first['msg']}"


def _read_record(path: Path, kind: type[Record], missing: dict[str, str]) -> Record | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        missing[path.name] = f"{path.name} is missing ({error.strerror})"
    except ValidationError as error:
        missing[path.name] = f"{path.name}: {first_problem(error)}"
    return None


Line = TypeVar("Line")


def _read_lines(path: Path, parse: Callable[[dict[str, object]], Line], missing: dict[str, str]) -> list[Line]:
    """Every line that can be read; the first that cannot is named. A kill leaves a torn last line."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        missing[path.name] = f"{path.name} is missing ({error.strerror})"
        return []
    rows: list[Line] = []
    for number, line in enumerate(lines_of(text), start=1):
        if not line.strip():
            continue
        try:
            rows.append(parse(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            first = first_problem(error) if isinstance(error, ValidationError) else str(error)
            missing.setdefault(path.name, f"{path.name}:{number}: {first}")
    return rows


def _read_packets(path: Path, missing: dict[str, str]) -> list[Row]:
    rows: list[Row] = []
    try:
        for row in parse_log(path.read_text(encoding="ascii", errors="replace")):
            rows.append(row)
    except OSError as error:
        missing[path.name] = f"{path.name} is missing ({error.strerror})"
    except ValueError as error:
        missing[path.name] = f"{path.name}: {error}, after {len(rows)} packets"
    return rows


def _seen_event(row: dict[str, object]) -> SeenEvent:
    """A line is {event, t_arrival_mono_ms, direction}, or the event alone."""
    if "event" not in row:
        return SeenEvent(Event.model_validate(row), None, "received")
    arrival = row.get("t_arrival_mono_ms")
    return SeenEvent(
        event=Event.model_validate(row["event"]),
        t_arrival_mono_ms=float(arrival) if isinstance(arrival, int | float) else None,
        direction=str(row.get("direction", "received")),
    )


def _load_line(row: dict[str, object]) -> HostLoadLine:
    def number(key: str) -> float | None:
        value = row.get(key)
        return float(value) if isinstance(value, int | float) else None

    t_mono_ms = number("t_mono_ms")
    if t_mono_ms is None:
        raise ValueError("t_mono_ms is missing")
    return HostLoadLine(
        t_mono_ms, number("cpu_percent"), number("loop_lag_ms"), number("launching"), number("withheld_ms")
    )


def _stats_line(row: dict[str, object]) -> StatsLine:
    t_mono_ms, reports = row["t_mono_ms"], row["reports"]
    if not isinstance(t_mono_ms, int | float) or not isinstance(reports, list):
        raise TypeError("needs a number t_mono_ms and a list reports")
    return StatsLine(float(t_mono_ms), tuple(report for report in reports if isinstance(report, dict)))


def _read_of_page(path: Path, missing: dict[str, str]) -> npt.NDArray[np.float64] | None:
    """None for a call without a browser, and for captures older than this file."""
    pairs = _read_pairs(path, missing) if path.exists() else None
    return pairs if pairs is not None and len(pairs) and np.isfinite(pairs).all() else None


def _read_pairs(path: Path, missing: dict[str, str]) -> npt.NDArray[np.float64] | None:
    try:
        table = np.load(path, allow_pickle=False)
    except OSError as error:
        missing[path.name] = f"{path.name} is missing ({error.strerror or error})"
        return None
    except (ValueError, EOFError) as error:
        missing[path.name] = f"{path.name} cannot be read: {error}"
        return None
    if table.ndim != 2 or table.shape[1] != 2 or not np.issubdtype(table.dtype, np.number):
        missing[path.name] = f"{path.name} has shape {table.shape}, not (n, 2)"
        return None
    return np.asarray(table, np.float64)
