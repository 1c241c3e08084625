"""Sound in the place of the agent's words: a tone, noise, other speech, music, a modem."""

from __future__ import annotations

import numpy as np
from scipy.signal import chirp, lfilter

from benchmarks.changes.kind import NO_REFERENCE, OTHER_WORDS, RATE_HZ, TOO_LITTLE, Kind, Material, Sound
from benchmarks.changes.pieces import as_loud, fitted, in_a_piece, laid, loud_start, samples


def _time(size: int) -> np.ndarray:
    return np.arange(size) / RATE_HZ


def tone(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    return in_a_piece(reply, ms, rng, lambda old: as_loud(np.sin(2 * np.pi * 1_000 * _time(len(old))), old))


def pink_noise(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    def noise(old: Sound) -> Sound:
        white = np.fft.rfft(rng.standard_normal(len(old)))
        return as_loud(np.fft.irfft(white / np.sqrt(np.arange(len(white)) + 1), len(old)), old)

    return in_a_piece(reply, ms, rng, noise)


def _words(words: Sound, reply: Sound, ms: float, rng: np.random.Generator) -> Sound:
    size = min(samples(ms), len(reply))
    words = fitted(words, max(size, len(words)))
    at = loud_start(words, size, rng)
    return in_a_piece(reply, ms, rng, lambda old: as_loud(words[at : at + size], old))


def other_reply(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    return _words(material.other, reply, ms, rng)


def users_voice(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    return _words(material.user, reply, ms, rng)


def earlier_words(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """What was said in the first half, again in the place of words of the second half."""
    size = min(samples(ms), len(reply) // 3)
    come_from = loud_start(reply, size, rng, first=0.0, last=0.5)
    return laid(reply, loud_start(reply, size, rng, first=0.55, last=0.98), reply[come_from : come_from + size])


def chord(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    def music(old: Sound) -> Sound:
        t = _time(len(old))
        notes = [np.sin(2 * np.pi * hz * k * t) / k for hz in (261.63, 329.63, 392.0) for k in (1, 2, 3, 4)]
        return as_loud(np.sum(notes, axis=0) * np.exp(-2 * (t % 0.5)), old)

    return in_a_piece(reply, ms, rng, music)


def modem(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    def shrill(old: Sound) -> Sound:
        t = _time(len(old))
        bits = np.repeat(rng.integers(0, 2, len(old) // 160 + 1), 160)[: len(old)]
        shift_keyed = np.sin(2 * np.pi * np.cumsum(1_200 + 1_000 * bits) / RATE_HZ)
        return as_loud(shift_keyed + chirp(t, 800, max(t[-1], 1e-3), 3_000), old)

    return in_a_piece(reply, ms, rng, shrill)


def whispered(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """The voice's spectrum from moment to moment, excited by noise instead of a voice."""

    def whisper(old: Sound) -> Sound:
        size, hop = 960, 240
        window = np.hanning(size)
        padded = np.pad(old.astype(np.float64), (size, size))
        out = np.zeros_like(padded)
        for at in range(0, len(padded) - size, hop):
            power = np.abs(np.fft.rfft(padded[at : at + size] * window))
            smooth = np.convolve(power, np.hanning(15) / np.hanning(15).sum(), mode="same")
            phase = np.exp(2j * np.pi * rng.random(len(power)))
            out[at : at + size] += np.fft.irfft(smooth * phase, size) * window
        return as_loud(out[size : size + len(old)], old)

    return in_a_piece(reply, ms, rng, whisper)


def buzz(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """The last 10 ms again and again: a buffer that nobody fills."""
    return in_a_piece(reply, ms, rng, lambda old: fitted(old[:480], len(old)))


def monotone(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """The envelope of the voice on a dull sawtooth: a voice without words."""

    def drone(old: Sound) -> Sound:
        envelope = np.sqrt(lfilter([0.002], [1, -0.998], np.square(old, dtype=np.float64)))
        return as_loud(envelope * (2 * ((110 * _time(len(old))) % 1) - 1), old)

    return in_a_piece(reply, ms, rng, drone)


KINDS = (
    Kind("tone_instead", "a tone of 1 kHz in the place of words", "ms", 80, 800, tone, published="always", reason=""),
    Kind("pink_noise_instead", "pink noise in the place of words", "ms", 80, 800, pink_noise, published="severe",
         reason=TOO_LITTLE, alike=("noise_burst",)),
    Kind("other_reply_instead", "words of another reply in the place of words", "ms", 120, 1_000, other_reply),
    Kind("users_voice_instead", "the user's voice in the place of words", "ms", 120, 1_000, users_voice,
         alike=("user_echo",)),
    Kind("earlier_words_instead", "earlier words of the same reply in the place of later ones", "ms", 120, 500,
         earlier_words, alike=("repeat",)),
    Kind("chord_instead", "a chord, as of music, in the place of words", "ms", 120, 1_000, chord),
    Kind("modem_instead", "a modem's chirps in the place of words", "ms", 120, 1_000, modem),
    Kind("whispered", "a whisper of the same words: noise in the place of the voice", "ms", 200, 1_500, whispered,
         reason=NO_REFERENCE),
    Kind("looped_buffer", "10 ms that repeat, as of a buffer that nobody fills", "ms", 80, 600, buzz, published="severe",
         reason=TOO_LITTLE, alike=("repeat",)),
    Kind("drone_instead", "the loudness of the words on a dull sawtooth", "ms", 120, 1_000, monotone, reason=OTHER_WORDS),
)  # fmt: skip
