"""One side's voice that leaks into the other's channel: found by waveform, and left out of it. Pure.

Crosstalk of a recorder, a sidetone, or a loudspeaker that the microphone hears. The leak is a lag and a gain, from the side's
own sounds found in the other channel (voice band, 8 kHz); frames of 5 ms that are no louder than the leak explains become
silence, so what is left is the channel's own voice. Sound is 48 kHz mono, full scale ±1; gains are dB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.listen.place.align import WAVEFORM_CONFIDENCE, find_best
from harness.listen.place.onset import Sound
from harness.listen.place.ring import BAND_RATE_HZ, DECIMATION, Ring
from harness.listen.read.storage import BLOCK, StoredAudio, is_long, spill
from harness.model.audio import Audio, FloatArray

PIECE = BAND_RATE_HZ  # one second identifies it
SHORTEST_PIECE = 3_200  # 0.4 s
MOST_PIECES = 16
JOIN_MS = 300.0
LAGS_MS = (-30.0, 800.0)  # a loudspeaker and a room, and the way there
AGREE_MS = 8.0
SURE = 0.7  # where only one piece was found
SAME_DB = -1.0  # in one recording the source's own channel is the louder one
OTHER_FILE_DB = 6.0  # a file of the user's own may be softer than the mix that it is in
INVERSE_DB, INVERSE_MS = 6.0, 10.0  # one leak, seen from both ends
FRAME = 240  # 5 ms
NEAR = 3  # frames on either side
DECAY_DB = 1.0  # a frame: a room of 0.3 s
MARGIN_DB = 6.0
LEAST_DBFS = -75.0  # a leak softer than this is heard by nobody
MOST_DB = -12.0  # a leak louder than this hides the other's voice

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Leak:
    """The source's voice stands `lag_ms` later, `gain_db` louder (negative) in the other channel; found in `found` pieces."""

    gain_db: float
    lag_ms: float
    found: int
    share: float  # of the source's pieces that were looked for


def find_leaks(user: Ring, agent: Ring, loudest_db: float = SAME_DB) -> tuple[Leak | None, Leak | None]:
    """The user's voice on the agent's side, and the agent's on the user's."""
    to_agent, to_user = find_leak(user, agent, loudest_db), find_leak(agent, user, loudest_db)
    if to_agent is None or to_user is None:
        return to_agent, to_user
    inverse = (
        abs(to_agent.gain_db + to_user.gain_db) <= INVERSE_DB and abs(to_agent.lag_ms + to_user.lag_ms) <= INVERSE_MS
    )
    if not inverse:
        return to_agent, to_user
    return (to_agent, None) if to_agent.share >= to_user.share else (None, to_user)


def find_leak(source: Ring, other: Ring, loudest_db: float = SAME_DB) -> Leak | None:
    """None where the source is not heard in the other channel, or only as noise."""
    gains, lags, sure, tried = [], [], 0.0, 0
    for first, last in _pieces(source.sounds):
        piece = source.band[first : min(last, first + PIECE)]
        if len(piece) < SHORTEST_PIECE:
            continue
        tried += 1
        low, high = (first + at_ms * BAND_RATE_HZ / 1e3 for at_ms in LAGS_MS)
        match = find_best(piece, other.band, (low, high))
        if match is None or match.confidence < WAVEFORM_CONFIDENCE:
            continue
        at = round(match.at)
        gain = float(np.dot(other.band[at : at + len(piece)], piece) / np.dot(piece, piece))
        if gain <= 0 or 20 * np.log10(gain) > loudest_db:
            continue
        gains.append(20 * np.log10(gain))
        lags.append((match.at - first) / BAND_RATE_HZ * 1e3)
        sure = max(sure, match.confidence)
    if not lags:
        return None
    middle = float(np.median(lags))
    agree = [gain for gain, lag in zip(gains, lags, strict=True) if abs(lag - middle) <= AGREE_MS]
    if len(agree) < 2 and sure < SURE:
        return None
    return Leak(float(np.median(agree or gains)), middle, len(agree), len(agree) / tried)


def _pieces(sounds: list[Sound]) -> list[tuple[int, int]]:
    """The longest stretches of sound, in samples of the band."""
    joined: list[Sound] = []
    for sound in sounds:
        if joined and sound.start - joined[-1].end < JOIN_MS * 48:
            joined[-1] = Sound(joined[-1].start, sound.end)
        else:
            joined.append(sound)
    longest = sorted(joined, key=lambda sound: sound.start - sound.end)[:MOST_PIECES]
    return sorted((sound.start // DECIMATION, sound.end // DECIMATION) for sound in longest)


def without(leak: Leak, source: Audio, other: Audio) -> Audio:
    """The other channel, silent where it holds no more than the leak."""
    keep = _own(leak, _levels(source), _levels(other))
    if is_long(len(other), other.rate_hz):
        return StoredAudio(spill(_muted(other, keep), np.float32), other.rate_hz)
    return Audio(np.concatenate([np.zeros(0, np.float32), *_muted(other, keep)]), other.rate_hz)


def _levels(audio: Audio) -> Floats:
    """dBFS of each frame."""
    count = len(audio) // FRAME
    found = np.full(count, -200.0)
    step = BLOCK // FRAME
    for first in range(0, count, step):
        part = np.asarray(audio.samples[first * FRAME : min(count, first + step) * FRAME], np.float64)
        found[first : first + len(part) // FRAME] = 10 * np.log10(np.mean(part.reshape(-1, FRAME) ** 2, axis=1) + 1e-20)
    return found


def _own(leak: Leak, source: Floats, other: Floats) -> npt.NDArray[np.bool_]:
    """Frames of the other channel that the leak does not explain."""
    shift = round(leak.lag_ms * 48 / FRAME)
    expected = np.full(len(other), -200.0)
    for near in range(-NEAR, NEAR + 1):
        at = np.arange(len(other)) - shift + near
        inside = (at >= 0) & (at < len(source))
        np.maximum(expected, np.where(inside, source[np.clip(at, 0, max(0, len(source) - 1))], -200.0), out=expected)
    fall = DECAY_DB * np.arange(len(expected))
    expected = np.maximum.accumulate(expected + fall) - fall + leak.gain_db
    return np.asarray((other > expected + MARGIN_DB) | (expected < LEAST_DBFS))


def _muted(audio: Audio, keep: npt.NDArray[np.bool_]) -> Iterator[FloatArray]:
    """In blocks; a frame that is left out fades over half of its neighbours."""
    gains = np.concatenate([keep, keep[-1:], keep[-1:]]).astype(np.float32) if len(keep) else np.ones(2, np.float32)
    centres = (np.arange(len(gains)) + 0.5) * FRAME
    for first in range(0, len(audio), BLOCK):
        part = np.asarray(audio.samples[first : first + BLOCK], np.float32)
        yield (part * np.interp(np.arange(first, first + len(part)), centres, gains)).astype(np.float32)
