"""A case: what the user says, and what must follow. One YAML file in `cases/` each; this is its schema (H-39).

Times are ms. `Speech` is what a case becomes when built: 48 kHz mono 16 bit samples with their truth, to the sample.
Reading the YAML (with line numbers in errors) and building the speech are done in `harness.speech`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from harness.model.channels import Channel
from harness.model.dialogue import Dialogue
from harness.model.expect import Expectation, ExpectedGreeting, GreetingRule

CASE_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$"
SUITE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"
EVERY_CASE = "all"  # where a suite is named; no suite has this name
CASE_RATE_HZ = 48_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True)


def _one_of(**known_by: str) -> Discriminator:
    """Choose the model of a union by the key that only it has, so that an error names that model alone."""

    def kind(value: Any) -> str | None:
        if isinstance(value, BaseModel):
            return type(value).__name__
        given = value if isinstance(value, dict) else {}
        return next((name for name, key in known_by.items() if key in given), None)

    keys = ", ".join(known_by.values())
    return Discriminator(kind, "one_of", f"needs one of the keys {keys}")


class Tier(StrEnum):
    P0 = "P0"  # its gates block
    P1 = "P1"  # its fingerprints warn


class Say(_Strict):
    """Some words. `voice`: joe, which is neural (English), or any voice of espeak-ng (en-us, en-gb, cmn, …)."""

    say: str = Field(min_length=1, max_length=2000)
    voice: str | None = None
    rate_wpm: int | None = Field(default=None, ge=80, le=450)


class Pause(_Strict):
    pause_ms: float = Field(gt=0, le=20_000)


class Impulse(_Strict):
    """One plosive-like spike of full scale `peak`, as boom_trigger wants it (H-21)."""

    impulse_peak: float = Field(gt=0, le=1.0)
    width_ms: float = Field(default=2.0, ge=0.1, le=50)


class RecordedWords(_Strict):
    """Words from a WAV of their own, played from the first voiced sample to the last. Path relative to the case file.

    Without `start_ms` and `end_ms` both are found by level; what noise hides must be given.
    """

    wav: str = Field(min_length=1)
    start_ms: float | None = Field(default=None, ge=0)
    end_ms: float | None = Field(default=None, gt=0)
    error_ms: float | None = Field(
        default=None, ge=0, le=600_000
    )  # how far both may be off, where noise lies under the words
    text: str = ""
    channel: Channel | None = None  # left, right or average, of two channels; None: as the recording shows

    @model_validator(mode="after")
    def _both_or_none(self) -> RecordedWords:
        if (self.start_ms is None) != (self.end_ms is None):
            raise ValueError("start_ms and end_ms are given together, or neither")
        if self.start_ms is not None and self.end_ms is not None and self.end_ms <= self.start_ms:
            raise ValueError("end_ms must be after start_ms")
        return self


Part = Annotated[
    Annotated[Say, Tag("Say")]
    | Annotated[Pause, Tag("Pause")]
    | Annotated[Impulse, Tag("Impulse")]
    | Annotated[RecordedWords, Tag("RecordedWords")],
    _one_of(Say="say", Pause="pause_ms", Impulse="impulse_peak", RecordedWords="wav"),
]


class StartAt(_Strict):
    """The utterance starts at a fixed time from the start of the case's WAV."""

    at_ms: float = Field(ge=0, le=600_000)


class StartAfter(_Strict):
    """The utterance starts `delay_ms` after an event of the agent's reply number `reply` (0 is the first).

    `nominal_ms` is where it stands in the built WAV, which the device microphone plays as it is; there the achieved
    delay after the event must lie in `window_ms`, else the turn is INVALID.
    """

    after: Literal["reply_start", "reply_end"]
    delay_ms: float = Field(ge=0, le=60_000)
    reply: int = Field(default=0, ge=0)
    nominal_ms: float = Field(ge=0, le=600_000)
    window_ms: tuple[float, float] = (0.0, 10_000.0)

    @model_validator(mode="after")
    def _in_order(self) -> StartAfter:
        if not self.window_ms[0] <= self.delay_ms <= self.window_ms[1]:
            raise ValueError("delay_ms must lie in window_ms")
        return self


Start = Annotated[
    Annotated[StartAt, Tag("StartAt")] | Annotated[StartAfter, Tag("StartAfter")],
    _one_of(StartAt="at_ms", StartAfter="after"),
]


class Utterance(_Strict):
    """One thing the user says in one go. A turn of the user, unless `is_turn` says that no reply is due to it."""

    parts: list[Part] = Field(min_length=1)
    start: Start = StartAt(at_ms=500)
    voice: str = "en-us"
    rate_wpm: int = Field(default=185, ge=80, le=450)
    level_dbfs: float = Field(default=-23.0, ge=-70, le=-6)  # RMS over the voiced part
    is_turn: bool = True  # False: a backchannel or a cough, which must not be answered


