"""The mel bands that spectra are compared in: 64 from 80 Hz to 12 kHz (Slaney), over frames of `pair.WINDOW` samples."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from harness.listen.place.pair import RATE_HZ, WINDOW, FloatArray

N_MELS = 64
MEL_HZ = (80.0, 12_000.0)
MEL_FLOOR_DB = 60.0  # below the loudest band


@lru_cache(maxsize=1)
def mel_bank() -> FloatArray:
    """Shape (N_MELS, bins of `pair.power_spectrum`)."""
    import librosa  # numba compiles at its import: only where it is used

    bank: FloatArray = librosa.filters.mel(
        sr=RATE_HZ, n_fft=WINDOW, n_mels=N_MELS, fmin=MEL_HZ[0], fmax=MEL_HZ[1], htk=False
    ).astype(np.float64)
    return bank
