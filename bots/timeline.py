"""Put the takes of one probe on one sample clock.

LiveKit's native audio device pulls every remote track on one common 10 ms tick, so two tracks of one process advance in
lockstep; what differs is the tick at which each started. The start is found from arrival times: arrival minus
position has a sharp lower envelope (a late event loop only ever delays), and the difference between two takes is a
whole number of ticks. Measured here: residual to the tick 0.06 to 0.08 ms, drift below 10 ppm. Rates are 48 kHz,
times ms on the host's monotonic clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

RATE_HZ = 48_000
TICK_MS = 10.0  # webrtc::AudioDeviceModule's playout interval
FRAME_MS = 20.0
FRAME_SAMPLES = 960
SILENCE_DBFS = -120.0
AUDIBLE_DBFS = -60.0
FAR_BELOW_DB = 20.0  # a word's soft end is nearer to its level
NO_END = 1 << 62
BACKGROUND = "background_audio"  # how LiveKit Agents name the track of music, typing and the like

Int16Array = npt.NDArray[np.int16]


@dataclass
class Take:
    """One uninterrupted run of frames of one track, in order of arrival. `sid`, `name`, `source`: LiveKit's names of it."""

    who: str
    sid: str = ""
    name: str = ""
    source: str = ""
    arrivals_ms: list[float] = field(default_factory=list)
    frames: list[Int16Array] = field(default_factory=list)
    levels_dbfs: list[float] = field(default_factory=list)
    loud_frames: int = 0  # in which a voice may be

    def add(self, t_ms: float, samples: Int16Array) -> float:
        """Add a frame; returns its dBFS."""
        self.arrivals_ms.append(t_ms)
        self.frames.append(samples)
        power = float(np.mean((samples / 32_768.0) ** 2)) if len(samples) else 0.0
        self.levels_dbfs.append(10 * math.log10(max(power, 1e-12)))
        return self.levels_dbfs[-1]

    @property
    def level_dbfs(self) -> float:
        """RMS of its frames that can be heard, 95th percentile: the level when it sounds, however seldom."""
        levels = np.asarray(self.levels_dbfs)
        audible = levels[levels > AUDIBLE_DBFS] if (levels > AUDIBLE_DBFS).any() else levels
        return float(np.percentile(audible, 95)) if len(audible) else SILENCE_DBFS

    @property
    def n_samples(self) -> int:
        return sum(len(frame) for frame in self.frames)

    def quiet_before_ms(self, end: int) -> float:
        """For how long its frames that begin before sample `end` are, at last, far below its voice."""
        starts = np.concatenate([[0], np.cumsum([len(frame) for frame in self.frames])])[:-1]
        levels = np.asarray(self.levels_dbfs)[starts < end]
        quiet = levels < self.level_dbfs - FAR_BELOW_DB
        trailing = len(quiet) if quiet.all() else int(np.argmin(quiet[::-1]))
        return sum(len(frame) for frame in self.frames[len(quiet) - trailing : len(quiet)]) * 1e3 / RATE_HZ

    @property
    def sounding(self) -> tuple[int, int]:
        """[start, end) of what is not silence, in its samples; all of them if all is silence."""
        edges = np.concatenate([[0], np.cumsum([len(frame) for frame in self.frames])])
        loud = np.flatnonzero(np.asarray(self.levels_dbfs) > AUDIBLE_DBFS)
        return (int(edges[loud[0]]), int(edges[loud[-1] + 1])) if len(loud) else (0, int(edges[-1]))

    def envelope_ms(self) -> float:
        """When this take's sample 0 was pulled for playout: lower envelope of arrival − position, less the frame's
        first tick.
        """
        positions_ms = np.concatenate([[0.0], np.cumsum([len(f) for f in self.frames[:-1]])]) * 1e3 / RATE_HZ
        return float(np.min(np.asarray(self.arrivals_ms) - positions_ms)) - (FRAME_MS - TICK_MS)


@dataclass(frozen=True)
class ProbeRecording:
    """All takes on one clock: sample 0 of each array is the instant `t0_mono_ms`.

    `audio` is the sum of a participant's tracks, `tracks` each track of the participant whose arrivals are kept.
    """

    audio: dict[str, Int16Array]
    arrivals: npt.NDArray[np.float64]  # (n, 2): arrival ms, sample index of each frame of the agent's voice
    t0_mono_ms: float | None
    error_ms: float  # largest residual of a take to the common tick
    tracks: dict[str, Int16Array] = field(default_factory=dict)  # by sid
    voice: frozenset[str] = frozenset()  # sids of the tracks in `arrivals`


def place_on_one_clock(takes: list[Take], arrivals_of: str) -> ProbeRecording:
    """Takes of one probe → arrays that start together and end together, silence where a track was absent."""
    takes = [take for take in takes if take.frames]
    if not takes:
        return ProbeRecording({}, np.empty((0, 2)), None, 0.0)
    starts = [take.envelope_ms() for take in takes]
    t0 = min(starts)
    ticks = [round((start - t0) / TICK_MS) for start in starts]
    error_ms = max(abs((start - t0) - tick * TICK_MS) for start, tick in zip(starts, ticks, strict=True))
    offsets = [int(tick * TICK_MS * RATE_HZ / 1e3) for tick in ticks]
    length = max(offset + sum(map(len, take.frames)) for offset, take in zip(offsets, takes, strict=True))
    placed = list(zip(takes, offsets, strict=True))
    audio = {
        who: _summed([p for p in placed if p[0].who == who], length) for who in dict.fromkeys(t.who for t in takes)
    }
    own = [p for p in placed if p[0].who == arrivals_of]
    tracks = {sid: _summed([p for p in own if p[0].sid == sid], length) for sid in dict.fromkeys(p[0].sid for p in own)}
    voice = _voice_of(own)
    arrivals = [row for take, offset, until in voice for row in _arrivals(take, offset, until)]
    return ProbeRecording(
        audio,
        np.asarray(arrivals, np.float64).reshape(-1, 2),
        t0,
        error_ms,
        tracks,
        frozenset(take.sid for take, _, _ in voice),
    )


def _summed(placed: list[tuple[Take, int]], length: int) -> Int16Array:
    total = np.zeros(length, np.int32)
    for take, offset in placed:
        joined = np.concatenate(take.frames)
        total[offset : offset + len(joined)] += joined
    return np.clip(total, -32_768, 32_767).astype(np.int16)


def _voice_of(placed: list[tuple[Take, int]]) -> list[tuple[Take, int, int]]:
    """The loudest takes of which no two sound at once, in order of time, each with the sample at which the next one takes
    over: a track published anew is still the voice, though the old one went on delivering silence. Music
    that ends before the voice begins is none, if its track says what it is.
    """
    chosen: list[tuple[Take, int, int, int]] = []
    named = [p for p in placed if p[0].name != BACKGROUND]
    for take, start in sorted(named or placed, key=lambda p: -p[0].level_dbfs):
        first, last = take.sounding
        if all(start + last <= begin or start + first >= end for _, _, begin, end in chosen):
            chosen.append((take, start, start + first, start + last))
    chosen.sort(key=lambda item: item[1])
    starts = [item[1] for item in chosen]
    return [(take, start, end) for (take, start, _, _), end in zip(chosen, [*starts[1:], NO_END], strict=False)]


def _arrivals(take: Take, offset: int, until: int) -> list[tuple[float, float]]:
    position, rows = offset, []
    for t_ms, frame in zip(take.arrivals_ms, take.frames, strict=True):
        if position >= until:
            break
        rows.append((t_ms, float(position)))
        position += len(frame)
    return rows