class Noise(_Strict):
    """Stationary noise under the whole WAV: at an SNR to the speech, or (without speech) at a level."""

    kind: Literal["white", "pink"] = "pink"
    snr_db: float | None = Field(default=None, ge=-20, le=80)
    level_dbfs: float | None = Field(default=None, ge=-90, le=-10)
    seed: int = 1

    @model_validator(mode="after")
    def _one_of(self) -> Noise:
        if (self.snr_db is None) == (self.level_dbfs is None):
            raise ValueError("noise needs exactly one of snr_db and level_dbfs")
        return self


class Recipe(_Strict):
    """Synthesised speech, or recorded words, laid out in time: the same recipe always gives the same bytes."""

    utterances: list[Utterance] = Field(default_factory=list)
    noise: Noise | None = None
    tail_ms: float = Field(default=1000, ge=300, le=60_000)  # silence after the last word; the WAV must end in silence
    total_ms: float | None = Field(default=None, gt=0, le=600_000)  # at least this long (silence_only)

    @model_validator(mode="after")
    def _noise_has_its_level(self) -> Recipe:
        if self.noise is not None and self.noise.snr_db is not None and not self.utterances:
            raise ValueError("noise.snr_db is relative to speech, and there is none: give noise.level_dbfs")
        return self


class TruthSpan(_Strict):
    """One utterance of a recorded WAV, from its annotation."""

    start_ms: float = Field(ge=0)
    end_ms: float = Field(gt=0)
    is_turn: bool = True
    text: str = ""

    @model_validator(mode="after")
    def _in_order(self) -> TruthSpan:
        if self.end_ms <= self.start_ms:
            raise ValueError("end_ms must be after start_ms")
        return self


class Recording(_Strict):
    """A WAV of the user's own: any rate, any depth, mono or stereo. Path relative to the case file.

    Without `truth`, the utterances are found in the file itself: by level, or in noise by a speech detector with its error.
    """

    wav: str = Field(min_length=1)
    truth: list[TruthSpan] | None = None
    level_dbfs: float | None = Field(default=None, ge=-70, le=-6)  # None: as it is
    channel: Channel | None = None  # left, right or average, of two channels; None: as the recording shows


def _speech_kind(value: Any) -> str:
    if isinstance(value, BaseModel):
        return type(value).__name__
    return "Recording" if isinstance(value, dict) and "wav" in value else "Recipe"


Speech = Annotated[
    Annotated[Recipe, Tag("Recipe")] | Annotated[Recording, Tag("Recording")], Discriminator(_speech_kind)
]


class ExpectedSilence(_Strict):
    """A designed pause, which gap and dropout detection skip (H-38)."""

    start_ms: float = Field(ge=0)
    end_ms: float = Field(gt=0)
    where: Literal["user", "reply"]

    @model_validator(mode="after")
    def _in_order(self) -> ExpectedSilence:
        if self.end_ms <= self.start_ms:
            raise ValueError("end_ms must be after start_ms")
        return self


class Echo(_Strict):
    """The agent's own voice comes back into the user's microphone, as from a loudspeaker (H-36, R-90)."""

    gain_db: float = Field(ge=-60, le=0)
    delay_ms: float = Field(default=200, ge=150, le=450)  # after the agent was heard; the user bot cannot keep less


def _greeting_kind(value: Any) -> str | None:
    if isinstance(value, (dict, ExpectedGreeting)):
        return "ExpectedGreeting"
    return "GreetingRule" if value in get_args(GreetingRule) else None


Greeting = Annotated[
    Annotated[GreetingRule, Tag("GreetingRule")] | Annotated[ExpectedGreeting, Tag("ExpectedGreeting")],
    Discriminator(
        _greeting_kind, "greeting", "must be auto, none, required, or a mapping of within_ms, says and lost_head"
    ),
]


def _suite_name(name: str) -> str:
    if name == EVERY_CASE:
        raise ValueError(f"{EVERY_CASE} is every case there is; give a suite another name")
    if not re.match(SUITE_PATTERN, name):
        raise ValueError(f"{name!r} is no name of a suite: letters, digits, - and _, 40 at most")
    return name


SuiteName = Annotated[str, AfterValidator(_suite_name)]


