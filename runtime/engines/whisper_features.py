"""What Whisper hears: the log-mel spectrogram of 16 kHz sound, 80 bands (of the largest models 128) every 10 ms. Pure.

As in openai-whisper's `audio.py` (Hann window of 400, hop 160, reflected edges, Slaney's mel scale, 8 dB × 10 below the maximum
cut off, (x + 4) / 4).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
WINDOW = 400
HOP = 160
BANDS = 80
FLOOR = 1e-10
RANGE = 8.0  # in powers of ten

Float32Array = npt.NDArray[np.float32]


def log_mel(samples: Float32Array, bands: int = BANDS) -> Float32Array:
    """Shape (bands, n_samples // HOP); `samples` within ±1, longer than half a window."""
    padded = np.pad(samples, WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][: len(samples) // HOP]
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames * window, axis=1)).astype(np.float32))
    mel = np.log10(np.maximum(mel_bands(bands) @ power.T, FLOOR))
    return ((np.maximum(mel, mel.max() - RANGE) + 4.0) / 4.0).astype(np.float32)


@cache
def mel_bands(bands: int = BANDS) -> Float32Array:
    """Triangles of equal area over Slaney's scale (linear to 1 kHz, then logarithmic); shape (bands, WINDOW // 2 + 1)."""
    edges_hz = _hz(np.linspace(0.0, _mel(RATE_HZ / 2), bands + 2))
    bins_hz = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ)
    rising = (bins_hz[None, :] - edges_hz[:-2, None]) / (edges_hz[1:-1] - edges_hz[:-2])[:, None]
    falling = (edges_hz[2:, None] - bins_hz[None, :]) / (edges_hz[2:] - edges_hz[1:-1])[:, None]
    area = 2.0 / (edges_hz[2:] - edges_hz[:-2])
    return (np.maximum(0.0, np.minimum(rising, falling)) * area[:, None]).astype(np.float32)


LINEAR_TO_HZ = 1_000.0
MEL_HZ = 200.0 / 3.0
LOG_STEP = np.log(6.4) / 27.0


def _mel(hz: float) -> float:
    linear = LINEAR_TO_HZ / MEL_HZ
    return hz / MEL_HZ if hz < LINEAR_TO_HZ else float(linear + np.log(hz / LINEAR_TO_HZ) / LOG_STEP)


def _hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    linear = LINEAR_TO_HZ / MEL_HZ
    return np.where(mel < linear, mel * MEL_HZ, LINEAR_TO_HZ * np.exp(LOG_STEP * (mel - linear)))
