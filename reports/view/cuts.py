"""Cuts for a report that is one file: a stretch of a recording as sound and as a picture, each as a data URI.

Sound is FLAC, 16 bit at 48 kHz: lossless, so that a click stays a click and a second stays a second, at less than half of
WAV's size (30 against 64 kB a second for 24 kHz, 128 for 48 kHz, base64 included); MP3 (13) smears a click and pads its
ends. Chromium plays it (tests/reports); by their vendors, Firefox does from 51 and Safari from 11. The picture is a
spectrogram without axes: the page draws time and marks over it, at whatever width it is shown.
"""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
import soundfile
from matplotlib import colormaps
from PIL import Image

from reports.view.axis import RATE_HZ, Row

FFT_SAMPLES = 1024
COLUMNS = 800
TOP_HZ = 12_000
ROWS = 128
QUIETEST_DB, LOUDEST_DB = -130.0, -40.0  # power density, re full scale
SHADES = 48  # of 256: the eye tells no more in noise, and the file is half as large


def sound_uri(row: Row, start_s: float, end_s: float) -> str:
    """That stretch of `row` as sound."""
    file = io.BytesIO()
    soundfile.write(file, row.window(start_s, end_s), RATE_HZ, format="FLAC", subtype="PCM_16")
    return _data_uri("audio/flac", file.getvalue())


def both_uri(left: Row, right: Row, start_s: float, end_s: float) -> str:
    """The same stretch of two rows as one sound, each on its side."""
    file = io.BytesIO()
    both = np.stack([left.window(start_s, end_s), right.window(start_s, end_s)], axis=1)
    soundfile.write(file, both, RATE_HZ, format="FLAC", subtype="PCM_16")
    return _data_uri("audio/flac", file.getvalue())


def picture_uri(row: Row, start_s: float, end_s: float) -> str:
    """Its spectrogram, 0 to 12 kHz, the lowest at the bottom. Its left edge is `start_s`, its right edge `end_s`."""
    shades = _shades(_power_db(row, start_s, end_s))
    image = Image.fromarray(shades, mode="P")
    palette = np.round(255 * colormaps["magma"](np.linspace(0, 1, SHADES))[:, :3]).astype(np.uint8)
    image.putpalette(palette.tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return _data_uri("image/png", file.getvalue())


def _power_db(row: Row, start_s: float, end_s: float) -> npt.NDArray[np.float64]:
    """Shape (frequencies, columns). Each column's window is centred on the time that the column covers."""
    half_s = FFT_SAMPLES / 2 / RATE_HZ
    sound = row.window(start_s - half_s, end_s + half_s)
    n_samples = len(sound) - FFT_SAMPLES
    columns = min(COLUMNS, max(1, n_samples))
    first = ((np.arange(columns) + 0.5) * n_samples / columns).astype(int)
    taper = np.hanning(FFT_SAMPLES)
    frames = np.lib.stride_tricks.sliding_window_view(sound, FFT_SAMPLES)[first] * taper
    density = 2 * np.abs(np.fft.rfft(frames, axis=1)) ** 2 / (RATE_HZ * np.sum(taper**2))
    return 10 * np.log10(np.maximum(density.T, 1e-20))


def _shades(power_db: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """One row a band of equal width up to TOP_HZ, its strongest bin, so that what is loud in a band is seen."""
    bins = int(len(power_db) * TOP_HZ / (RATE_HZ / 2))
    edges = np.linspace(0, bins, ROWS + 1).astype(int)[:-1]
    bands = np.maximum.reduceat(power_db[:bins], edges, axis=0)
    scaled = (bands - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB) * (SHADES - 1)
    return np.ascontiguousarray(np.clip(np.round(scaled[::-1]), 0, SHADES - 1).astype(np.uint8))


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
