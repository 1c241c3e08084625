"""Where one listener's sounds lie in another's recording: pairing for an agent that announces no replies.

Each reply at the user's own listener is looked for in the other recording, by the clocks first and by its waveform within
a window around that. The grouping of sounds into replies comes from the first listener, so that both count the same,
however long a pause came out. A listener that joined later lacks a beginning and gets the rest. Positions are samples at
48 kHz; `lag` is position elsewhere minus position here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from harness.listen.place.align import WAVEFORM_CONFIDENCE, Match, find_best
from harness.listen.place.onset import Sound
from harness.listen.place.replies import MARGIN_MS, SAMPLES_PER_MS, HeardReply, group_by_pause
from harness.listen.place.ring import BAND_RATE_HZ, DECIMATION, Ring
from harness.listen.read.clocks import Clocks

PIECE_MS = 800.0
SHORTEST_PIECE_MS = 180.0
MOST_PIECES = 5
NEAR_MS, FAR_MS = 400.0, 3_000.0  # how far two listeners' jitter buffers may be apart: as a rule, and at worst
UNSURE_MS = 250.0  # by the clocks alone


@dataclass(frozen=True)
class _Claim:
    """The part of the other recording where a reply must be, a margin around it included. `sure`: its waveform is there."""

    reply: HeardReply
    start: float
    end: float
    sure: bool


def hear_elsewhere(
    replies: Sequence[HeardReply], here: Ring, there: Ring, clocks: Clocks, user_ends: Sequence[float]
) -> list[HeardReply]:
    """All replies in `there`, in order of time: each of `replies`, which is its `twin`, and sounds that only this
    recording has, grouped by pauses.
    """
    claims = _claims(replies, here, there, clocks)
    owned = [_within(there.sounds, claims, index) for index in range(len(claims))]
    heard = [
        HeardReply(None, sounds[0].start, sounds[-1].end, twin=claim.reply)
        for claim, sounds in zip(claims, owned, strict=True)
        if sounds
    ]
    loose = [sound for sound in there.sounds if not any(_overlap(sound, claim) for claim in claims)]
    heard += [HeardReply(None, group.start, group.end) for group in group_by_pause(loose, user_ends)]
    return sorted(heard, key=lambda reply: reply.start)


def hear_voice_in(
    voice: Sequence[HeardReply], apart: Ring, mixed: Ring, clocks: Clocks
) -> list[tuple[HeardReply, HeardReply | None]]:
    """Each reply of `voice` (its track recorded `apart`) with its place in `mixed`, where other tracks sound as well.

    The reply begins where its waveform does: sound ahead of it may be music.
    """
    margin = MARGIN_MS * SAMPLES_PER_MS
    found: dict[int, HeardReply] = {}
    claims = _claims(voice, apart, mixed, clocks)
    for index, claim in enumerate(claims):
        sounds = _within(mixed.sounds, claims, index)
        if claim.sure:
            found[id(claim.reply)] = HeardReply(None, round(claim.start + margin), round(claim.end - margin))
        elif sounds:
            found[id(claim.reply)] = HeardReply(None, sounds[0].start, sounds[-1].end)
    return [(reply, found.get(id(reply))) for reply in voice]


def _claims(replies: Sequence[HeardReply], here: Ring, there: Ring, clocks: Clocks) -> list[_Claim]:
    by_clock = [_lag_by_clock(reply, here, there, clocks) for reply in replies]
    by_sound = [_lags_by_sound(r, lag, here, there) for r, lag in zip(replies, by_clock, strict=True)]
    beside = [
        found[0] - lag for found, lag in zip(by_sound, by_clock, strict=True) if found is not None and lag is not None
    ]
    claims = []
    for reply, lag, found in zip(replies, by_clock, by_sound, strict=True):
        if found is not None:
            margin = MARGIN_MS * SAMPLES_PER_MS
            claims.append(_Claim(reply, reply.start + found[0] - margin, reply.end + found[1] + margin, True))
        elif lag is not None:  # no waveform match: the clocks, shifted as the others are
            lag, margin = lag + (median(beside) if beside else 0.0), UNSURE_MS * SAMPLES_PER_MS
            claims.append(_Claim(reply, reply.start + lag - margin, reply.end + lag + margin, False))
    return sorted(claims, key=lambda claim: claim.start)


def _lag_by_clock(reply: HeardReply, here: Ring, there: Ring, clocks: Clocks) -> float | None:
    mono_ms = clocks.mono_ms(here.name, reply.start)
    at = clocks.sample_at(there.name, mono_ms) if mono_ms is not None else None
    return None if at is None else at - reply.start


def _lags_by_sound(reply: HeardReply, lag: float | None, here: Ring, there: Ring) -> tuple[float, float] | None:
    """(lag of the first piece found there, of the last); None if none is."""
    found = [match for first, last in _pieces(reply) if (match := _find(here, there, first, last, lag)) is not None]
    return (found[0], found[-1]) if found else None


def _pieces(reply: HeardReply) -> list[tuple[int, int]]:
    """[first, last) in samples of the band: a few, from its head to its tail."""
    first, last = reply.start // DECIMATION, -(-reply.end // DECIMATION)
    size = min(last - first, round(PIECE_MS * BAND_RATE_HZ / 1e3))
    if size < SHORTEST_PIECE_MS * BAND_RATE_HZ / 1e3:
        return []
    count = min(MOST_PIECES, max(1, (last - first) // size))
    step = (last - first - size) / max(1, count - 1)
    return [(first + round(n * step), first + round(n * step) + size) for n in range(count)]


def _find(here: Ring, there: Ring, first: int, last: int, lag: float | None) -> float | None:
    """Lag of one piece: near where the clocks have it, else further off; without clocks, anywhere."""
    piece = here.band[first:last]
    if lag is None:
        return _lag(find_best(piece, there.band), first)
    expected = first + lag / DECIMATION
    for reach_ms in (NEAR_MS, FAR_MS):
        reach = reach_ms * BAND_RATE_HZ / 1e3
        found = _lag(find_best(piece, there.band, (expected - reach, expected + reach)), first)
        if found is not None:
            return found
    return None


def _lag(match: Match | None, first: int) -> float | None:
    if match is None or match.confidence < WAVEFORM_CONFIDENCE:
        return None
    return (match.at - first) * DECIMATION


def _overlap(sound: Sound, claim: _Claim) -> bool:
    return sound.start < claim.end and sound.end > claim.start


def _within(sounds: Sequence[Sound], claims: Sequence[_Claim], index: int) -> list[Sound]:
    """The sounds of claim `index`; a sound that spans two claims is split midway between them."""
    claim = claims[index]
    low = (claims[index - 1].end + claim.start) / 2 if index > 0 else float("-inf")
    high = (claim.end + claims[index + 1].start) / 2 if index + 1 < len(claims) else float("inf")
    parts = []
    for sound in sounds:
        if _overlap(sound, claim):
            start, end = max(float(sound.start), low), min(float(sound.end), high)
            if end > start:
                parts.append(Sound(round(start), round(end)))
    return parts
