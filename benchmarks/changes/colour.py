"""The sound of the voice changed: bands, frequencies, formants, rooms, what a bad converter adds."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, fftconvolve, hilbert, sosfiltfilt

from benchmarks.changes.kind import NO_REFERENCE, RATE_HZ, TOO_LITTLE, Kind, Material, Sound
from benchmarks.changes.pieces import as_loud, in_a_piece, rms, samples


def _band(low_hz: float, high_hz: float, sound: Sound) -> np.ndarray:
    sos = butter(4, (low_hz, high_hz), btype="band", fs=RATE_HZ, output="sos")
    return np.asarray(sosfiltfilt(sos, sound.astype(np.float64), padlen=min(len(sound) - 1, 500)))


def octave_missing(reply: Sound, drop_db: float, rng: np.random.Generator, material: Material) -> Sound:
    """1 to 2 kHz are weaker by so much."""
    return np.asarray(reply - (1 - 10 ** (-drop_db / 20)) * _band(1_000, 2_000, reply), np.float32)


def octave_missing_for_long(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """2 to 4 kHz are gone for so long."""
    return in_a_piece(reply, ms, rng, lambda old: old - _band(2_000, 4_000, old))


def bass_missing(reply: Sound, cutoff_hz: float, rng: np.random.Generator, material: Material) -> Sound:
    sos = butter(6, cutoff_hz, btype="high", fs=RATE_HZ, output="sos")
    return np.asarray(sosfiltfilt(sos, reply.astype(np.float64)), np.float32)


def telephone_band(reply: Sound, top_hz: float, rng: np.random.Generator, material: Material) -> Sound:
    return np.asarray(_band(300, top_hz, reply), np.float32)


def frequencies_moved(reply: Sound, shift_hz: float, rng: np.random.Generator, material: Material) -> Sound:
    """All frequencies higher by so many Hz: a single sideband, harmonics no longer harmonic."""
    analytic = hilbert(reply.astype(np.float64))
    return np.asarray(np.real(analytic * np.exp(2j * np.pi * shift_hz * np.arange(len(reply)) / RATE_HZ)), np.float32)


def ring_modulated(reply: Sound, carrier_hz: float, rng: np.random.Generator, material: Material) -> Sound:
    return np.asarray(1.4 * reply * np.sin(2 * np.pi * carrier_hz * np.arange(len(reply)) / RATE_HZ), np.float32)


def spectrum_mirrored(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """0 to 8 kHz upside down, for so long."""

    def mirror(old: Sound) -> Sound:
        spectrum = np.fft.rfft(old)
        top = round(8_000 * len(old) / RATE_HZ)
        spectrum[:top] = spectrum[:top][::-1].copy()
        return as_loud(np.fft.irfft(spectrum, len(old)), old)

    return in_a_piece(reply, ms, rng, mirror)


def formants_moved(reply: Sound, percent: float, rng: np.random.Generator, material: Material) -> Sound:
    """The envelope of the spectrum is stretched by so much; pitch and time stay."""
    size, hop = 1_536, 384
    window = np.sqrt(np.hanning(size + 1)[:-1])
    padded = np.pad(reply.astype(np.float64), (size, size))
    out = np.zeros_like(padded)
    bins = np.arange(size // 2 + 1)
    smooth = np.hanning(25) / np.hanning(25).sum()
    for at in range(0, len(padded) - size, hop):
        spectrum = np.fft.rfft(padded[at : at + size] * window)
        envelope = np.convolve(np.abs(spectrum), smooth, mode="same") + 1e-9
        warped = np.interp(bins / (1 + percent / 100), bins, envelope)
        out[at : at + size] += np.fft.irfft(spectrum * warped / envelope, size) * window
    return as_loud(out[size : size + len(reply)], reply)


def comb(reply: Sound, gain: float, rng: np.random.Generator, material: Material) -> Sound:
    delay = samples(2)
    return np.asarray((reply + gain * np.pad(reply, (delay, 0))[: len(reply)]) / (1 + gain / 2), np.float32)


def reverberation(reply: Sound, decay_s: float, rng: np.random.Generator, material: Material) -> Sound:
    """A room's echo that falls by 60 dB in so many seconds, 6 dB below the voice."""
    n = np.arange(round(decay_s * RATE_HZ))
    room = rng.standard_normal(len(n)) * 10 ** (-3 * n / len(n))
    return np.asarray(reply + 0.5 * as_loud(fftconvolve(reply, room)[: len(reply)], reply), np.float32)


