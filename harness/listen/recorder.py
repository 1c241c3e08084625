"""The browser's own recording against the tap's: ear.webm decoded, aligned with ear.wav, and measured like it (H-132).

ear.wav is what the tap took, sample by sample; ear.webm went through the MediaRecorder's Opus. The webm is aligned by the
replies (it begins when the agent's track came), then it stands in for ear.wav and the capture is measured as ever: any
difference is the recorder's. The webm serves nothing else, and no gate looks at it. Times in ms, levels in dB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from harness.listen.measure import measure
from harness.listen.place.align import WAVEFORM_CONFIDENCE, find_best
from harness.listen.place.ring import BAND_RATE_HZ, DECIMATION, Ring
from harness.listen.read.reading import Capture, read_capture
from harness.listen.read.webm import RATE_HZ, WebmAudio, WebmError, read_webm
from harness.model.audio import Audio
from harness.model.capture import EAR_WEBM
from harness.model.inside import OneName
from harness.model.measurement import Measurement

SCHEMA_VERSION = 1
WEBM_MEASUREMENT = "webm_measurement.json"
PIECE = BAND_RATE_HZ  # a second of a reply to find it by
LEAST_PIECE = BAND_RATE_HZ // 4
#: What is compared reply by reply: holes, clicks and the like, and the spectral fingerprint.
COMPARED = (
    "max_gap_ear_ms", "dropout_count_ear", "click_count_ear", "clipping_ratio_ear", "repeat_count_ear",
    "mel_distance_ear_db", "hf_change_ear_db", "band_lost_ear_hz", "level_change_ear_db", "speed_ear_ppm", "user_kpi_raw_ms",
)  # fmt: skip


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Beside(_Frozen):
    """One number of one reply, by the tap's recording and by the recorder's; None where it could not be computed."""

    reply_seq: int
    metric: str
    unit: str
    ear: float | None
    webm: float | None


class WebmHeard(_Frozen):
    """`lag_ms`: where sample 0 of the webm stands in ear.wav; `drift_ms`: how far it is off at the last reply.

    `reason`: why there is nothing to compare; then the numbers are None.
    """

    schema_version: int = SCHEMA_VERSION
    trace_id: OneName
    lane: str
    reason: str = ""
    ear_ms: float | None = None
    webm_ms: float | None = None
    gap_ms: float | None = None  # of the webm's time that no packet covers
    packets: int | None = None
    lag_ms: float | None = None
    drift_ms: float | None = None
    level_db: float | None = None  # of the webm against the tap, over the replies
    identity: float | None = None  # median correlation of the replies' pieces, voice band
    replies: list[Beside] = Field(default_factory=list)


def hear_webm(folder: Path) -> WebmHeard:
    """Compares the webm. Writes nothing. Raises UsageError if `folder` is no capture folder."""
    heard = read_capture(folder)
    nothing = WebmHeard(trace_id=heard.manifest.trace_id, lane=heard.manifest.lane)
    if heard.manifest.lane == "bot":
        return nothing.model_copy(update={"reason": "the bot lane has no browser that records"})
    if "ear" not in heard.audio:
        return nothing.model_copy(update={"reason": heard.why_missing("ear")})
    try:
        webm = read_webm(folder / EAR_WEBM)
    except FileNotFoundError:
        why = f"{EAR_WEBM} is missing"
    except OSError as error:
        why = f"{EAR_WEBM} cannot be read ({error.strerror})"
    except WebmError as error:
        why = f"{EAR_WEBM} {error}"
    else:
        return _beside(heard, webm)
    return nothing.model_copy(update={"reason": why})


def _beside(heard: Capture, webm: WebmAudio) -> WebmHeard:
    ear = heard.audio["ear"]
    by_tap = measure(heard)
    spans = [turn.spans["ear"] for turn in by_tap.turns if "ear" in turn.spans]
    known = WebmHeard(
        trace_id=heard.manifest.trace_id,
        lane=heard.manifest.lane,
        ear_ms=round(ear.duration_ms, 3),
        webm_ms=round(webm.audio.duration_ms, 3),
        gap_ms=round(webm.gap_ms, 3),
        packets=webm.packets,
    )
    places = _places(Ring("ear", ear), Ring("webm", webm.audio), [(span.start, span.end) for span in spans])
    if not places:
        said = (
            "no reply of ear.wav is found in it"
            if spans
            else "no reply is heard in ear.wav, by which it could be laid on it"
        )
        return known.model_copy(update={"reason": f"{EAR_WEBM}: {said}"})
    lag = places[0][0]
    laid = _laid_on(webm.audio, round(lag * DECIMATION), len(ear))
    by_recorder = measure(replace(heard, audio={**heard.audio, "ear": laid}))
    return known.model_copy(
        update={
            "lag_ms": round(1e3 * lag / BAND_RATE_HZ, 3),
            "drift_ms": round(1e3 * (places[-1][0] - lag) / BAND_RATE_HZ, 3),
            "level_db": _level_db(ear.samples, laid.samples, [(span.start, span.end) for span in spans]),
            "identity": round(float(np.median([confidence for _, confidence in places])), 4),
            "replies": _compared(by_tap, by_recorder),
        }
    )


def _places(ear: Ring, webm: Ring, spans: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    """(position in ear minus position in webm, how sure) of each reply's beginning and of the last one's end, by time."""
    found = []
    pieces = [(start // DECIMATION, end // DECIMATION) for start, end in spans]
    ends = [(max(pieces[-1][0], pieces[-1][1] - PIECE), pieces[-1][1])] if pieces else []
    for start, end in [*pieces, *ends]:
        piece = ear.band[start : min(end, start + PIECE)]
        if len(piece) < LEAST_PIECE:
            continue
        match = find_best(piece, webm.band)
        if match is not None and match.confidence >= WAVEFORM_CONFIDENCE:
            found.append((start - match.at, match.confidence))
    return found


def _laid_on(webm: Audio, lag: int, length: int) -> Audio:
    """The webm on ear.wav's samples: silence where the webm has none."""
    laid = np.zeros(length, np.float32)
    first, last = max(0, lag), min(length, lag + len(webm))
    if last > first:
        laid[first:last] = webm.samples[first - lag : last - lag]
    return Audio(laid, RATE_HZ)


def _level_db(
    ear: npt.NDArray[np.float32], webm: npt.NDArray[np.float32], spans: Sequence[tuple[int, int]]
) -> float | None:
    of_ear, of_webm = (sum(float(np.sum(x[a:b].astype(np.float64) ** 2)) for a, b in spans) for x in (ear, webm))
    return round(10 * float(np.log10(of_webm / of_ear)), 3) if of_ear > 0 and of_webm > 0 else None


def _compared(by_tap: Measurement, by_recorder: Measurement) -> list[Beside]:
    others = {turn.reply_seq: turn.metrics for turn in by_recorder.turns}
    rows = []
    for turn in by_tap.turns:
        other: Mapping = others.get(turn.reply_seq, {})
        for name in COMPARED:
            ear, webm = turn.metrics.get(name), other.get(name)
            if ear is None or (ear.value is None and (webm is None or webm.value is None)):
                continue
            rows.append(
                Beside(
                    reply_seq=turn.reply_seq,
                    metric=name,
                    unit=ear.unit,
                    ear=ear.value,
                    webm=webm.value if webm is not None else None,
                )
            )
    return rows
