"""From 10 ms frames of the user to the start, course and end of what is said. Pure but for the VAD it is given.

Speech starts with a window above START; it has ended when no window was above STAY for the hangover. `user_eot` is the
arrival of the last voiced 10 ms as received: the last frame of the speech whose level is within 30 dB of its
loudest, or, in noise that hides it, the detector's last voiced window.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from runtime.engines.protocols import Int16Array, VoiceActivity

START_PROBABILITY = 0.5
STAY_PROBABILITY = 0.35  # silero-vad's own hysteresis: threshold − 0.15
SHORTEST_SPEECH_MS = 64.0  # less is a click
EOT_BELOW_LOUDEST_DB = 30.0
EOT_ABOVE_NOISE_DB = 6.0
VAD_TAIL_MS = 80.0  # how long silero-vad stays above STAY after the last voiced sample; measured on the shipped cases
PRE_SPEECH_MS = 320.0  # sound before the detector fired, for the recogniser
FRAME_MS = 10.0


class SpeechKind(StrEnum):
    STARTED = "started"
    GOING_ON = "going_on"
    ENDED = "ended"


@dataclass(frozen=True)
class SpeechEvent:
    """`audio` is what is new since the event before (16 kHz); times are the frames' arrivals, ms."""

    kind: SpeechKind
    audio: Int16Array
    speech_ms: float
    started_ms: float
    eot_ms: float | None = None
    is_turn: bool = True  # False: too short to be speech


@dataclass
class TurnDetector:
    """Feed it frames of 10 ms at 16 kHz with their arrival; it gives events as windows fill."""

    vad: VoiceActivity
    silence_ms: float
    _pending: Int16Array = field(default_factory=lambda: np.empty(0, np.int16))
    _before: Int16Array = field(default_factory=lambda: np.empty(0, np.int16))
    _levels: list[tuple[float, float]] = field(default_factory=list)  # (arrival ms, RMS) of the frames of this speech
    _speaking: bool = False
    _started_ms: float = 0.0
    _speech_ms: float = 0.0
    _silence_ms: float = 0.0
    _noise: float = 0.0  # RMS before this speech began
    _last_voiced_window_ms: float = 0.0

    def feed(self, frame: Int16Array, arrival_ms: float) -> list[SpeechEvent]:
        level = float(np.sqrt(np.mean((frame / 32768.0) ** 2)))
        self._levels.append((arrival_ms, level))
        if not self._speaking:
            self._levels = self._levels[-int(PRE_SPEECH_MS / FRAME_MS) :]
        self._pending = np.concatenate([self._pending, frame])
        events = []
        size = self.vad.window_samples
        while len(self._pending) >= size:
            window, self._pending = self._pending[:size], self._pending[size:]
            event = self._window(window)
            if event is not None:
                events.append(event)
        return events

    def _window(self, window: Int16Array) -> SpeechEvent | None:
        window_ms = 1e3 * len(window) / self.vad.rate_hz
        probability = self.vad.probability(window)
        if not self._speaking:
            if probability < START_PROBABILITY:
                keep = int(PRE_SPEECH_MS * self.vad.rate_hz / 1e3)
                self._before = np.concatenate([self._before, window])[-keep:]
                return None
            self._speaking, self._speech_ms, self._silence_ms = True, window_ms, 0.0
            self._started_ms = self._levels[max(0, len(self._levels) - 4)][0]
            self._last_voiced_window_ms = self._levels[-1][0]
            self._noise = float(np.median([level for _, level in self._levels[:-6]] or [0.0]))
            audio = np.concatenate([self._before, window])
            self._before = np.empty(0, np.int16)
            return SpeechEvent(SpeechKind.STARTED, audio, self._speech_ms, self._started_ms)
        if probability >= STAY_PROBABILITY:
            self._speech_ms += window_ms
            self._silence_ms = 0.0
            self._last_voiced_window_ms = self._levels[-1][0]
        else:
            self._silence_ms += window_ms
        if self._silence_ms < self.silence_ms:
            return SpeechEvent(SpeechKind.GOING_ON, window, self._speech_ms, self._started_ms)
        self._speaking = False
        eot_ms = self._last_voiced_ms()
        self._before, self._levels = window, []
        is_turn = self._speech_ms >= SHORTEST_SPEECH_MS
        return SpeechEvent(SpeechKind.ENDED, window, self._speech_ms, self._started_ms, eot_ms, is_turn)

    def _last_voiced_ms(self) -> float:
        loudest = max(level for _, level in self._levels)
        limit = loudest * 10 ** (-EOT_BELOW_LOUDEST_DB / 20)
        if limit < self._noise * 10 ** (
            EOT_ABOVE_NOISE_DB / 20
        ):  # weak final sounds drown: only the detector still hears
            return self._last_voiced_window_ms - VAD_TAIL_MS
        return max(arrival for arrival, level in self._levels if level >= limit)