def own_echo(reply: Sound, level_db: float, rng: np.random.Generator, material: Material) -> Sound:
    """The voice itself again, 180 ms later."""
    delay = samples(180)
    return np.asarray(reply + 10 ** (level_db / 20) * np.pad(reply, (delay, 0))[: len(reply)], np.float32)


def aliased(reply: Sound, factor: float, rng: np.random.Generator, material: Material) -> Sound:
    """Each so-manieth sample, and straight lines between them: no filter before, no filter after."""
    at = np.arange(0, len(reply), round(factor))
    return np.interp(np.arange(len(reply)), at, reply[at]).astype(np.float32)


def spectral_gate(reply: Sound, below_db: float, rng: np.random.Generator, material: Material) -> Sound:
    """A noise suppressor that takes the voice too: what is so far below the strongest line of a moment is gone."""
    size, hop = 960, 240
    window = np.sqrt(np.hanning(size + 1)[:-1])
    padded = np.pad(reply.astype(np.float64), (size, size))
    out = np.zeros_like(padded)
    for at in range(0, len(padded) - size, hop):
        spectrum = np.fft.rfft(padded[at : at + size] * window)
        kept = np.abs(spectrum) > np.abs(spectrum).max() * 10 ** (-below_db / 20)
        out[at : at + size] += np.fft.irfft(spectrum * kept, size) * window / 2
    return np.asarray(out[size : size + len(reply)], np.float32)


def pre_emphasised(reply: Sound, coefficient: float, rng: np.random.Generator, material: Material) -> Sound:
    """The difference of neighbouring samples: a filter's first half without its second."""
    out = reply - np.float32(coefficient) * np.pad(reply, (1, 0))[: len(reply)]
    return np.asarray(out * min(1.0, 3 * rms(reply) / rms(out)), np.float32)


KINDS = (
    Kind("octave_missing", "1 to 2 kHz are weaker", "dB", 12, 40, octave_missing, reason=NO_REFERENCE,
         alike=("low_pass",)),
    Kind("octave_missing_for_long", "2 to 4 kHz are gone for so long", "ms", 250, 1_000, octave_missing_for_long,
         reason=NO_REFERENCE, alike=("low_pass",)),
    Kind("bass_missing", "nothing below so many Hz", "Hz", 500, 1_000, bass_missing, reason=NO_REFERENCE),
    Kind("telephone_band", "300 Hz to so many alone", "Hz", 3_800, 3_000, telephone_band, heard="tolerated",
         reason="a gateway does so by design; it may be named, but never as a click or a burst", alike=("low_pass",),
         never=("clicks", "noise_bursts")),
    Kind("frequencies_moved", "all frequencies so much higher", "Hz", 40, 200, frequencies_moved, reason=NO_REFERENCE,
         alike=("pitch",)),
    Kind("ring_modulated", "a ring modulator", "Hz", 35, 220, ring_modulated, reason=NO_REFERENCE),
    Kind("spectrum_mirrored", "0 to 8 kHz upside down", "ms", 150, 1_000, spectrum_mirrored, reason=NO_REFERENCE),
    Kind("formants_moved", "a smaller throat at the same pitch", "%", 15, 35, formants_moved, reason=NO_REFERENCE),
    Kind("comb", "a comb filter of 2 ms", "gain", 0.4, 0.9, comb, heard="tolerated",
         reason="a reflection from a table does so; it colours the voice and loses no word", never=("clicks", "noise_bursts")),
    Kind("reverberation", "a room", "s", 0.2, 0.8, reverberation, heard="tolerated",
         reason="a room's echo loses no word; it may be named, but never as a click or a burst",
         never=("clicks", "noise_bursts")),
    Kind("own_echo", "the voice again 180 ms later", "dB", -20, -6, own_echo, heard="severe", reason=TOO_LITTLE,
         alike=("repeat",), never=("clicks", "noise_bursts")),
    Kind("aliased", "each so-manieth sample and lines between", "samples", 4, 8, aliased, reason=NO_REFERENCE,
         alike=("low_pass",)),
    Kind("spectral_gate", "what is so far below a moment's strongest line is gone", "dB", 30, 15, spectral_gate,
         heard="severe", reason=TOO_LITTLE, alike=("low_pass",)),
    Kind("pre_emphasised", "a filter's first half without its second", "", 0.7, 0.97, pre_emphasised, reason=NO_REFERENCE),
)  # fmt: skip
