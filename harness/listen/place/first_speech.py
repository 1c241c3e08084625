"""Where the words of a reply begin, if other sounds come ahead of them: keys, a cough, a breath. Pure.

A voice repeats itself with its pitch (50 to 400 Hz); a click, a breath or a rustle does not. Speech begins with the first
voiced stretch and what belongs to it: sounds less than 60 ms ahead, and a voiceless consonant of 300 ms at most. A shorter
lead is no consonant either if it is the room: soft, steady, and heard behind the first word as it was ahead of it. Only a
lead of 100 ms and more is told from the words; a reply without any voice (a whisper, a beep) keeps its first sound.
Works on the voice band at 8 kHz; positions are samples at 48 kHz.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from harness.listen.place.onset import Sound, is_steady, runs
from harness.listen.place.replies import SAMPLES_PER_MS, HeardReply
from harness.listen.place.ring import BAND_RATE_HZ, DECIMATION, BandArray, Ring

FRAME, HOP = 320, 80  # 40 ms every 10 ms
LAGS = (20, 160)  # samples at 8 kHz: 400 to 50 Hz
VOICED = 0.6  # normalised autocorrelation at a lag of the pitch
LEAST_FRAMES = 3  # in a row
BELONGS_MS = 60.0
CONSONANT_MS = 300.0
LEAST_LEAD_MS = 100.0
STEP_MS = 5.0
STEP_SAMPLES = round(STEP_MS * SAMPLES_PER_MS)
LOUD_LEAD_PERCENTILE = 90.0  # of the levels of a noise that goes on into the words
ABOVE_LEAD_DB = 6.0
SOFT_DBFS = -40.0  # a room behind an open gate is not louder; a consonant may be as soft
FADE_MS = 20.0  # in which a gate opens
LIKE_ROOM_DB = 3.0
LOWEST_PERCENTILE = 5.0  # the gate closes at the end
LEAST_ROOM_MS = 100.0  # of it behind the first voiced sound
BRIDGED_MS = 30.0  # a consonant may fall below the noise for so long
LONGEST_MS = 30_000.0  # of a reply, in which its first voiced sound is looked for


def with_speech(ring: Ring, heard: list[HeardReply]) -> list[HeardReply]:
    """The same replies; `speech_start` where a lead comes first, `speaks` False where one has no voice and others have."""
    voices = [_first_voiced(ring.band, reply) for reply in heard]
    if all(at is None for at in voices):
        return heard
    return [
        replace(reply, speaks=False) if at is None else _told_apart(ring, reply, at)
        for reply, at in zip(heard, voices, strict=True)
    ]


def _first_voiced(band: BandArray, reply: HeardReply) -> int | None:
    """The end of the first frame of its first voiced stretch, which is surely within it."""
    first = reply.start // DECIMATION
    last = min(reply.end // DECIMATION, first + round(LONGEST_MS * BAND_RATE_HZ / 1e3), len(band))
    in_a_row = 0
    for at in range(first, last - FRAME - LAGS[1], HOP):
        in_a_row = in_a_row + 1 if _voiced(band[at : at + FRAME + LAGS[1]]) else 0
        if in_a_row == LEAST_FRAMES:
            return (at - (LEAST_FRAMES - 1) * HOP + FRAME) * DECIMATION
    return None


def _voiced(part: BandArray) -> bool:
    head = part[:FRAME]
    energy = np.cumsum(np.concatenate([[0.0], part**2]))
    lags = np.arange(LAGS[0], LAGS[1] + 1)
    later = energy[lags + FRAME] - energy[lags]
    own = float(energy[FRAME])
    if own < 1e-9 * FRAME:
        return False
    products = np.correlate(part, head, "valid")[lags]
    likeness = products / np.sqrt(np.maximum(own * later, 1e-20))
    balanced = (later > own / 4) & (later < own * 4)  # a click is not like its own tail
    return bool(np.any(balanced & (likeness > VOICED)))


def _told_apart(ring: Ring, reply: HeardReply, voiced: int) -> HeardReply:
    sounds = [sound for sound in ring.sounds if sound.start < reply.end and sound.end > reply.start]
    start = _begin(sounds, voiced)
    if voiced - start > CONSONANT_MS * SAMPLES_PER_MS:  # one sound from a noise into the words
        start = _rise(ring, start, round(voiced - CONSONANT_MS * SAMPLES_PER_MS), voiced)
    elif _is_room(ring, start, voiced, reply.end):
        start = _rise(ring, start, start + round(LEAST_LEAD_MS * SAMPLES_PER_MS), voiced)
    if start - reply.start < LEAST_LEAD_MS * SAMPLES_PER_MS:
        return reply
    return replace(reply, speech_start=start)


def _begin(sounds: list[Sound], voiced: int) -> int:
    """The start of the sound that holds `voiced`, and of those right ahead of it."""
    begin = voiced
    for sound in reversed([sound for sound in sounds if sound.start <= voiced]):
        if begin - sound.end > BELONGS_MS * SAMPLES_PER_MS:
            break
        begin = min(begin, sound.start)
    return begin


def _is_room(ring: Ring, begin: int, voiced: int, end: int) -> bool:
    """Whether what stands ahead of `voiced` from `begin` on goes on behind it, where nothing is softer: a voice that has only a
    soft consonant there falls below it between its words.
    """
    fade, least = round(FADE_MS * SAMPLES_PER_MS), round(LEAST_LEAD_MS * SAMPLES_PER_MS)
    if voiced - begin <= least + fade:
        return False
    ahead = _levels_db(ring, begin + fade, begin + least)
    level = np.median(ahead)
    if level > SOFT_DBFS or not is_steady(ahead):
        return False
    behind = _levels_db(ring, voiced, end) - level
    heard_ms = np.count_nonzero(np.abs(behind) <= LIKE_ROOM_DB) * STEP_MS
    return bool(heard_ms >= LEAST_ROOM_MS and np.percentile(behind, LOWEST_PERCENTILE) >= -LIKE_ROOM_DB)


def _rise(ring: Ring, begin: int, low: int, voiced: int) -> int:
    """Where the sound between `low` and `voiced` rises above that between `begin` and `low`, for good; where it is softest, if
    it does not.
    """
    noise, words = _levels_db(ring, begin, low), _levels_db(ring, low, voiced)
    if not len(noise) or not len(words):
        return low
    quiet = words <= np.percentile(noise, LOUD_LEAD_PERCENTILE) + ABOVE_LEAD_DB
    within = [last for first, last in runs(quiet) if first == 0 or last - first + 1 >= BRIDGED_MS / STEP_MS]
    at = within[-1] + 1 if within else 0
    return low + (at if at < len(words) else int(np.argmin(words))) * STEP_SAMPLES


def _levels_db(ring: Ring, begin: int, end: int) -> npt.NDArray[np.float64]:
    """dBFS of each STEP_SAMPLES."""
    part = np.asarray(ring.audio.samples[max(0, begin) : end], np.float64)
    power = np.mean(part[: len(part) // STEP_SAMPLES * STEP_SAMPLES].reshape(-1, STEP_SAMPLES) ** 2, axis=1)
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)))
