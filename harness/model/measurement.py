"""A Measurement: everything the listening half found in one capture, one record a turn.

A metric that was not computed has `value: null` and a `reason`; never 0, −1 or NaN. `not_applicable` is set only where
the capture's declared capability (lane, kind of agent) excludes the metric. Positions in a recording are samples of that
recording (48 kHz); durations are ms.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.model.inside import OneName
from harness.model.status import CaptureStatus

MEASUREMENT_SCHEMA_VERSION = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Metric(_Frozen):
    """One number with its unit, or the reason why there is none."""

    value: float | None
    unit: str = ""
    reason: str = ""  # why there is no value, or what limits it
    uncertainty: float | None = None  # ± in the same unit
    not_applicable: bool = False
    invalid: bool = False  # computed, but not to be believed; reason says why


class Span(_Frozen):
    """[start, end) in samples of the recording it is listed under."""

    start: int
    end: int


DefectKind = Literal[
    "gap", "dropout", "lost_head", "lost_tail", "repeat", "leading_silence",
    "clipping", "compression", "level_change", "level_drop",
    "click", "boom", "noise_burst", "noise", "hum",
    "speed", "wrong_rate", "pitch", "bandwidth", "spectrum",
    "user_echo", "foreign_sound", "lost_sound", "moved", "late", "garbage", "steady_sound",
]  # fmt: skip
Born = Literal["before_rtc", "in_rtc", "at_ear", "unknown"]
RingName = Literal["pre_rtc", "post_rtc", "ear"]


class Defect(_Frozen):
    """Something a listener would hear. `born`: where on the path it arose, with the comparison that shows it."""

    kind: DefectKind
    ring: RingName
    start_ms: float  # in the ring's recording
    duration_ms: float
    detail: str = ""
    born: Born = "unknown"
    evidence: str = ""


class Alignment(_Frozen):
    """Lag between two recordings: b(t) is a(t − lag). `confidence` is the normalised correlation at the peak, 0 to 1."""

    a: str
    b: str
    lag_ms: float | None
    confidence: float
    reason: str = ""


class WaterfallStep(_Frozen):
    """One part of the time from the user's last voiced sample to the first audible sample of the agent."""

    name: str
    ms: float | None
    reason: str = ""


class Spectrum(_Frozen):
    """Spectral fingerprint of one reply in one recording: 64 mel bands, 80 Hz to 12 kHz, relative to their mean."""

    mel_mean_db: list[float]
    mel_spread_db: list[float]  # standard deviation over time
    centroid_hz: float
    rolloff_hz: float  # 85 % of the power lie below
    flatness_db: float  # ratio of geometric to arithmetic mean: 0 is white noise
    hf_share_db: float  # 4 to 8 kHz against the whole band
    crest_db: float


class ToolCall(_Frozen):
    """A call of a tool, as the agent told of it. Times on the host's monotonic clock; None: unknown."""

    name: str
    arguments: str = ""  # JSON
    result: str = ""
    error: str = ""
    started_ms: float | None = None
    ended_ms: float | None = None
    ended: bool = False

    @property
    def succeeded(self) -> bool:
        return self.ended and not self.error


LedgerKind = Literal[
    "arrived", "stretched", "compressed", "silence", "lost", "concealed", "repeated", "moved", "foreign",
]  # fmt: skip


class LedgerEntry(_Frozen):
    """One entry of a reply's ledger: [start, end) of the published sound and of the heard sound, samples of the two recordings.

    Published is pre_rtc.wav, without one post_rtc.wav. Each entry begins where the one before it ends, in both.
    """

    kind: LedgerKind
    published: tuple[int, int]
    heard: tuple[int, int]
    sound_ms: float = 0.0  # how much of it can be heard
    likeness: float | None = None
    explained: bool = False  # WebRTC's own counters account for it
    detail: str = ""


class Turn(_Frozen):
    """One turn: (`trace_id`, `reply_seq`)."""

    reply_seq: int
    utterance: int | None  # index of the utterance it answers; None for a reply nobody asked for
    greeting: bool = False  # said before the user's first word
    metrics: dict[str, Metric]
    mic_end_sample: int | None = None  # true end of turn in mic.wav (bot lane: in post_user.wav)
    onset_sample: int | None = None  # first audible agent sample in ear.wav (bot lane: in post_rtc.wav)
    spans: dict[str, Span] = Field(default_factory=dict)  # recording → where this reply stands in it
    defects: list[Defect] = Field(default_factory=list)
    waterfall: list[WaterfallStep] = Field(default_factory=list)
    understood: str = ""  # the user's words, as the agent published them
    said: str = ""  # its own words, as it published them
    heard_as: dict[str, str] = Field(default_factory=dict)  # recording → its words, as a recogniser understood them
    tools: list[ToolCall] = Field(default_factory=list)  # that it called in this turn, as it told
    spectra: dict[str, Spectrum] = Field(default_factory=dict)  # recording → fingerprint of this reply there
    ledger: dict[str, list[LedgerEntry]] = Field(
        default_factory=dict
    )  # listener's recording → the reply's ledger there


class Validity(_Frozen):
    """Whether the measurement itself is to be believed."""

    ok: bool
    reasons: list[str] = Field(default_factory=list)


class Measurement(_Frozen):
    """What was measured in one capture. The same folder gives the same record, to the byte, on any machine."""

    schema_version: int = MEASUREMENT_SCHEMA_VERSION
    trace_id: OneName
    case_id: OneName
    attempt: int
    lane: Literal["browser", "bot"]
    mic: Literal["scheduled", "device", "bot"]
    capture_status: CaptureStatus
    detail: str = ""
    turns: list[Turn]
    metrics: dict[str, Metric] = Field(default_factory=dict)  # of the call as a whole
    happenings: list[str] = Field(default_factory=list)  # what is no fault but must be known, in words
    alignments: list[Alignment] = Field(default_factory=list)
    validity: Validity
