"""The faults themselves: each changes the agent's voice as a defect in the field does, by a severity with a unit.

What is random (where in the reply it strikes) comes from the reply's own generator, so a seed repeats it. Units are in
the names; levels are RMS in dBFS. See `stream` for how they are called.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfilt

from harness.prove.stream import FRAME, PER_MS, RATE_HZ, Frame, Once, Plain, Queued, db, dbfs

AUDIBLE_DBFS = -45.0
SILENT_SAMPLE = 10 ** (-50 / 20)
LONGEST_S = 0.6  # of words after a reply: they are over before the next one begins
FADING_MS = 160.0  # a word that ends by itself fades for so long at most
ENDED_MS = 140.0  # a pause within a reply is shorter
CLICK_SAMPLES = PER_MS // 2


@dataclass
class Hole(Once):
    """`hole_ms` of digital silence in the middle of a syllable."""

    hole_ms: float = 40.0

    def strike(self, frame: Frame, since: int) -> Frame:
        size = round(self.hole_ms * PER_MS)
        inside = np.arange(since, since + len(frame)) < size
        if since == 0:
            assert self.struck_at is not None
            self.note(self.struck_at, size)
        if inside.any() and since > 0 and dbfs(frame[inside]) < AUDIBLE_DBFS:
            self.done[-1] = type(self.done[-1])(self.reply, self.done[-1].at_ms, self.hole_ms, False, "in a pause")
        return np.where(inside, np.float32(0), frame)


@dataclass
class PeriodicHoles(Plain):
    """`hole_ms` of silence every `period_ms`, as an engine that falls behind leaves them."""

    hole_ms: float = 40.0
    period_ms: float = 320.0

    def change(self, frame: Frame, t: int) -> Frame:
        at = (np.arange(t, t + len(frame)) - round(200 * PER_MS)) % round(self.period_ms * PER_MS)
        inside = (at < round(self.hole_ms * PER_MS)) & (t > 200 * PER_MS)
        if (inside & (at == 0)).any() and dbfs(frame) > AUDIBLE_DBFS + 10:
            self.note(t, round(self.hole_ms * PER_MS))
        return np.where(inside, np.float32(0), frame)


@dataclass
class LostHead(Plain):
    """The first `lost_ms` that could be heard are silent."""

    lost_ms: float = 40.0
    first: int | None = None

    def start(self) -> None:
        self.first = None

    def change(self, frame: Frame, t: int) -> Frame:
        if self.first is None:
            loud = np.flatnonzero(np.abs(frame) > SILENT_SAMPLE)
            if len(loud) == 0:
                return frame
            self.first = t + int(loud[0])
            self.note(self.first, round(self.lost_ms * PER_MS))
        lost = np.arange(t, t + len(frame)) < self.first + round(self.lost_ms * PER_MS)
        return np.where(lost, np.float32(0), frame)


@dataclass
class LostTail(Queued):
    """The last `lost_ms` are never published. What it does not know ahead it holds back: the reply is late by as much."""

    lost_ms: float = 40.0
    cut: bool = False

    def start(self) -> None:
        super().start()
        self.cut = False
        self.put(np.zeros(round((self.lost_ms + FADING_MS + ENDED_MS) * PER_MS), np.float32))

    def change(self, frame: Frame, t: int) -> Frame:
        self.put(frame)
        return self.take(len(frame))

    def silence(self, since_end: int) -> Frame | None:
        if not self.cut and since_end >= ENDED_MS * PER_MS:
            self.cut = True
            loud = np.flatnonzero(np.abs(self.queue) > 3 * SILENT_SAMPLE)
            last = int(loud[-1]) + 1 if len(loud) else 0
            kept = max(0, last - round(self.lost_ms * PER_MS))
            self.note(-1, last - kept, audible=kept > 0 and dbfs(self.queue[kept:last]) > AUDIBLE_DBFS)
            self.queue = self.queue[:kept]
        if not self.cut:  # a pause, as far as is known
            self.put(np.zeros(FRAME, np.float32))
            return self.take(FRAME)
        return super().silence(since_end)


@dataclass
class Click(Once):
    """A pulse of 0.5 ms, `over_db` above the local peak."""

    over_db: float = 6.0

    def rising(self, frame: Frame) -> bool:
        peak = float(np.max(np.abs(np.concatenate([self.before, frame]))))
        return super().rising(frame) and peak * db(self.over_db) < 0.95  # else full scale would cut it down

    def strike(self, frame: Frame, since: int) -> Frame:
        if since > 0:
            return frame
        assert self.struck_at is not None
        peak = float(np.max(np.abs(np.concatenate([self.before, frame]))))
        at = int(self.rng.integers(FRAME // 4, 3 * FRAME // 4))
        out = frame.copy()
        pulse = np.hanning(CLICK_SAMPLES + 2)[1:-1].astype(np.float32)
        sign = np.float32(np.sign(out[at + CLICK_SAMPLES // 2]) or 1.0)
        out[at : at + CLICK_SAMPLES] += sign * np.float32(peak * db(self.over_db)) * pulse
        self.note(self.struck_at + at, CLICK_SAMPLES)
        return out


@dataclass
class Boom(Once):
    """A thump: 70 Hz, 120 ms, faded in and out."""

    level_dbfs: float = -24.0

    def strike(self, frame: Frame, since: int) -> Frame:
        size = 120 * PER_MS
        n = np.arange(since, since + len(frame))
        if since == 0:
            assert self.struck_at is not None
            self.note(self.struck_at, size)
        shape = np.where(n < size, np.sin(np.pi * n / size) ** 2, 0.0)
        wave = db(self.level_dbfs) * 2.3 * shape * np.sin(2 * np.pi * 70 * n / RATE_HZ)
        return (frame + wave).astype(np.float32)


@dataclass
class NoiseBurst(Once):
    """80 ms of white noise, `over_db` above the level it falls on."""

    over_db: float = 6.0
    level: float = 0.0

    def strike(self, frame: Frame, since: int) -> Frame:
        size = 80 * PER_MS
        if since == 0:
            assert self.struck_at is not None
            self.level = db(dbfs(frame) + self.over_db)
            self.note(self.struck_at, size)
        noise = self.rng.standard_normal(len(frame)) * self.level
        inside = np.arange(since, since + len(frame)) < size
        return np.clip(frame + np.where(inside, noise, 0.0), -1, 1).astype(np.float32)


@dataclass
class LevelDrop(Once):
    """400 ms that are `drop_db` quieter."""

    drop_db: float = 6.0

    def strike(self, frame: Frame, since: int) -> Frame:
        size = 400 * PER_MS
        if since == 0:
            assert self.struck_at is not None
            self.note(self.struck_at, size)
        inside = np.arange(since, since + len(frame)) < size
        return np.where(inside, frame * np.float32(db(-self.drop_db)), frame)


@dataclass
class Level(Plain):
    """The whole reply is `drop_db` quieter."""

    drop_db: float = 6.0

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
        return frame * np.float32(db(-self.drop_db))


@dataclass
class HardClip(Plain):
    """Too loud, and cut off at full scale: so loud that `share_percent` of the samples are.

    How loud that is it learns from the replies so far; `prior` is the distribution of speech to begin with.
    """

    share_percent: float = 0.1
    seen: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(4096, np.int64))
    gain: float = 1.0
    clipped: int = 0
    total: int = 0

    def start(self) -> None:
        self.clipped = self.total = 0

    def change(self, frame: Frame, t: int) -> Frame:
        self.seen += np.histogram(np.abs(frame), bins=4096, range=(0.0, 1.0))[0]
        above = np.cumsum(self.seen[::-1])[::-1] / self.seen.sum()
        level = (int(np.flatnonzero(above >= self.share_percent / 100)[-1]) + 1) / 4096
        loud = frame * np.float32(1.0 / level)
        self.clipped += int(np.count_nonzero(np.abs(loud) >= 1))
        self.total += len(frame)
        return np.clip(loud, -1, 1).astype(np.float32)

    def end(self) -> list:
        share = 100 * self.clipped / max(1, self.total)
        self.note(0, self.total, audible=share >= 0.5 * self.share_percent, detail=f"{share:.3f} %")
        return self.done


@dataclass
class SoftClip(Plain):
    """A saturating amplifier: tanh, driven by `drive_db`; peaks keep their level."""

    drive_db: float = 12.0

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
        drive = db(self.drive_db)
        return (0.9 * np.tanh(drive * frame)).astype(np.float32)


@dataclass
class Speed(Queued):
    """The reply is played `speed_percent` faster (or, negative, slower), and higher (lower) by as much."""

    speed_percent: float = 0.5
    position: float = 0.0
    given: int = 0

    def start(self) -> None:
        super().start()
        self.position, self.given = 0.0, 0

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
            if self.speed_percent > 0:  # it would run out of sound: begins so much later
                self.put(np.zeros(round(self.speed_percent / 100 * 8 * RATE_HZ), np.float32))
        ratio = 1 + self.speed_percent / 100
        whole = np.concatenate([self.before[-2:], frame])
        places = np.arange(self.position, self.given + len(frame), ratio) - self.given + 1
        places = places[places < len(whole) - 1]
        self.position += ratio * len(places)
        self.given += len(frame)
        self.put(_between(whole, places))
        return self.take(len(frame))


def _between(samples: Frame, places: npt.NDArray[np.float64]) -> Frame:
    """Values at fractional places. Linear: at 0.5 % it leaves an image 40 dB down at 8 kHz, which is not the fault."""
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)


@dataclass
class WrongRate(Queued):
    """Samples of one rate taken for another: `ratio` 2 is 24 kHz played as 48 kHz. Above 1 it waits for the whole reply."""

    ratio: float = 0.5
    whole: list[Frame] = field(default_factory=list)

    def start(self) -> None:
        super().start()
        self.whole = []

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
        if self.ratio > 1:
            self.whole.append(frame)
            return np.zeros_like(frame)
        self.put(_between(frame, np.arange(0, len(frame), self.ratio)))
        return self.take(len(frame))

    def silence(self, since_end: int) -> Frame | None:
        if self.whole and since_end >= 300 * PER_MS:
            reply = np.concatenate(self.whole)
            self.whole = []
            self.put(_between(reply, np.arange(0, len(reply) - 1, self.ratio)))
        return super().silence(since_end)


@dataclass
class Pitch(Plain):
    """Higher by `shift_percent` at the same speed: two taps of a moving delay, cross-faded (a delay-line shifter)."""

    shift_percent: float = 3.0
    line: Frame = field(default_factory=lambda: np.zeros(0, np.float32))
    phase: float = 0.0

    def start(self) -> None:
        self.line, self.phase = np.zeros(4_000, np.float32), 0.0

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
        window = 30 * PER_MS
        self.line = np.concatenate([self.line[-4_000:], frame])
        n = np.arange(len(frame))
        first = (self.phase - self.shift_percent / 100 * n) % window
        second = (first + window / 2) % window
        base = len(self.line) - len(frame) + n
        self.phase = float((self.phase - self.shift_percent / 100 * len(frame)) % window)
        weight = np.sin(np.pi * first / window) ** 2
        out = weight * _between(self.line, base - first) + (1 - weight) * _between(self.line, base - second)
        return out.astype(np.float32)


@dataclass
class LowPass(Plain):
    """Nothing above `cutoff_hz` (Butterworth, 8th order)."""

    cutoff_hz: float = 5_000.0
    state: npt.NDArray[np.float64] | None = None

    def start(self) -> None:
        self.state = None

    def change(self, frame: Frame, t: int) -> Frame:
        sos = butter(8, self.cutoff_hz, fs=RATE_HZ, output="sos")
        if self.state is None:
            self.note(0, 0)
            self.state = np.zeros((len(sos), 2))
        out, self.state = sosfilt(sos, frame, zi=self.state)
        return out.astype(np.float32)


@dataclass
class Repeat(Queued):
    """`repeat_ms` are said twice in the middle of a syllable; everything after it is later by as much."""

    repeat_ms: float = 40.0
    earliest: int = 0
    struck: bool = False
    recent: Frame = field(default_factory=lambda: np.zeros(0, np.float32))

    def start(self) -> None:
        super().start()
        self.struck, self.recent = False, np.zeros(0, np.float32)
        self.earliest = round(self.rng.uniform(400, 900) * PER_MS)

    def change(self, frame: Frame, t: int) -> Frame:
        size = round(self.repeat_ms * PER_MS)
        self.recent = np.concatenate([self.recent, frame])[-size:]
        self.put(frame)
        if not self.struck and t >= self.earliest and len(self.recent) >= size and dbfs(self.recent) > -30:
            self.struck = True
            self.note(t + len(frame), size)
            self.put(self.recent)
        return self.take(len(frame))


@dataclass
class Hum(Plain):
    """50 Hz and its odd harmonics, under the reply and after it."""

    level_dbfs: float = -45.0
    n: int = 0

    def wave(self, count: int) -> Frame:
        n = np.arange(self.n, self.n + count)
        self.n += count
        wave = np.sum([np.sin(2 * np.pi * 50 * k * n / RATE_HZ) / k for k in (1, 3, 5, 7)], axis=0)
        return (db(self.level_dbfs) * 1.3 * wave).astype(np.float32)

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
        return frame + self.wave(len(frame))

    def silence(self, since_end: int) -> Frame | None:
        return self.wave(FRAME)


@dataclass
class Noise(Plain):
    """White noise, under the reply and after it."""

    level_dbfs: float = -50.0

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
        return (frame + self.rng.standard_normal(len(frame)) * db(self.level_dbfs)).astype(np.float32)

    def silence(self, since_end: int) -> Frame | None:
        return (self.rng.standard_normal(FRAME) * db(self.level_dbfs)).astype(np.float32)


@dataclass
class Voice(Plain):
    """Somebody else's words after the reply, `after_ms` after its end: of the user (an echo), or of another session."""

    words: list[Frame] = field(default_factory=list)
    level_dbfs: float = -43.0
    after_ms: float = 500.0
    said: Frame = field(default_factory=lambda: np.zeros(0, np.float32))

    def start(self) -> None:
        words = self.words[(self.reply + 1) % len(self.words)][: round(LONGEST_S * RATE_HZ)]
        self.said = words * np.float32(db(self.level_dbfs - dbfs(words[np.abs(words) > SILENT_SAMPLE])))

    def silence(self, since_end: int) -> Frame | None:
        start = round(self.after_ms * PER_MS)
        if since_end + FRAME <= start or since_end >= start + len(self.said):
            return None
        if not self.done:
            self.note(-1, len(self.said))
        out = np.zeros(FRAME, np.float32)
        first = since_end - start
        part = self.said[max(0, first) : first + FRAME]
        out[max(0, -first) : max(0, -first) + len(part)] = part
        return out


