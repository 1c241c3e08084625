"""A capture folder: the only thing between the live half and the listening half.

`runs/<run_id>/captures/<trace_id>/`. Sample 0 of `ear.wav` and `mic.wav` is one instant of one clock (the browser's
AudioContext); sample 0 of `post_rtc.wav` and `post_user.wav` is one instant of one clock (the probe's native audio tick);
`pre_rtc.wav` has the agent's publishing clock. Every file is written beside its place and renamed, so that a kill leaves a
complete file or none; while a call runs, audio streams to `<name>.part` (raw float32 little-endian), which the next
reader can still save.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.model.inside import OneName
from harness.model.redaction import Redacted
from harness.model.status import CaptureStatus

CAPTURE_SCHEMA_VERSION = 1

PRE_RTC = "pre_rtc.wav"  # agent: PCM handed to the publisher, silence between replies included
POST_RTC = "post_rtc.wav"  # probe: the agent as a second subscriber received it
TRACKS = tuple(
    f"post_rtc_track{n}.wav" for n in range(1, 10)
)  # probe: each of the agent's tracks, where it has several
POST_USER = "post_user.wav"  # probe: the user as a second subscriber received it
EAR = "ear.wav"  # browser: all agent audio after the jitter buffer
MIC = "mic.wav"  # browser: the user's microphone as the page got it
EAR_WEBM = "ear.webm"  # browser: the audio of ear.wav from the browser's own recorder (Opus)
SAID = "said.wav"  # what the case says
TRUTH = "truth.json"  # where its words are, to the sample
CASE = "case.json"  # the case as it was played
EVENTS = "events.jsonl"  # what the participants sent each other, one event a line
TRANSCRIPT = "transcript.jsonl"  # the words that the participants published of their speech, one text a line
DIALOGUE = "dialogue.jsonl"  # of a case with a dialogue: each step as it went, one a line
HEARD_WORDS = "heard_words.json"  # what a recogniser understood of the agent, after the call
SPANS = "spans.jsonl"  # agent: what it told of the call by OpenTelemetry, one span a line
AGENT_TRACE = "agent_trace.jsonl"  # agent: one line a turn, with the times of its steps
BROWSER_TRACE = "browser_trace.json"  # browser: what the page did, on its own clock
RTC_STATS = "rtc_stats.jsonl"  # WebRTC's own counters, once a second
HOST_LOAD = "host_load.jsonl"  # live half: twice a second {t_mono_ms, cpu_percent, loop_lag_ms, withheld_ms}
ARRIVALS = "arrivals.npy"  # probe: float64 (n, 2): arrival time in ms (monotonic), sample index of each 20 ms frame
EAR_CLOCK = "ear_clock.npy"  # browser: float64 (n, 2): sample of ear.wav, monotonic ms of one instant, 12 a second
EAR_RECEIVED = (
    "ear_received.npy"  # browser: float64 (n, 2): sample of ear.wav, RMS of what came on remote tracks from there
)
LINK = "link.json"  # the network profile, what was applied when, and the echo's measurement
LINK_LOG = "link.csv"  # the relay's packet log (harness.network.log); streamed, so a kill leaves it torn at worst
SCREENSHOT = "screenshot.png"  # browser: the page at the end of the call
CONSOLE = "console.jsonl"  # browser: what the page wrote to its console, and its errors
MANIFEST = "manifest.json"  # how the call was made, how it ended, with which versions and clocks
MEASUREMENT = "measurement.json"  # what the listening half found
CALLER = "caller"  # in a manifest's versions: whose voices say the case
RETAINED = "retained.json"  # what `earwitness retain` left of the capture


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Timeline(_Frozen):
    """Ties sample 0 of a pair of recordings to the host's monotonic clock: t_ms = t0_mono_ms + 1e3 * sample / rate_hz."""

    rate_hz: int
    t0_mono_ms: float
    error_ms: float  # half width of the offset estimate's interval
    clock_id: str
    lost_samples: int = 0  # frames that never arrived from the tap (capture underrun)
    slip_ms: float | None = None  # how far the recording's clock fell behind the host's during the call


class AgentUnderTest(_Frozen):
    """What kind of agent, and what it reports. Capability is declared, never guessed from missing data."""

    kind: Literal["reference", "command", "dispatch", "room", "page"]  # page: whoever the page connects to by itself
    spec: Redacted = ""
    instrumented: bool = False  # speaks the events, writes pre_rtc.wav and agent_trace.jsonl
    vad_hangover_ms: float | None = None
    speculative: bool = False
    identity: str | None = None  # which participant it is, where the user of the harness named it


class PageUnderTest(_Frozen):
    kind: Literal["product", "own", "none"]
    url_template: Redacted = ""
    sha256: str | None = None
    identity: str | None = None  # its participant identity in the room: ours, or that of its own token
    agent_track: bool = True  # the agent came on a remote WebRTC track; without one the page plays it by other means


