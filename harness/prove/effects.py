"""The faults themselves: each changes the agent's voice as a defect in the field does, by a severity with a unit.

What is random (where in the reply it strikes) comes from the reply's own generator, so a seed repeats it. Units are in
the names; levels are RMS in dBFS. See `stream` for how they are called.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfilt

from harness.prove.stream import FRAME, PER_MS, RATE_HZ, Frame, Once, Plain, db, dbfs

AUDIBLE_DBFS = -45.0
SILENT_SAMPLE = 10 ** (-50 / 20)
LONGEST_S = 0.6  # of words after a reply: they are over before the next one begins
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
    """The first audible `lost_ms` are silent."""

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
class Click(Once):
    """A pulse of 0.5 ms, `over_db` above the local peak: the highest of 20 ms before the frame and the frame itself.

    It falls early in the frame, so that 12 ms on both sides of it are known and lie below that peak.
    """

    over_db: float = 6.0

    def rising(self, frame: Frame) -> bool:
        peak = float(np.max(np.abs(np.concatenate([self.before, frame]))))
        return super().rising(frame) and peak * db(self.over_db) < 0.95  # else full scale would clip it

    def strike(self, frame: Frame, since: int) -> Frame:
        if since > 0:
            return frame
        assert self.struck_at is not None
        peak = float(np.max(np.abs(np.concatenate([self.before, frame]))))
        at = int(self.rng.integers(FRAME // 4, FRAME - 12 * PER_MS - CLICK_SAMPLES))
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

    It learns that level from the replies so far; `prior` is the distribution of speech to begin with.
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
    """Somebody else's words, `after_ms` after the reply's end: the user's (an echo), or another session's."""

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
