"""The agent's own words, cut, moved, turned round, said again, or with something between them."""

from __future__ import annotations

import numpy as np

from benchmarks.changes.kind import NO_REFERENCE, PACKET, PER_MS, TOO_LITTLE, WHOLE_MS, Kind, Material, Sound
from benchmarks.changes.pieces import (
    as_loud,
    fitted,
    in_a_piece,
    joined,
    laid,
    loud_start,
    packets,
    rms,
    samples,
)  # fmt: skip


def cut_and_joined(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    size = min(samples(ms), len(reply) // 2)
    at = loud_start(reply, size, rng)
    return joined(reply[:at], reply[at + size :])


def words_dropped(reply: Sound, count: float, rng: np.random.Generator, material: Material) -> Sound:
    """So many pieces of 150 ms are lost, and what is left is joined."""
    out = reply
    for _ in range(round(count)):
        out = cut_and_joined(out, 150, rng, material)
    return out


def packets_joined(reply: Sound, every: float, rng: np.random.Generator, material: Material) -> Sound:
    """One packet of 20 ms in so many is thrown away, without a gap."""
    rows = packets(reply, PACKET)
    return rows[np.arange(len(rows)) % round(every) != round(every) - 1].reshape(-1)


def other_voice_inserted(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    size = samples(ms)
    words = fitted(material.user, max(size, len(material.user)))
    from_at, at = loud_start(words, size, rng), loud_start(reply, size, rng)
    piece = as_loud(words[from_at : from_at + size], reply)
    return joined(reply[:at], piece, reply[at:])


def breath_inserted(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    size, at = samples(ms), loud_start(reply, samples(ms), rng)
    white = np.convolve(rng.standard_normal(size + 40), np.hanning(24), mode="same")[:size]
    piece = as_loud(white * np.sin(np.pi * np.arange(size) / size), reply) * np.float32(0.3)
    return joined(reply[:at], piece, reply[at:])


def stuttered(reply: Sound, times: float, rng: np.random.Generator, material: Material) -> Sound:
    """60 ms are said so many times more."""
    size = samples(60)
    at = loud_start(reply, size, rng)
    piece = reply[at : at + size]
    return joined(reply[: at + size], *[piece] * round(times), reply[at + size :])


def moved(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """A piece is taken out and put in again 400 ms later."""
    size = min(samples(ms), len(reply) // 3)
    at = loud_start(reply, size, rng, first=0.05, last=0.6)
    without = joined(reply[:at], reply[at + size :])
    to = min(at + samples(400), len(without) - PER_MS)
    return joined(without[:to], reply[at : at + size], without[to:])


def neighbours_swapped(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    size = min(samples(ms), len(reply) // 3)
    at = loud_start(reply, 2 * size, rng)
    return laid(reply, at, joined(reply[at + size : at + 2 * size], reply[at : at + size]))


def parts_swapped(reply: Sound, parts: float, rng: np.random.Generator, material: Material) -> Sound:
    """The reply's last part first: of 4, the last quarter; of 2, the halves."""
    at = len(reply) - round(len(reply) / parts)
    return joined(reply[at:], reply[:at])


def piece_reversed(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    return in_a_piece(reply, ms, rng, lambda old: old[::-1])


def said_backwards(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """All of it backwards, in pieces of so many ms, each in its place."""
    size = samples(ms)
    return np.concatenate([reply[at : at + size][::-1] for at in range(0, len(reply), size)])


def packets_swapped(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    def swap(old: Sound) -> Sound:
        rows = packets(old, PACKET)
        order = np.arange(len(rows))
        even = len(rows) // 2 * 2
        order[:even] = order[:even].reshape(-1, 2)[:, ::-1].reshape(-1)
        return rows[order].reshape(-1)

    return in_a_piece(reply, ms, rng, swap)


def packets_twice(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """Each second packet is replaced by the one before it."""

    def twice(old: Sound) -> Sound:
        rows = packets(old, PACKET)
        return rows[np.arange(len(rows)) // 2 * 2].reshape(-1)

    return in_a_piece(reply, ms, rng, twice)


def blocks_shuffled(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    size = samples(ms)
    rows = [reply[at : at + size] for at in range(0, len(reply), size)]
    order = np.roll(np.arange(len(rows)), 1) if len(rows) < 3 else rng.permutation(len(rows))
    if np.array_equal(order, np.arange(len(rows))):
        order = order[::-1]
    return joined(*[rows[n] for n in order])


def pauses_removed(reply: Sound, floor_db: float, rng: np.random.Generator, material: Material) -> Sound:
    """Every frame of 10 ms so far below the reply's level is thrown away, as a gate with a splice does."""
    rows = packets(reply, 10 * PER_MS)
    loud = np.array([rms(row) > rms(reply) * 10 ** (floor_db / 20) for row in rows])
    return rows[loud].reshape(-1) if loud.any() else reply


KINDS = (
    Kind("cut_and_joined", "a piece is cut out and the ends are joined", "ms", 40, 300, cut_and_joined, length="shorter",
         alike=("hole",)),
    Kind("words_dropped", "pieces of 150 ms are lost without a gap", "pieces", 2, 5, words_dropped, length="shorter",
         alike=("hole",)),
    Kind("packets_joined", "one packet in so many is thrown away without a gap", "packets", 12, 4, packets_joined,
         length="shorter", alike=("hole", "speed")),
    Kind("other_voice_inserted", "words of another voice are put between", "ms", 80, 400, other_voice_inserted,
         length="longer"),
    Kind("breath_inserted", "a breath is put between", "ms", 120, 400, breath_inserted, length="longer",
         alike=("noise_burst",)),
    Kind("stuttered", "60 ms are said several times more", "times", 2, 6, stuttered, length="longer", published="severe",
         reason=TOO_LITTLE, alike=("repeat",)),
    Kind("moved", "a piece is said 400 ms later than its place", "ms", 80, 300, moved, length="shorter"),
    Kind("neighbours_swapped", "two neighbouring pieces change places", "ms", 80, 250, neighbours_swapped),
    Kind("parts_swapped", "the reply's last part comes first", "parts", 4, 2, parts_swapped, length="shorter"),
    Kind("piece_reversed", "a piece is said backwards", "ms", 80, 300, piece_reversed),
    Kind("said_backwards", "all of it backwards, in pieces in their places", "ms", 60, WHOLE_MS, said_backwards,
         reason=NO_REFERENCE),
    Kind("packets_swapped", "each two packets change places", "ms", 200, WHOLE_MS, packets_swapped, reason=NO_REFERENCE),
    Kind("packets_twice", "each second packet is the one before it again", "ms", 200, WHOLE_MS, packets_twice,
         published="severe", reason=TOO_LITTLE, alike=("repeat",)),
    Kind("blocks_shuffled", "blocks of so many ms in another order", "ms", 600, 120, blocks_shuffled, length="shorter"),
    Kind("pauses_removed", "frames so far below the reply's level are cut out and joined", "dB", -30, -12, pauses_removed,
         heard="severe", length="shorter", reason=TOO_LITTLE, alike=("hole",)),
)  # fmt: skip