class SpokenAt(_Frozen):
    """When an utterance really started: its first sample in the microphone's recording, as scheduled."""

    utterance: int
    mic_sample: int | None  # browser: frame of mic.wav at which the utterance's first voiced sample was scheduled
    achieved_delay_ms: float | None = None  # for starts relative to a reply
    in_window: bool = True


HappeningKind = Literal[
    "greeting",  # the agent spoke first, and was let finish
    "hung_up",  # it left in order after its last reply, or deleted the room
    "came_back",  # it left between two turns and came back
    "reopened",  # it spoke again after its turn seemed over
    "talked_on",  # it went on talking after the user had interrupted it
    "others",  # somebody who is neither user nor agent came into the room
    "background",  # a further audio track of the agent, which is not its voice
    "no_track",  # it joined without an audio track
    "state_stuck",  # its lk.agent.state did not follow its audio
    "transcript_flood",  # more text was published than is kept
    "telemetry",  # spans came by OpenTelemetry: how many are kept, left out and refused
]


class Happening(_Frozen):
    """Something in the call that is no fault by itself but that its judge must know. `detail`: one sentence."""

    kind: HappeningKind
    detail: Redacted
    who: str = ""  # the participant's identity
    t_mono_ms: float | None = None
    duration_ms: float | None = None
    incomplete: bool = False  # of telemetry: some of what came was not kept, so what is missing proves nothing


class AgentTrack(_Frozen):
    """One audio track of the agent at the second listener. post_rtc.wav is the sum of them, as a person hears it."""

    sid: str
    name: str = ""
    source: str = ""  # as LiveKit calls it: microphone, screenshare_audio, …
    voice: bool = True  # the one that statistics and arrivals describe
    level_dbfs: float | None = None  # RMS of its 20 ms frames, 95th percentile; None: no frame came
    file: str | None = None  # its own recording, where there is more than one track


class Manifest(_Frozen):
    """What an attempt was, how it ended, and with which versions of everything."""

    schema_version: int = CAPTURE_SCHEMA_VERSION
    run_id: OneName
    trace_id: OneName
    case_id: OneName
    attempt: int
    lane: Literal["browser", "bot"]
    mic: Literal["scheduled", "device", "bot"]
    status: CaptureStatus
    detail: Redacted = ""
    phase: str = ""  # where it was when it ended: join, barrier or connect, prime, wait, speak, leave, done
    agent: AgentUnderTest
    page: PageUnderTest
    room: str
    started_at: str  # ISO 8601, UTC
    started_mono_ms: float | None = None  # the same moment on the monotonic clock; older captures lack it
    wall_s: dict[str, float] = Field(default_factory=dict)  # seconds a phase
    timelines: dict[str, Timeline] = Field(default_factory=dict)  # "browser", "probe", "agent"
    spoken: list[SpokenAt] = Field(default_factory=list)
    joined_mono_ms: float | None = None  # when the user's side was in the call and could hear; older captures lack it
    primed_ms: float | None = None
    jitter_buffer_stable: bool | None = None
    second_listener: Literal["probe", "none"] = "probe"
    ear: Literal["played", "received", "none"] = "received"  # what ear.wav holds; in older captures every remote track
    source: Literal["call", "recordings"] = "call"  # recordings: made by somebody else, nothing but sound is known
    versions: dict[str, str] = Field(default_factory=dict)
    host: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, int] = Field(default_factory=dict)  # name → bytes
    pre_rtc_reason: str | None = None  # why there is no pre_rtc.wav
    link: str = "none"
    happenings: list[Happening] = Field(default_factory=list)
    agent_tracks: list[AgentTrack] = Field(default_factory=list)
    agent_identity: str | None = None  # that of the participant taken for the agent


def callers(manifests: Iterable[Manifest]) -> dict[str, str]:
    """The voices of all callers of a run, as one of its versions; nothing where every case is a recording."""
    voices = {voice for manifest in manifests for voice in manifest.versions.get(CALLER, "").split("; ") if voice}
    return {CALLER: "; ".join(sorted(voices))} if voices else {}


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` so that a kill at any moment leaves either the complete file or none. Raises OSError.

    Two writers of one path, in whatever process or thread, each use a file of their own beside it: the last one wins.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}-{uuid.uuid4().hex[:12]}.tmp")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def recording(folder: Path, name: str) -> Path:
    """A recording (`ear.wav`) where it lies: as it was written, or as the FLAC that was made of it."""
    packed = (folder / name).with_suffix(".flac")
    return packed if packed.is_file() and not (folder / name).exists() else folder / name


def write_manifest(folder: Path, manifest: Manifest) -> None:
    write_atomic(folder / MANIFEST, manifest.model_dump_json(indent=2).encode())


def read_manifest(folder: Path) -> Manifest:
    """Raises FileNotFoundError, or pydantic's ValidationError for a manifest of another schema."""
    return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