class Case(_Strict):
    """One case. Unknown keys are errors; `gates_override` may only tighten for P0."""

    id: str = Field(pattern=CASE_ID_PATTERN)
    title: str = Field(min_length=1, max_length=200)
    tier: Tier
    suite: list[SuiteName] = ["extended"]  # shipped suites (fast, mini, extended), or any of one's own
    speech: Speech = Recipe()  # a recipe or a recording; needed, unless there is a dialogue
    dialogue: Dialogue | None = None  # instead of speech: each line hangs on what the agent says
    expected_silence: list[ExpectedSilence] = Field(default_factory=list)
    expect_reply: bool = True
    min_reply_ms: float = Field(default=300, ge=0)
    max_reply_ms: float = Field(default=30_000, gt=0)
    talk_over_allowed: bool = False
    interrupts: bool = False  # the user barges in: the first reply is to stop, and is not judged for its length
    reply_timeout_ms: float = Field(default=6_000, gt=0)  # true end of turn → first sound of the agent
    # None: as the run says (CallRules)
    greeting: Greeting | None = None  # auto, none, required; or what is asked of it: within_ms, says, lost_head
    turn_quiet_ms: float | None = Field(default=None, ge=300, le=60_000)  # silence that ends the agent's turn
    hangup: Literal["warn", "expected"] | None = None  # the agent leaves after its last reply
    # what is said in words: of every turn of the user, or one entry a turn
    expect: Expectation | list[Expectation] | None = None
    gates_override: dict[str, float] = Field(default_factory=dict)  # gate id → threshold
    echo: Echo | None = None  # not available with the device microphone
    tags: list[str] = Field(default_factory=list)
    about: str = ""  # why this case exists

    @model_validator(mode="after")
    def _one_way_of_speaking(self) -> Case:
        if self.dialogue is None and "speech" not in self.model_fields_set:
            raise ValueError("key 'speech' is missing (or 'dialogue' in its place)")
        if self.dialogue is not None and self.speech != Recipe():
            raise ValueError("has both speech and dialogue; a case is one of them")
        return self

    @model_validator(mode="after")
    def _lengths_in_order(self) -> Case:
        if self.min_reply_ms > self.max_reply_ms:
            raise ValueError("min_reply_ms is above max_reply_ms")
        return self

    @model_validator(mode="after")
    def _one_word_error_rate(self) -> Case:
        if len({wanted.understood.wer_max for wanted in self.expectations if wanted.understood is not None}) > 1:
            raise ValueError("expect: understood.wer_max is one figure for all turns of a case")
        if len({w.reply_wer_max for w in self.expectations if w.reply_wer_max is not None}) > 1:
            raise ValueError("expect: reply_wer_max is one figure for all turns of a case")
        return self

    @property
    def greeting_rule(self) -> GreetingRule | None:
        """A greeting of which something is asked is required."""
        return "required" if isinstance(self.greeting, ExpectedGreeting) else self.greeting

    @property
    def expected_greeting(self) -> ExpectedGreeting | None:
        return self.greeting if isinstance(self.greeting, ExpectedGreeting) else None

    @property
    def expectations(self) -> list[Expectation]:
        if self.expect is None:
            return []
        return self.expect if isinstance(self.expect, list) else [self.expect]

    def expected_of(self, turn: int) -> Expectation | None:
        """Of the user's turn number `turn`, counted from 0."""
        if self.expect is None or isinstance(self.expect, Expectation):
            return self.expect
        return self.expect[turn] if turn < len(self.expect) else None


class SpokenWord(_Strict):
    """When a word sounds, by the durations that the neural voice gave its phonemes (they are 12 ms steps)."""

    text: str
    start_sample: int = Field(ge=0)
    end_sample: int = Field(gt=0)


class SpokenUtterance(_Strict):
    """Where one utterance stands in the built WAV, to the sample at CASE_RATE_HZ."""

    start_sample: int = Field(ge=0)  # first voiced sample
    end_sample: int = Field(gt=0)  # one past the last voiced sample
    is_turn: bool = True
    text: str = ""
    after: Literal["reply_start", "reply_end"] | None = None  # None: starts where it stands
    after_reply: int = 0
    delay_ms: float | None = None
    window_ms: tuple[float, float] | None = None
    pauses: list[tuple[int, int]] = Field(default_factory=list)  # designed pauses inside, [start, end) samples
    words: list[SpokenWord] = Field(default_factory=list)  # none where espeak-ng speaks, or in a recording
    error_ms: float | None = None  # how far both may be off, where they were found in noise


class Truth(_Strict):
    """What a built WAV contains, to the sample."""

    case_id: str
    rate_hz: Literal[48_000] = 48_000
    n_samples: int
    sha256: str  # of the WAV's samples (little-endian int16)
    source: Literal["recipe", "annotation", "detected", "dialogue"]
    utterances: list[SpokenUtterance]
    impulses: list[int] = Field(default_factory=list)  # samples of designed spikes
    voices: list[str] = Field(default_factory=list)  # who speaks, with versions; none in a recording
    notes: list[str] = Field(default_factory=list)  # assumptions made in reading a recording of the user's own
    lines_sha256: str = ""  # of a dialogue: of all lines that may be said, whichever were
