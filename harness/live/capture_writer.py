"""Write what an attempt recorded into its capture folder, complete file by complete file, the manifest last.

An attempt that failed half-way is written like any other, with what there is. A file that cannot be written (full disk)
does not keep the others from being written; the first such error names the attempt's status. The folder stays readable.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from bots.probe_bot import AGENT, USER, SeenEvent
from bots.timeline import ProbeRecording
from harness.live.said_so_far import SaidSoFar
from harness.live.user import UserRecording
from harness.model import capture
from harness.model.capture import AgentTrack, write_atomic
from harness.model.case import Truth
from harness.model.dialogue import DialogueRecord
from harness.model.plan import BuiltCase
from harness.model.spans import SpanLine
from harness.model.transcript import TranscriptLine
from harness.network.record import LinkRecord

RATE_HZ = 48_000


def wav_bytes(samples: npt.NDArray[Any], subtype: str) -> bytes:
    """A mono 48 kHz WAV. `subtype` is libsndfile's: PCM_16 for int16, FLOAT for float32."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE_HZ, subtype=subtype, format="WAV")
    return buffer.getvalue()


def json_lines(rows: Iterable[Any]) -> bytes:
    return "".join(json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n" for row in rows).encode()


class CaptureWriter:
    """One capture folder. `problems` collects what could not be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[str] = []

    def open(self, built: BuiltCase) -> None:
        """Make the folder, with the case and its truth in it. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=False)
        write_atomic(self.folder / capture.CASE, built.case.model_dump_json(indent=2).encode())
        truth, said = built.truth, built.wav.read_bytes()
        if built.case.dialogue is not None:  # the WAV has all that may be said
            nothing = SaidSoFar.nothing(truth)
            truth, said = nothing.truth, wav_bytes(nothing.samples, "PCM_16")
        write_atomic(self.folder / capture.TRUTH, truth.model_dump_json(indent=2).encode())
        write_atomic(self.folder / capture.SAID, said)

    def _put(self, name: str, make: Callable[[], bytes]) -> None:
        try:
            write_atomic(self.folder / name, make())
        except OSError as error:
            self.problems.append(f"{name}: {error.strerror or error}")

    def probe(self, recording: ProbeRecording, tracks: Sequence[AgentTrack]) -> None:
        for who, name in ((AGENT, capture.POST_RTC), (USER, capture.POST_USER)):
            samples = recording.audio.get(who)
            if samples is not None:
                self._put(name, partial(wav_bytes, samples, "PCM_16"))
        for track in tracks:
            if track.file is not None:
                self._put(track.file, partial(wav_bytes, recording.tracks[track.sid], "PCM_16"))
        if len(recording.arrivals):
            buffer = io.BytesIO()
            np.save(buffer, recording.arrivals)
            self._put(capture.ARRIVALS, buffer.getvalue)

    def user(self, recording: UserRecording) -> None:
        if recording.mic is not None and recording.ear is not None:
            mic, ear = recording.mic, recording.ear
            self._put(capture.MIC, lambda: wav_bytes(mic, "FLOAT"))
            self._put(capture.EAR, lambda: wav_bytes(ear, "FLOAT"))
        for name, table in ((capture.EAR_CLOCK, recording.ear_clock), (capture.EAR_RECEIVED, recording.ear_received)):
            if table is not None and len(table):
                buffer = io.BytesIO()
                np.save(buffer, table)
                self._put(name, buffer.getvalue)
        if recording.webm:
            webm = recording.webm
            self._put(capture.EAR_WEBM, lambda: webm)
        if recording.page_claims:
            self._put(capture.BROWSER_TRACE, lambda: json.dumps(recording.page_claims, indent=2).encode())
        if recording.console:
            self._put(capture.CONSOLE, lambda: json_lines(recording.console))

    def dialogue(self, truth: Truth, said: npt.NDArray[np.int16], record: Sequence[DialogueRecord]) -> None:
        """What was said in this call, in place of all that might have been."""
        self._put(capture.TRUTH, lambda: truth.model_dump_json(indent=2).encode())
        self._put(capture.SAID, lambda: wav_bytes(said, "PCM_16"))
        rows = (line.model_dump(mode="json", exclude_none=True) for line in record)
        self._put(capture.DIALOGUE, lambda: json_lines(rows))

    def events(self, seen: list[SeenEvent]) -> None:
        rows = (
            {
                "event": item.event.model_dump(mode="json", exclude_none=True),
                "t_arrival_mono_ms": round(item.t_mono_ms, 3),
                "direction": item.direction,
            }
            for item in seen
        )
        self._put(capture.EVENTS, lambda: json_lines(rows))

    def transcript(self, lines: Sequence[TranscriptLine]) -> None:
        if lines:
            rows = (line.model_dump(mode="json", exclude_defaults=True) | {"v": line.v} for line in lines)
            self._put(capture.TRANSCRIPT, lambda: json_lines(rows))

    def spans(self, spans: Sequence[SpanLine]) -> None:
        if spans:
            rows = (span.model_dump(mode="json", exclude_defaults=True) | {"v": span.v} for span in spans)
            self._put(capture.SPANS, lambda: json_lines(rows))

    def stats(self, lines: list[dict[str, Any]]) -> None:
        if lines:
            self._put(capture.RTC_STATS, lambda: json_lines(lines))

    def link(self, record: LinkRecord) -> None:
        self._put(capture.LINK, lambda: record.model_dump_json(indent=1).encode())

    def host_load(self, lines: list[dict[str, float | None]]) -> None:
        self._put(capture.HOST_LOAD, lambda: json_lines(lines))

    def files(self) -> dict[str, int]:
        return {p.name: p.stat().st_size for p in sorted(self.folder.iterdir()) if p.suffix not in (".tmp", ".part")}

    def manifest(self, manifest: capture.Manifest) -> None:
        """Raises OSError: without a manifest there is no capture."""
        capture.write_manifest(self.folder, manifest)
