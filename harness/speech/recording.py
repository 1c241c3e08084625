"""A WAV of the user's own: any rate, depth, mono or stereo → 48 kHz mono int16, with its utterances.

Utterances come from the annotation, or are found by level: sound 40 dB below the loudest 5 ms, parts closer than 700 ms
are one utterance. A silent second is added, since the WAV must end in silence.
"""

from __future__ import annotations

from math import gcd
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import soundfile
from scipy.signal import resample_poly

from harness.errors import CaseError
from harness.model.case import CASE_RATE_HZ, Recording, SpokenUtterance
from harness.speech.voiced import FRAME_MS, HOP_MS, frame_rms, threshold, voiced_span

LONGEST_S = 600.0
JOIN_MS = 700.0
SHORTEST_MS = 60.0
TAIL_MS = 1_000.0


def read_recording(
    recording: Recording, case_path: Path
) -> tuple[npt.NDArray[np.int16], list[SpokenUtterance], Literal["annotation", "detected"]]:
    """Raises CaseError that names the WAV and what is wrong with it."""
    samples = _load(case_path.parent / recording.wav, recording.wav, case_path)
    span = voiced_span(samples, CASE_RATE_HZ)
    if span is None:
        raise CaseError(case_path, None, f"speech.wav: {recording.wav}: is silent (below −65 dBFS throughout)")
    if recording.level_dbfs is not None:
        samples = samples * (10 ** (recording.level_dbfs / 20) / np.sqrt(np.mean(samples[span[0] : span[1]] ** 2)))
        check_headroom(samples, recording.level_dbfs, "speech", case_path)
    samples = np.concatenate([samples, np.zeros(round(TAIL_MS * CASE_RATE_HZ / 1e3))])
    integers = to_int16(samples)
    if recording.truth is None:
        return integers, _detect(samples), "detected"
    return integers, _annotated(recording, len(samples), case_path), "annotation"


def to_int16(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    """Full scale ±1 → int16; what is beyond stays at full scale, as a converter leaves it."""
    return np.round(samples * 32768).clip(-32768, 32767).astype(np.int16)


def check_headroom(samples: npt.NDArray[np.float64], level_dbfs: float, key: str, case_path: Path) -> None:
    """A level that makes the words clip would be heard as a fault of the agent. Raises CaseError."""
    over_db = 20 * np.log10(max(np.max(np.abs(samples), initial=0.0), 1e-9))
    if over_db > 0:
        highest = np.floor((level_dbfs - over_db) * 10) / 10
        raise CaseError(
            case_path, None, f"{key}.level_dbfs: clips at {level_dbfs:g}; at most {highest:g} for this sound"
        )


def _load(path: Path, name: str, case_path: Path) -> npt.NDArray[np.float64]:
    if not path.is_file():
        raise CaseError(case_path, None, f"speech.wav: {name}: no such file (paths are relative to the case file)")
    if path.stat().st_size == 0:
        raise CaseError(case_path, None, f"speech.wav: {name}: is empty (0 bytes)")
    try:
        info = soundfile.info(path)
        if info.frames == 0:
            raise CaseError(case_path, None, f"speech.wav: {name}: has a header but no samples")
        if info.frames / info.samplerate > LONGEST_S:
            raise CaseError(case_path, None, f"speech.wav: {name}: is longer than {LONGEST_S:.0f} s")
        samples, rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise CaseError(case_path, None, f"speech.wav: {name}: not a readable WAV ({error.error_string})") from error
    _check_whole(path, name, case_path, info)
    if not np.all(np.isfinite(samples)):
        raise CaseError(case_path, None, f"speech.wav: {name}: holds values that are no numbers (NaN or infinity)")
    mono = samples.mean(axis=1)
    divisor = gcd(rate_hz, CASE_RATE_HZ)
    return mono if rate_hz == CASE_RATE_HZ else resample_poly(mono, CASE_RATE_HZ // divisor, rate_hz // divisor)


def _check_whole(path: Path, name: str, case_path: Path, info: soundfile._SoundFileInfo) -> None:
    """libsndfile reads a cut WAV without a word; the size in its data chunk tells."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF":
            return
        while (chunk := file.read(8)) and len(chunk) == 8:
            size = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                present = path.stat().st_size - file.tell()
                if size not in (0, 0xFFFFFFFF) and present < size:
                    message = f"speech.wav: {name}: is truncated ({present} of {size} bytes of sound)"
                    raise CaseError(case_path, None, message)
                return
            file.seek(size + size % 2, 1)


def _detect(samples: npt.NDArray[np.float64]) -> list[SpokenUtterance]:
    rms = frame_rms(samples, CASE_RATE_HZ)
    loud = np.flatnonzero(rms > threshold(rms))
    hop, frame = int(HOP_MS * CASE_RATE_HZ / 1e3), int(FRAME_MS * CASE_RATE_HZ / 1e3)
    breaks = np.flatnonzero(np.diff(loud) * HOP_MS > JOIN_MS)
    starts = np.concatenate([[loud[0]], loud[breaks + 1]]) * hop
    ends = np.concatenate([loud[breaks], [loud[-1]]]) * hop + frame
    return [
        SpokenUtterance(start_sample=int(start), end_sample=int(min(end, len(samples))))
        for start, end in zip(starts, ends, strict=True)
        if end - start >= SHORTEST_MS * CASE_RATE_HZ / 1e3
    ]


def _annotated(recording: Recording, n_samples: int, case_path: Path) -> list[SpokenUtterance]:
    utterances, previous = [], 0
    for index, span in enumerate(recording.truth or []):
        start, end = round(span.start_ms * CASE_RATE_HZ / 1e3), round(span.end_ms * CASE_RATE_HZ / 1e3)
        if not previous <= start < end <= n_samples:
            message = (
                f"speech.truth.{index}: {span.start_ms:.0f} to {span.end_ms:.0f} ms does not fit the WAV or the order"
            )
            raise CaseError(case_path, None, message)
        utterances.append(SpokenUtterance(start_sample=start, end_sample=end, is_turn=span.is_turn, text=span.text))
        previous = end
    return utterances
