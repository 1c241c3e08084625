"""What goes wrong with samples as numbers: bytes shifted or swapped, headers played, other codings, too few bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.changes.kind import NO_REFERENCE, NOT_HEARD, PACKET, TOO_LITTLE, WHOLE_MS, Kind, Material, Sound
from benchmarks.changes.pieces import as_loud, fitted, in_a_piece, loud_start, packets, samples

TEXT = b'{"type":"response.audio.delta","event_id":"event_7c1","response_id":"resp_02","item_id":"item_9","delta":"UklGRiQA"}\r\n'


def _ints(sound: Sound) -> npt.NDArray[np.int16]:
    return np.clip(np.rint(sound * 32_768.0), -32_768, 32_767).astype("<i2")


def _floats(ints: npt.NDArray[np.integer]) -> Sound:
    return (ints / 32_768.0).astype(np.float32)


def byte_shift(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """One byte is lost: each sample is the high byte of one and the low byte of the next."""

    def shift(old: Sound) -> Sound:
        return _floats(np.frombuffer(_ints(old).tobytes()[1:] + b"\0", "<i2"))

    return in_a_piece(reply, ms, rng, shift)


def endian_swap(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    return in_a_piece(reply, ms, rng, lambda old: _floats(_ints(old).byteswap()))


def header_played(reply: Sound, size_bytes: float, rng: np.random.Generator, material: Material) -> Sound:
    """So many bytes of text are played as sound ahead of the reply."""
    return np.concatenate([_bytes_as_sound(size_bytes), reply])


def trailer_played(reply: Sound, size_bytes: float, rng: np.random.Generator, material: Material) -> Sound:
    return np.concatenate([reply, _bytes_as_sound(size_bytes)])


def _bytes_as_sound(size_bytes: float) -> Sound:
    size = round(size_bytes) // 2 * 2
    return _floats(np.frombuffer((TEXT * (size // len(TEXT) + 1))[:size], "<i2"))


def text_between(reply: Sound, size_bytes: float, rng: np.random.Generator, material: Material) -> Sound:
    """So many bytes of a message are played in the middle of the reply, in the place of its sound."""
    piece = _bytes_as_sound(size_bytes)
    out = reply.copy()
    at = loud_start(reply, len(piece), rng)
    out[at : at + len(piece)] = piece[: len(out) - at]
    return out


def _mu_law(sound: Sound) -> npt.NDArray[np.uint8]:
    compressed = np.sign(sound) * np.log1p(255 * np.abs(sound)) / np.log(256)
    return np.rint((compressed + 1) * 127.5).astype(np.uint8)


def mu_law_as_pcm(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """Mu-law bytes, read as 8-bit linear samples: all that is quiet is loud."""
    return in_a_piece(reply, ms, rng, lambda old: (_mu_law(old).astype(np.float32) - 128) / 128)


def mu_law_as_words(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """Mu-law bytes, read as 16-bit samples: noise, twice as fast."""

    def read(old: Sound) -> Sound:
        codes = _mu_law(old).tobytes()
        return fitted(_floats(np.frombuffer(codes[: len(codes) // 2 * 2], "<i2")), len(old))

    return in_a_piece(reply, ms, rng, read)


def stereo_as_mono(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """So much of it interleaved, left and (silent) right: half the speed, a mirror image above."""
    size = min(samples(ms), len(reply))
    at = loud_start(reply, size, rng) if size < len(reply) else 0
    wide = np.stack([reply[at : at + size], np.zeros(size, np.float32)], axis=1).reshape(-1)
    return np.concatenate([reply[:at], wide, reply[at + size :]])


def sample_and_hold(reply: Sound, factor: float, rng: np.random.Generator, material: Material) -> Sound:
    """One sample stands for so many."""
    return np.repeat(reply[:: round(factor)], round(factor))[: len(reply)]


def quantised(reply: Sound, bits: float, rng: np.random.Generator, material: Material) -> Sound:
    steps = 2 ** (bits - 1)
    return (np.rint(reply * steps) / steps).astype(np.float32)


def wrapped(reply: Sound, gain_db: float, rng: np.random.Generator, material: Material) -> Sound:
    """Too loud, and what does not fit wraps round instead of being cut off."""
    peak = float(np.max(np.abs(reply))) or 1.0
    wide = np.rint(reply / peak * 10 ** (gain_db / 20) * 32_768.0).astype(np.int64)
    return _floats((wide + 32_768) % 65_536 - 32_768)


def half_wave(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """The negative half of the wave is missing."""
    return in_a_piece(reply, ms, rng, lambda old: np.maximum(old, 0))


def unsigned(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """Signed samples read as unsigned ones: around zero it jumps from one end to the other."""
    return in_a_piece(reply, ms, rng, lambda old: _floats(_ints(old) ^ np.int16(-32_768)) * np.float32(0.5))


def polarity(reply: Sound, share: float, rng: np.random.Generator, material: Material) -> Sound:
    """Upside down: from the middle on, or all of it."""
    out = reply.copy()
    out[round(len(reply) * (1 - share)) :] *= -1
    return out


def polarity_by_packet(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """Each second packet upside down."""

    def flip(old: Sound) -> Sound:
        rows = packets(old, PACKET).copy()
        rows[1::2] *= -1
        return rows.reshape(-1)

    return in_a_piece(reply, ms, rng, flip)


def zero_runs(reply: Sound, size: float, rng: np.random.Generator, material: Material) -> Sound:
    """Runs of so many zero samples, 25 in a second."""
    out = reply.copy()
    for at in rng.integers(0, len(reply) - 100, max(1, round(25 * len(reply) / 48_000))):
        out[at : at + round(size)] = 0
    return out


def low_byte_stuck(reply: Sound, bits: float, rng: np.random.Generator, material: Material) -> Sound:
    """The sign is lost in the top bits: samples shifted up by so many bits, the top ones dropped."""
    return as_loud(_floats((_ints(reply).astype(np.int32) << round(bits)).astype(np.int16)), reply)


KINDS = (
    Kind("byte_shift", "samples shifted by one byte", "ms", 100, WHOLE_MS, byte_shift, published="always", reason="",
         alike=("noise_burst",)),
    Kind("endian_swap", "the bytes of each sample swapped", "ms", 100, WHOLE_MS, endian_swap, published="always", reason="",
         alike=("noise_burst",)),
    Kind("header_played", "text played as sound ahead of the reply", "bytes", 1_000, 8_000, header_played,
         heard="severe", published="severe", reason=TOO_LITTLE, length="longer", alike=("noise_burst", "click")),
    Kind("trailer_played", "text played as sound after the reply", "bytes", 2_000, 16_000, trailer_played,
         heard="severe", published="severe", reason=TOO_LITTLE, length="longer", alike=("noise_burst", "click")),
    Kind("text_between", "a message played in the middle of a word", "bytes", 4_000, 24_000, text_between,
         published="severe", reason=TOO_LITTLE, alike=("noise_burst", "click")),
    Kind("mu_law_as_pcm", "mu-law read as 8-bit samples", "ms", 150, WHOLE_MS, mu_law_as_pcm, reason=NO_REFERENCE,
         published="severe", alike=("soft_clip", "hard_clip")),
    Kind("mu_law_as_words", "mu-law read as 16-bit samples", "ms", 100, WHOLE_MS, mu_law_as_words, published="always",
         reason="", alike=("noise_burst",)),
    Kind("stereo_as_mono", "two channels read as one", "ms", 200, WHOLE_MS, stereo_as_mono, published="severe",
         reason=NO_REFERENCE, length="longer", alike=("wrong_rate", "speed")),
    Kind("sample_and_hold", "one sample stands for several", "samples", 4, 12, sample_and_hold, heard="severe",
         published="severe", reason=TOO_LITTLE, alike=("low_pass",)),
    Kind("quantised", "too few bits", "bits", 6, 4, quantised, heard="severe", published="severe",
         reason="six bits are a hiss 40 dB down, as of an old telephone", alike=("noise",), never=("clicks",)),
    Kind("wrapped", "what does not fit wraps round", "dB over full scale", 2, 9, wrapped, published="always", reason="",
         alike=("hard_clip", "click")),
    Kind("half_wave", "the negative half of the wave is missing", "ms", 200, WHOLE_MS, half_wave, published="severe",
         reason=NO_REFERENCE, alike=("soft_clip", "hard_clip")),
    Kind("unsigned", "signed samples read as unsigned ones", "ms", 100, WHOLE_MS, unsigned, published="always", reason="",
         alike=("noise_burst", "hard_clip")),
    Kind("polarity", "upside down", "share", 0.5, 1.0, polarity, heard="tolerated", reason=NOT_HEARD,
         never=("clicks", "noise_bursts")),
    Kind("polarity_by_packet", "each second packet upside down", "ms", 200, WHOLE_MS, polarity_by_packet, published="severe",
         reason=NO_REFERENCE, alike=("click",)),
    Kind("zero_runs", "short runs of zeros", "samples", 4, 24, zero_runs, heard="severe", published="severe",
         reason=TOO_LITTLE, alike=("hole", "click")),
    Kind("bits_shifted", "samples shifted up, the top bits dropped", "bits", 2, 4, low_byte_stuck, published="always",
         reason="", alike=("hard_clip", "click")),
)  # fmt: skip
