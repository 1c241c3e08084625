"""Sounds at the ear that the page made itself: a chime when it has joined, a beep when it has heard the user. Pure.

The ear is what the page plays; of what came on remote tracks the page keeps the level (`ear_received.npy`). A sound at the ear
ahead of which nothing came is no agent's. Positions are samples of ear.wav at 48 kHz.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harness.listen.place.onset import Sound

BLOCK_SAMPLES = 4_096  # the longest block of the page's tap
WAY_SAMPLES = 24_000  # 500 ms through a page's own graph or loopback, at most
AUDIBLE = 10 ** (-70 / 20)  # RMS of a block


def page_sounds(sounds: Sequence[Sound], received: npt.NDArray[np.float64]) -> list[Sound]:
    """Those of `sounds` that the page made. `received`: (n, 2), first sample of a block, RMS of what came in it (full scale 1).

    None where nothing audible ever came: such a page has its agent's voice by another way.
    """
    starts, came = received[:, 0], received[:, 1] > AUDIBLE
    if not came.any():
        return []
    own = []
    for sound in sounds:
        ahead = (starts < sound.end) & (starts + BLOCK_SAMPLES > sound.start - WAY_SAMPLES)
        if ahead.any() and not (came & ahead).any():
            own.append(sound)
    return own
