"""Two or three WAVs that somebody else made, as a Capture: the ear and the microphone of one clock, and what else there is.

Roles: `ear` is the agent as the user heard it, `mic` the user recorded beside it (sample 0 of both is one instant),
`user` what the user said as a file of its own (clean, on no clock), `pre` the agent's own PCM, `post` the agent at a
second listener. Truth counts in samples of `user`, else of `mic`; without a truth file the utterances are found there by
level, unless the caller's `find` knows better (noise: docs/how_to/recordings.md). Only the sound is known: no events,
traces, statistics, arrival times, other clocks.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import soundfile
from pydantic import TypeAdapter, ValidationError

from harness.errors import UsageError
from harness.listen.place.evened import evened
from harness.listen.place.onset import Sound
from harness.listen.place.replies import SAMPLES_PER_MS
from harness.listen.place.ring import Ring
from harness.listen.read.reading import RECORDINGS, Capture, first_problem
from harness.listen.read.records import not_applicable
from harness.listen.read.wav import RATE_HZ, NotFiniteError, WavFormat, read_wav, two_channels, wav_format
from harness.model import capture
from harness.model.audio import Audio
from harness.model.capture import AgentUnderTest, Manifest, PageUnderTest
from harness.model.case import SpokenUtterance, Truth, TruthSpan
from harness.model.channels import Channel, TwoChannels
from harness.model.found_speech import FindSpeech
from harness.model.measurement import Metric
from harness.model.riff import CutError, RiffError
from harness.model.status import CaptureStatus
from harness.model.wav_file import LONGEST_S, NO_LENGTH

ONE_UTTERANCE_MS = 700.0  # sounds closer than this are one utterance, as with a case's own WAV
SHORTEST_UTTERANCE_MS = 60.0
MOST_CHANNELS = 2
RATES_HZ = (1_000, 1_000_000)  # outside of them a header is damaged
SAME_LENGTH_MS = 100.0

# what the files alone can never give, and what would give it
LACKING = {
    "eot_to_first_audio_ms": "needs the user as the second listener recorded them, beside --post",
    "ear_vs_probe_kpi_delta_ms": "needs the user as the second listener recorded them, beside --post",
    "reply_lag_ms": "needs the agent's clock: --pre has none",
    "inter_arrival_p95_ms": "recordings alone have no arrival times",
}
NO_MIC = "needs --mic: the user, recorded on the same clock as --ear"
NEEDS_MIC = frozenset({
    "expected_reply_count", "user_heard_count", "talk_over_count", "unexpected_onset_count",
    "replies_complete_after_final_eot", "unanswered_turn_count",
})  # fmt: skip


@dataclass(frozen=True)
class Recordings:
    """The files, each by its role."""

    ear: Path
    mic: Path | None = None
    user: Path | None = None
    pre: Path | None = None
    post: Path | None = None
    truth: Path | None = None
    ear_channel: Channel | None = None  # of two channels; None: as the recording shows
    mic_channel: Channel | None = None

    def sounds(self) -> dict[str, Path]:
        """Recording of a capture → file."""
        roles = {"ear": self.ear, "mic": self.mic, "said": self.user, "pre_rtc": self.pre, "post_rtc": self.post}
        return {name: path for name, path in roles.items() if path is not None}


#: The microphone, if there is one, and the ear as recorded → both as they are to be heard, and what is to be said of it.
Apart = Callable[[Audio | None, Audio], tuple[Audio | None, Audio, list[str]]]


def read_recordings(files: Recordings, find: FindSpeech | None = None, apart: Apart | None = None) -> Capture:
    """`apart`: works on --ear, and on --mic, before anything is looked for. Raises UsageError that names the file and says what
    to do.
    """
    if files.truth is not None and files.mic is None:
        raise UsageError(f"{files.truth}: a truth file says where the user speaks in --mic, and there is no --mic")
    if files.post is not None and files.pre is None:
        raise UsageError(f"{files.post}: a second listener's recording is compared with --pre, and there is no --pre")
    formats = {name: check_format(path) for name, path in files.sounds().items()}
    channels = {name: _channel(name, files, found) for name, found in formats.items()}
    audio = {name: _audio(path, channels[name][0]) for name, path in files.sounds().items()}
    notes = [_note(files.sounds()[name], found, channels[name][1]) for name, found in formats.items()]
    missing = {name: f"{RECORDINGS[name]} was not given" for name in RECORDINGS if name not in audio}
    truth: Truth | None = None
    if apart is not None:
        mic, audio["ear"], said = apart(audio.get("mic"), audio["ear"])
        audio |= {"mic": mic} if mic is not None else {}
        notes += said
    if files.mic is None:
        missing[capture.TRUTH] = NO_MIC
    else:
        audio.setdefault("said", audio["mic"])  # the truth counts in the microphone's own samples
        notes.append(_lengths(audio))
        source = files.user or files.mic
        if files.truth is not None:
            truth = _read_truth(files.truth, audio["said"], source)
        else:
            truth, said = _found(audio["said"], source.name, find)
            if truth is None:
                missing[capture.TRUTH] = said[0]
            else:
                notes += said
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", files.ear.stem).strip("._-")[:60] or "recording"
    return Capture(
        folder=files.ear.parent,
        manifest=_manifest(name, files, "; ".join(filter(None, notes))),
        case=None,
        truth=truth,
        audio=audio,
        missing=missing,
        events=(),
        traces=(),
        arrivals=None,
        load=(),
    )


def _manifest(name: str, files: Recordings, detail: str) -> Manifest:
    return Manifest(
        run_id="recordings",
        trace_id=name,
        case_id=name,
        attempt=1,
        lane="browser",
        mic="device",
        status=CaptureStatus.OK,
        detail=detail,
        agent=AgentUnderTest(kind="room"),
        page=PageUnderTest(kind="none"),
        room="",
        started_at="",
        second_listener="none" if files.post is None else "probe",
        source="recordings",
    )


def check_format(path: Path) -> WavFormat:
    """What its header says. Raises UsageError where it is no sound file that can be listened to."""
    name = os.fsencode(path).decode(errors="replace")
    if name != str(path):
        raise UsageError(f"{name}: its name is not UTF-8 and cannot be printed; rename it")
    try:
        if path.is_dir():
            raise UsageError(
                f"{path}: is a folder; give a WAV file, or the folder without an option if it is a capture"
            )
        if not path.exists():
            raise UsageError(f"{path}: no such file")
        if path.stat().st_size == 0:
            raise UsageError(f"{path}: is empty (0 bytes); record it again")
        found = wav_format(path)
    except CutError as error:
        raise UsageError(f"{path}: is truncated: {error}; record or convert it again") from error
    except RiffError as error:
        raise UsageError(f"{path}: is no sound file ({error}); give a WAV") from error
    except soundfile.LibsndfileError as error:
        raise UsageError(f"{path}: is no sound file ({error.error_string}); give a WAV") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error
    if found.channels > MOST_CHANNELS:
        raise UsageError(
            f"{path}: has {found.channels} channels, and nothing says who is on which; "
            "save the agent's and the user's as a mono file each"
        )
    if not RATES_HZ[0] <= found.rate_hz <= RATES_HZ[1]:
        raise UsageError(f"{path}: its header says {found.rate_hz} Hz, which no recording has; convert it again")
    if found.n_samples > LONGEST_S * found.rate_hz:
        raise UsageError(f"{path}: {NO_LENGTH}")
    return found


def compare_channels(path: Path) -> TwoChannels:
    """What the two channels of a file are to one another. Raises UsageError."""
    try:
        return two_channels(path)
    except NotFiniteError as error:
        raise UsageError(f"{path}: {error}; record or convert it again") from error
    except (OSError, RiffError, soundfile.LibsndfileError) as error:
        why = getattr(error, "error_string", None) or error
        raise UsageError(f"{path}: cannot be read: {why}; record or convert it again") from error


def _channel(name: str, files: Recordings, found: WavFormat) -> tuple[Channel, str]:
    """Which channel is listened to, and what is to be said of it. Raises UsageError where nothing says whose it is."""
    if found.channels == 1:
        return Channel.AVERAGE, ""
    path = files.sounds()[name]
    asked = {"ear": files.ear_channel, "mic": files.mic_channel}.get(name)
    if asked is not None:
        return asked, "2 channels averaged" if asked is Channel.AVERAGE else f"its {asked} channel"
    seen = compare_channels(path)
    if seen.use is None:
        how = f"--{name}-channel left or right" if name in ("ear", "mic") else "save each as a mono file"
        raise UsageError(f"{path}: {seen.note}; say which one is meant: {how}")
    return seen.use, seen.note


def _audio(path: Path, channel: Channel) -> Audio:
    found = read_wav(path, channel)
    if isinstance(found, Audio):
        return found
    raise UsageError(f"{path.parent / found}; record or convert it again")


def _note(path: Path, found: WavFormat, channels: str) -> str:
    what = list(found.notes)
    if channels:
        what.append(channels)
    if found.rate_hz != RATE_HZ:
        what.append(f"{found.rate_hz / 1e3:g} kHz made 48 kHz")
    if found.subtype in ("PCM_U8", "PCM_S8", "ULAW", "ALAW"):
        what.append("8 bit: its own noise hides what is quiet")
    return f"{path.name}: {', '.join(what)}" if what else ""


def _lengths(audio: Mapping[str, Audio]) -> str:
    later_ms = audio["mic"].duration_ms - audio["ear"].duration_ms
    if abs(later_ms) < SAME_LENGTH_MS:
        return ""
    shorter, longer = ("ear", "mic") if later_ms > 0 else ("mic", "ear")
    return f"the {shorter}'s recording ends {abs(later_ms) / 1e3:.1f} s before the {longer}'s"


# what the user says


def find_utterances(audio: Audio) -> Truth | None:
    """The utterances by level; None where nobody speaks."""
    spans: list[Sound] = []
    for sound in Ring("said", audio).sounds:
        if spans and sound.start - spans[-1].end < ONE_UTTERANCE_MS * SAMPLES_PER_MS:
            spans[-1] = Sound(spans[-1].start, sound.end)
        else:
            spans.append(sound)
    utterances = [
        SpokenUtterance(start_sample=span.start, end_sample=span.end)
        for span in spans
        if span.end - span.start >= SHORTEST_UTTERANCE_MS * SAMPLES_PER_MS
    ]
    return _truth("detected", len(audio), utterances) if utterances else None


def _found(audio: Audio, name: str, find: FindSpeech | None) -> tuple[Truth | None, list[str]]:
    """The user's utterances and what is to be said of them; without any, why."""
    audio, even = evened(audio)
    even = [f"{name}: {note}" for note in even]
    by_level = find_utterances(audio)
    nobody = [f"nobody is heard to speak in {name}"]
    found_how = f"the user's utterances were found by level in {name}: no --truth was given"
    if find is None:
        return by_level, nobody if by_level is None else [*even, found_how]
    spans = [] if by_level is None else [(u.start_sample, u.end_sample) for u in by_level.utterances]
    found = find(audio.samples, spans)
    if found.cannot_tell:
        return None, [f"{name}: {found.cannot_tell}; --truth says where the user speaks"]
    if not found.utterances:
        return None, nobody
    notes = [f"{name}: {note}" for note in found.notes]
    in_noise = any(utterance.error_ms is not None for utterance in found.utterances)
    notes = [*even, *notes] if in_noise else [*even, found_how, *notes]
    return _truth("detected", len(audio), found.utterances), notes


