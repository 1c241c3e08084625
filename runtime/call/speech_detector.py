"""From 10 ms frames of the user to the start, pauses and end of speech. Pure but for its VAD.

Speech starts with a window above START. The hangover counts from the last voiced 10 ms: a frame within 33 dB of the
speech's loudest, near a window that the VAD calls speech; in noise that hides the frames, from the VAD's last window less
its tail. So neither the VAD's tail nor its grid of windows adds to the hangover, and speech cannot end while the VAD still
detects it. A TurnDetector gives the hangover's length at every frame of a pause.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from runtime.call.prosody import FrameTrack, Prosody, level_db
from runtime.call.turn_detector import Hangover, Pause, TurnDetector
from runtime.engines.protocols import Int16Array, VoiceActivity

START_PROBABILITY = 0.5
STAY_PROBABILITY = 0.35  # silero-vad's own hysteresis: threshold − 0.15
SHORTEST_SPEECH_MS = 64.0  # less is a click
EOT_BELOW_LOUDEST_DB = (
    33.0  # the last consonant fades over 40 ms; from 36 on it is the codec that fades (18 words of 5 runs)
)
EOT_ABOVE_NOISE_DB = 6.0
DROWNS_BELOW_LOUDEST_DB = 30.0
VAD_TAIL_MS = 80.0  # how long silero-vad stays above STAY after the last voiced sample; measured on the shipped cases
VAD_GRACE_MS = 160.0  # a final burst ("it") may follow silero-vad's end; later bursts are somebody's keyboard
PREPARE_AFTER_MS = 100.0  # silence, longer than the closure of a plosive
PRE_SPEECH_MS = 320.0  # sound before the detector fired, for the recogniser
FRAME_MS = 10.0
SILENT_DB = -120.0


class SpeechKind(StrEnum):
    STARTED = "started"
    GOING_ON = "going_on"
    PAUSED = "paused"  # silent for PREPARE_AFTER_MS; once per pause
    RESUMED = "resumed"  # voiced again after PAUSED
    ENDED = "ended"


@dataclass(frozen=True)
class SpeechEvent:
    """`audio` is the sound since the event before (16 kHz); times are frame arrivals, ms."""

    kind: SpeechKind
    audio: Int16Array
    speech_ms: float  # from the first voiced frame to the last
    started_ms: float
    eot_ms: float | None = None
    vad_silent_ms: float | None = None  # the detector's own first silent window after `eot_ms`
    hangover: Hangover | None = None
    is_turn: bool = True  # False: too short to be speech
    near_ms: float = 0.0  # the user's own voice, without the agent's echo


class SteppedVad:
    """Several staggered VADs of one stream, which give a result every `hop_samples` instead of once a window."""

    def __init__(self, make: Callable[[], VoiceActivity], phases: int = 2) -> None:
        self._vads = [make() for _ in range(phases)]
        self.window_samples = self._vads[0].window_samples
        self.hop_samples = self.window_samples // phases
        self._buffer = np.empty(0, np.int16)
        self._next = 0

    def feed(self, samples: Int16Array) -> float | None:
        """The newest window's probability, or None if none was filled."""
        self._buffer = np.concatenate([self._buffer, samples])
        probability = None
        while len(self._buffer) >= self.window_samples:
            probability = self._vads[self._next].probability(self._buffer[: self.window_samples])
            self._next = (self._next + 1) % len(self._vads)
            self._buffer = self._buffer[self.hop_samples :]
        return probability


@dataclass
class _Speech:
    """State of the current speech. Frame numbers count from the stream's first."""

    started_ms: float
    first_frame: int
    noise_db: float
    loudest_db: float
    last_voiced: int
    last_voiced_ms: float
    last_loud: int  # within DROWNS_BELOW_LOUDEST_DB: where its melody ends, ahead of a fading consonant
    last_vad: int
    last_vad_ms: float
    vad_silent_ms: float | None = None
    paused: bool = False
    near_frames: int = 0
    prosody: Prosody | None = None