@dataclass
class Late(Queued):
    """The reply begins `late_ms` later than it was published."""

    late_ms: float = 50.0

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, round(self.late_ms * PER_MS))
            self.put(np.zeros(round(self.late_ms * PER_MS), np.float32))
        self.put(frame)
        return self.take(len(frame))


@dataclass
class NoReply(Plain):
    """Nothing is said."""

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
        return np.zeros_like(frame)


@dataclass
class Endless(Plain):
    """The last second is said again and again, `going_on_s` long."""

    going_on_s: float = 60.0
    recent: Frame = field(default_factory=lambda: np.zeros(0, np.float32))

    def start(self) -> None:
        self.recent = np.zeros(0, np.float32)

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
        self.recent = np.concatenate([self.recent, frame])[-RATE_HZ:]
        return frame

    def silence(self, since_end: int) -> Frame | None:
        if since_end > self.going_on_s * RATE_HZ or len(self.recent) < FRAME:
            return None
        at = np.arange(since_end, since_end + FRAME) % len(self.recent)
        out: Frame = self.recent[at]
        return out


@dataclass
class NoStop(Endless):
    """After the reply ends (for an interruption, too) it goes on for `going_on_s`."""

    going_on_s: float = 1.0


@dataclass
class Stall(Once):
    """Publishing stands still for `stall_ms`, then catches up: the whole agent waits."""

    stall_ms: float = 150.0

    def strike(self, frame: Frame, since: int) -> Frame:
        if since == 0:
            assert self.struck_at is not None
            self.note(self.struck_at, round(self.stall_ms * PER_MS))
            time.sleep(self.stall_ms / 1e3)  # the fault itself: it blocks the agent's loop
        return frame