def _truth(source: str, n_samples: int, utterances: list[SpokenUtterance]) -> Truth:
    return Truth.model_validate(
        {
            "case_id": "recordings",
            "n_samples": n_samples,
            "sha256": "",
            "source": source,
            "utterances": [utterance.model_dump() for utterance in utterances],
        }
    )


def _read_truth(path: Path, audio: Audio, counted_in: Path) -> Truth:
    """A capture's truth.json, or a list of {start_ms, end_ms} as a case file has it. Raises UsageError."""
    how = "give a capture's truth.json, or a list of {start_ms, end_ms, is_turn, text}"
    try:
        content = json.loads(path.read_bytes())
        if isinstance(content, dict) and "n_samples" in content:
            truth = Truth.model_validate(content)
        else:
            given = content.get("utterances", content) if isinstance(content, dict) else content
            spans = TypeAdapter(list[TruthSpan]).validate_python(given)
            truth = _truth("annotation", len(audio), [_spoken(span) for span in spans])
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValidationError as error:
        raise UsageError(f"{path}: {first_problem(error)}; {how}") from error
    except ValueError as error:
        raise UsageError(f"{path}: is no JSON ({error}); {how}") from error
    previous = 0
    for number, utterance in enumerate(truth.utterances):
        if not previous <= utterance.start_sample < utterance.end_sample <= len(audio):
            start_ms, end_ms = (s / SAMPLES_PER_MS for s in (utterance.start_sample, utterance.end_sample))
            raise UsageError(
                f"{path}: utterance {number}: {start_ms:.0f} to {end_ms:.0f} ms does not fit the order, "
                f"or {counted_in.name} ({audio.duration_ms:.0f} ms)"
            )
        previous = utterance.end_sample
    return truth


def _spoken(span: TruthSpan) -> SpokenUtterance:
    return SpokenUtterance(
        start_sample=round(span.start_ms * SAMPLES_PER_MS),
        end_sample=round(span.end_ms * SAMPLES_PER_MS),
        is_turn=span.is_turn,
        text=span.text,
    )


# what such a capture cannot give


def as_declared(capture_: Capture, metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """Metrics that recordings alone cannot give are NOT_APPLICABLE; those of other captures stay as they are."""
    if capture_.manifest.source != "recordings":
        return dict(metrics)
    lacking = dict(LACKING)
    if "mic" not in capture_.audio:
        lacking |= dict.fromkeys(NEEDS_MIC, NO_MIC)
    return {
        name: not_applicable(metric.unit, lacking[name])
        if name in lacking and metric.value is None and not metric.not_applicable
        else metric
        for name, metric in metrics.items()
    }