@dataclass
class SpeechDetector:
    """Feed it frames of 10 ms at 16 kHz with their arrival; `near` is False where a frame is the agent's own echo."""

    vad: SteppedVad
    turns: TurnDetector
    partial_text: Callable[[], str] = lambda: ""
    track: FrameTrack = field(default_factory=FrameTrack)
    _frame: int = 0
    _recent: list[tuple[float, float]] = field(default_factory=list)  # (arrival ms, level dB) before speech
    _before: Int16Array = field(default_factory=lambda: np.empty(0, np.int16))
    _echoes: list[bool] = field(default_factory=list)  # for the last frames that a VAD window covers
    _speech: _Speech | None = None

    def feed(self, frame: Int16Array, arrival_ms: float, near: bool = True) -> SpeechEvent | None:
        self._frame += 1
        self.track.add(frame)
        self._echoes = [*self._echoes, not near][-4:]
        probability = self.vad.feed(frame)
        if probability is not None and sum(self._echoes) > 1:
            probability = 0.0
        level = level_db(frame) if near else SILENT_DB
        if self._speech is None:
            return self._wait(frame, arrival_ms, level, probability)
        return self._go_on(self._speech, frame, arrival_ms, level, probability, near)

    @property
    def speaking(self) -> bool:
        return self._speech is not None

    def _wait(
        self, frame: Int16Array, arrival_ms: float, level: float, probability: float | None
    ) -> SpeechEvent | None:
        self._recent = [*self._recent, (arrival_ms, level)][-int(PRE_SPEECH_MS / FRAME_MS) :]
        self._before = np.concatenate([self._before, frame])[-int(PRE_SPEECH_MS * 16) :]
        if probability is None or probability < START_PROBABILITY:
            return None
        quiet = [found for _, found in self._recent[:-6]] or [SILENT_DB]
        onset = self._onset(float(np.median(quiet)))
        self._speech = _Speech(
            started_ms=self._recent[onset][0],
            first_frame=self._frame - (len(self._recent) - 1 - onset),
            noise_db=float(np.median(quiet)),
            loudest_db=max(found for _, found in self._recent[onset:]),
            last_voiced=self._frame,
            last_voiced_ms=arrival_ms,
            last_loud=self._frame,
            last_vad=self._frame,
            last_vad_ms=arrival_ms,
            near_frames=len(self._recent) - onset,
        )
        audio, self._before = self._before, np.empty(0, np.int16)
        return self._event(SpeechKind.STARTED, audio)

    def _onset(self, noise_db: float) -> int:
        """Which recent frame was the first of this sound: VAD windows cover the last four; a weak consonant may
        precede them.
        """
        limit = max(noise_db + EOT_ABOVE_NOISE_DB, max(found for _, found in self._recent) - EOT_BELOW_LOUDEST_DB)
        onset = len(self._recent) - 1
        while onset > 0 and self._recent[onset - 1][1] >= limit:
            onset -= 1
        return onset

    def _go_on(
        self, speech: _Speech, frame: Int16Array, arrival_ms: float, level: float, probability: float | None, near: bool
    ) -> SpeechEvent:
        speech.near_frames += near
        if probability is not None:
            if probability >= STAY_PROBABILITY:
                speech.last_vad, speech.last_vad_ms, speech.vad_silent_ms = self._frame, arrival_ms, None
            elif speech.vad_silent_ms is None:
                speech.vad_silent_ms = arrival_ms
        was_paused = speech.paused
        self._note_voiced(speech, level, arrival_ms)
        silent_ms = (self._frame - speech.last_voiced) * FRAME_MS
        if silent_ms < PREPARE_AFTER_MS:
            speech.paused, speech.prosody = False, None
            return self._event(SpeechKind.RESUMED if was_paused else SpeechKind.GOING_ON, frame)
        if speech.prosody is None:
            speech.prosody = self.track.prosody(self._frame - speech.last_loud)
        hangover = self.turns.hangover(Pause(silent_ms, speech.prosody, self.partial_text()))
        if silent_ms < hangover.ms or speech.vad_silent_ms is None:
            speech.paused = True
            return self._event(SpeechKind.GOING_ON if was_paused else SpeechKind.PAUSED, frame)
        ended = self._event(SpeechKind.ENDED, frame, hangover)
        self._speech, self._recent, self._before = None, [(arrival_ms, level)], frame
        return ended

    def _note_voiced(self, speech: _Speech, level: float, arrival_ms: float) -> None:
        speech.loudest_db = max(speech.loudest_db, level)
        limit = max(speech.loudest_db - EOT_BELOW_LOUDEST_DB, speech.noise_db + EOT_ABOVE_NOISE_DB)
        if limit > speech.loudest_db - DROWNS_BELOW_LOUDEST_DB:  # weak final sounds drown: only the VAD detects them
            tail = int(VAD_TAIL_MS / FRAME_MS)
            if speech.last_vad - tail > speech.last_voiced or speech.vad_silent_ms is None:
                speech.last_voiced = max(speech.last_voiced, speech.last_vad - tail)
                speech.last_voiced_ms = max(speech.last_voiced_ms, speech.last_vad_ms - VAD_TAIL_MS)
                speech.last_loud = speech.last_voiced
        elif level >= limit and (self._frame - speech.last_vad) * FRAME_MS <= VAD_GRACE_MS:
            speech.last_voiced, speech.last_voiced_ms = self._frame, arrival_ms
            if level >= speech.loudest_db - DROWNS_BELOW_LOUDEST_DB:
                speech.last_loud = self._frame

    def _event(self, kind: SpeechKind, audio: Int16Array, hangover: Hangover | None = None) -> SpeechEvent:
        speech = self._speech
        assert speech is not None
        speech_ms = (speech.last_voiced - speech.first_frame + 1) * FRAME_MS
        ended = kind is SpeechKind.ENDED
        eot_ms = speech.last_voiced_ms if ended or kind is SpeechKind.PAUSED else None
        return SpeechEvent(
            kind,
            audio,
            speech_ms,
            speech.started_ms,
            eot_ms,
            speech.vad_silent_ms,
            hangover,
            not ended or speech_ms >= SHORTEST_SPEECH_MS,
            speech.near_frames * FRAME_MS,
        )


def usual_level_db(levels_db: list[float]) -> float | None:
    """How loud a voice usually is: the mean power of its louder half."""
    if not levels_db:
        return None
    louder = sorted(levels_db)[len(levels_db) // 2 :]
    return 10 * math.log10(sum(10 ** (x / 10) for x in louder) / len(louder))
