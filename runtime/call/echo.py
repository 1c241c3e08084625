"""Does the microphone hear the agent's own voice from a loudspeaker? Pure arithmetic.

The agent knows what it published. The echo's delay (0 to 700 ms) is where both signals' phases agree (generalised
cross-correlation with phase transform, Knapp and Carter 1976, over 256 ms at 8 kHz): another voice, even one that says the
same, never does that. At that delay the ratio of powers in BANDS is the echo's gain. A frame of 10 ms is the user's own
(`near`) if the echo + 6 dB leaves more than a third of its power unexplained (R-90). Before a gain is known, a sound that
begins while the agent speaks gets FIRST_LOOK_MS to prove an echo. What was not one for OWN_MS stays the user's until it
ends or a gain is learned: two voices of one synthesiser agree in phase now and then, for a vowel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from runtime.engines.protocols import Int16Array

EDGES_HZ = (150.0, 250.0, 350.0, 470.0, 620.0, 800.0, 1_020.0, 1_300.0, 1_640.0, 2_060.0, 2_600.0, 3_250.0, 4_000.0)
BANDS = len(EDGES_HZ) - 1
FRAME_MS = 10.0
WAVE_HZ = 8_000
WAVE_SAMPLES = 80  # a frame at WAVE_HZ
LONGEST_DELAY_FRAMES = 70  # 700 ms: two jitter buffers and a loudspeaker's 500
LOOK_FRAMES = 26  # 260 ms are compared
LOOK_EVERY = 4  # frames
FIRST_LOOK_MS = 120.0  # a shorter sound cannot show an echo
OWN_MS = 200.0
FORGET_MS = 250.0  # shorter pauses (between words) start no new sound
KEPT_FRAMES = 200  # 2 s of published sound
FLOOR = 1e-9  # −90 dBFS a band
PEAK_SIGMAS = 12.0  # the correlation's peak against its spread over all delays (measured: docs/why/turn_taking.md)
SAME_DELAY_FRAMES = 1
LOOKS_TO_LEARN = 4  # in a row with the same delay: 120 ms apart, first to last
MARGIN = 4.0  # 6 dB in power
NEAR_SHARE = 0.35
TAIL_DECAY = 0.75  # a room's decay per frame: −12.5 dB in 100 ms
QUIET = 1e-6  # −60 dBFS: neither a relevant echo nor a voice
AUDIBLE = 1e-5  # −50 dBFS published: enough to come back
ACTIVE_RATIO = 3e-3  # a band within 25 dB of its loudest teaches its gain
LEARNING = 0.3  # a new gain's weight
DRIFT_MS = 0.02  # per frame: 2,000 ppm, more than any two clocks differ
LATEST_MS = 600.0  # a frame later than this follows a hole in the stream
SILENT_MS_TO_TRUST = 200.0  # this much published sound without echo: there is no loudspeaker


def band_powers(window: np.ndarray, rate_hz: int) -> np.ndarray:
    """Mean-square power in each band; `window` at full scale ±1."""
    spectrum = np.abs(np.fft.rfft(window * np.hanning(len(window)))) ** 2
    edges = np.round(np.array(EDGES_HZ) * len(window) / rate_hz).astype(int)
    sums = np.add.reduceat(spectrum, edges)[:-1]
    return np.asarray(sums * 16.0 / (3.0 * len(window) ** 2))


@dataclass(frozen=True)
class _Frame:
    powers: np.ndarray  # (BANDS,)
    wave: np.ndarray  # (WAVE_SAMPLES,)


@dataclass
class _Frames:
    """A stream of samples in steps of 10 ms: the powers of 20 ms, the wave of 10 ms."""

    rate_hz: int
    _tail: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def feed(self, samples: Int16Array) -> list[_Frame]:
        hop = self.rate_hz // 100
        self._tail = np.concatenate([self._tail, samples / 32768.0])
        found = []
        while len(self._tail) >= 2 * hop:
            wave = self._tail[:hop].reshape(WAVE_SAMPLES, -1).mean(axis=1)
            found.append(_Frame(band_powers(self._tail[: 2 * hop], self.rate_hz), wave))
            self._tail = self._tail[hop:]
        return found


def phase_correlation(heard: np.ndarray, sent: np.ndarray) -> tuple[int, float]:
    """(delay in samples at which `heard` fits into the end of the longer `sent`, how far its peak stands out in sigmas)."""
    size = 1 << (len(sent) + len(heard) - 1).bit_length()
    cross = np.fft.rfft(sent, size).conj() * np.fft.rfft(heard * np.hanning(len(heard)), size)
    size_of = np.abs(cross)
    cross = np.where(size_of > 1e-4 * float(size_of.max() + 1e-30), cross / (size_of + 1e-30), 0.0)
    values = np.fft.irfft(cross, size)
    # sent[k] was heard[k - start]: the correlation's place is −start, start = len(sent) − len(heard) − delay
    longest = len(sent) - len(heard)
    by_delay = values[(np.arange(longest + 1) - longest) % size]
    spread = float(np.sqrt(np.mean(by_delay**2))) + 1e-12
    best = int(np.argmax(by_delay))
    return best, float(by_delay[best]) / spread


@dataclass
class EchoGuard:
    """Call `published` for every sent frame (with its playback time, ms), `near` for every received frame."""

    published_rate_hz: int = 48_000
    received_rate_hz: int = 16_000
    gain: np.ndarray | None = None  # power gain per band; None: not learned
    delay_frames: int | None = None
    no_loudspeaker: bool = False
    peak_sigmas: float = 0.0  # of the last look
    _sent: np.ndarray = field(default_factory=lambda: np.full((KEPT_FRAMES, BANDS), FLOOR))
    _sent_wave: np.ndarray = field(default_factory=lambda: np.zeros((KEPT_FRAMES, WAVE_SAMPLES)))
    _sent_until: int = 0  # frame number (10 ms since the epoch of the clock) after the newest
    _heard: np.ndarray = field(default_factory=lambda: np.full((LOOK_FRAMES, BANDS), FLOOR))
    _heard_wave: np.ndarray = field(default_factory=lambda: np.zeros((LOOK_FRAMES, WAVE_SAMPLES)))
    _tail: np.ndarray = field(default_factory=lambda: np.zeros(BANDS))
    _seen: tuple[int, ...] = ()  # delays that the last looks found
    _frames: int = 0
    _due_ms: float = -1e12
    _sounding_ms: float = 0.0
    _own_ms: float = 0.0  # of this sound: audible, and not like an echo
    _quiet_ms: float = 0.0
    _silent_ms: float = 0.0

    def __post_init__(self) -> None:
        self._out, self._in = _Frames(self.published_rate_hz), _Frames(self.received_rate_hz)

    def published(self, samples: Int16Array, played_ms: float) -> None:
        """Later samples for the same playback time overwrite those of a flushed queue."""
        new = self._out.feed(samples)
        first = round(played_ms / FRAME_MS)
        self._advance(first + len(new))
        for k, frame in enumerate(new):
            at = first + k - self._sent_until  # negative: counted from the newest
            if -KEPT_FRAMES <= at < 0:
                self._sent[at], self._sent_wave[at] = frame.powers + FLOOR, frame.wave

    def _advance(self, until: int) -> None:
        step = min(max(0, until - self._sent_until), KEPT_FRAMES)
        if step:
            self._sent = np.concatenate([self._sent[step:], np.full((step, BANDS), FLOOR)])
            self._sent_wave = np.concatenate([self._sent_wave[step:], np.zeros((step, WAVE_SAMPLES))])
            self._sent_until = until

    def near(self, frame: Int16Array, arrival_ms: float) -> bool:
        """Whether these 10 ms hold (or may hold) the user's own voice. Frames come in a row."""
        now = round(self._clock(arrival_ms) / FRAME_MS)
        self._advance(now)
        self._frames += 1
        for heard in self._in.feed(frame):
            self._heard = np.concatenate([self._heard[1:], heard.powers[None] + FLOOR])
            self._heard_wave = np.concatenate([self._heard_wave[1:], heard.wave[None]])
        powers, end = self._heard[-1], len(self._sent) - (self._sent_until - now)
        total = float(powers.sum())
        if float(self._sent[end - LONGEST_DELAY_FRAMES - 1 : end].sum(axis=1).max()) < AUDIBLE:
            self._sounding_ms = self._own_ms = self._silent_ms = 0.0
            self._tail *= TAIL_DECAY
            return not self._explained(powers, self._tail)
        self._note_silence(total, float(self._sent[end - LONGEST_DELAY_FRAMES - 1].sum()))
        self._quiet_ms = 0.0 if total >= QUIET else self._quiet_ms + FRAME_MS
        if self._quiet_ms >= FORGET_MS:
            self._sounding_ms, self._own_ms, self._seen = 0.0, 0.0, ()
        if total < QUIET:
            return True
        self._sounding_ms += FRAME_MS
        if self._sounding_ms >= FIRST_LOOK_MS and self._frames % LOOK_EVERY == 0:
            self._look(end)
        return self._judge(powers, end)

    def _clock(self, arrival_ms: float) -> float:
        """This frame's arrival without queueing: frames are 10 ms apart, and the earliest ones set the clock."""
        due_ms = self._due_ms + FRAME_MS + DRIFT_MS
        self._due_ms = arrival_ms if arrival_ms < due_ms or arrival_ms > due_ms + LATEST_MS else due_ms
        return self._due_ms

    def _note_silence(self, heard: float, sent_long_ago: float) -> None:
        """Note sound that went out longer ago than any delay and did not come back."""
        self._silent_ms = 0.0 if heard >= QUIET else self._silent_ms + FRAME_MS * (sent_long_ago >= AUDIBLE)
        if self._silent_ms >= SILENT_MS_TO_TRUST and self.gain is None:
            self.no_loudspeaker = True

    def _look(self, end: int) -> None:
        """Search the delay; a stable delay updates the gain."""
        sent = self._sent_wave[max(0, end - LOOK_FRAMES - LONGEST_DELAY_FRAMES) : end].ravel()
        delay, self.peak_sigmas = phase_correlation(self._heard_wave.ravel(), sent)
        found = round(delay / WAVE_SAMPLES)
        if not self._looks_like_echo():
            self._seen = ()
            return
        same = bool(self._seen) and abs(found - self._seen[-1]) <= SAME_DELAY_FRAMES
        self._seen = (*self._seen, found)[-LOOKS_TO_LEARN:] if same else (found,)
        if len(self._seen) < LOOKS_TO_LEARN and self.delay_frames != found:
            return
        self.delay_frames, self.no_loudspeaker = found, False
        sent_powers = self._sent[end - found - LOOK_FRAMES : end - found]
        active = (sent_powers >= ACTIVE_RATIO * sent_powers.max(axis=0)) & (sent_powers >= AUDIBLE / BANDS / 100)
        ratio = np.ma.median(np.ma.masked_where(~active, self._heard / sent_powers), axis=0).filled(0.0)
        self.gain = ratio if self.gain is None else (1 - LEARNING) * self.gain + LEARNING * ratio

    def _looks_like_echo(self) -> bool:
        return self.peak_sigmas >= PEAK_SIGMAS

    def _judge(self, powers: np.ndarray, end: int) -> bool:
        if self.gain is not None and self.delay_frames is not None:
            delays = {self.delay_frames, *self._seen[-1:]}  # a jitter buffer may just have changed the delay
            sent = np.max([self._sent[end - 3 - d : end + 2 - d].max(axis=0) for d in delays], axis=0)
            self._tail = np.maximum(self._tail * TAIL_DECAY, self.gain * sent)
            return not self._explained(powers, self._tail)
        if self._own_ms >= OWN_MS:
            return True
        if self._seen:
            self._own_ms = 0.0
            return False  # probably an echo; the next looks decide
        own = self.no_loudspeaker or self._sounding_ms >= FIRST_LOOK_MS + FRAME_MS * LOOK_EVERY
        self._own_ms += FRAME_MS * (own and float(powers.sum()) >= AUDIBLE)
        return own

    @staticmethod
    def _explained(powers: np.ndarray, echo: np.ndarray) -> bool:
        left = np.maximum(powers - MARGIN * echo, 0.0).sum()
        return bool(left < NEAR_SHARE * powers.sum())
