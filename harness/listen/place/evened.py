"""A recording of any gain, brought to where the ears were measured: without a constant offset, and no softer than speech is.

A recorder's gain says nothing of what anybody heard, and the ears' lowest levels are absolute: of words 20 dB below the usual
they lose the soft ends. Sound is 48 kHz mono, full scale ±1.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.listen.read.storage import BLOCK, StoredAudio, is_long, spill
from harness.model.audio import Audio, FloatArray

FRAME = 240  # 5 ms
OFFSET_DBFS = -60.0  # a smaller one does no harm
LOUD_DBFS = -12.0  # the loudest frame of speech at −23 dBFS
SOFT_DBFS = -18.0
SILENT_DBFS = -65.0  # nobody speaks in it


def evened(audio: Audio) -> tuple[Audio, list[str]]:
    """The same recording where nothing had to be done; what was done, in words."""
    if len(audio) < FRAME:
        return audio, []
    offset = float(np.mean(audio.samples, dtype=np.float64))
    said = []
    if abs(offset) < 10 ** (OFFSET_DBFS / 20):
        offset = 0.0
    else:
        said.append(f"its constant offset of {20 * np.log10(abs(offset)):.0f} dBFS was taken out")
    loudest_dbfs, gain = _loudest_dbfs(audio, offset), 1.0
    if SILENT_DBFS <= loudest_dbfs < SOFT_DBFS:
        gain = 10 ** ((LOUD_DBFS - loudest_dbfs) / 20)
        said.append(f"it was heard {LOUD_DBFS - loudest_dbfs:.0f} dB louder than it is")
    if not said:
        return audio, []
    blocks = (((block - offset) * gain).astype(np.float32) for block in _blocks(audio))
    if is_long(len(audio), audio.rate_hz):
        return StoredAudio(spill(blocks, np.float32), audio.rate_hz), said
    return Audio(np.concatenate(list(blocks)), audio.rate_hz), said


def _blocks(audio: Audio) -> Iterator[FloatArray]:
    for first in range(0, len(audio), BLOCK):
        yield np.asarray(audio.samples[first : first + BLOCK], np.float32)


def _loudest_dbfs(audio: Audio, offset: float) -> float:
    power = 0.0
    for block in _blocks(audio):
        frames = (block[: len(block) // FRAME * FRAME].reshape(-1, FRAME) - np.float32(offset)) ** 2
        power = max(power, float(np.max(np.mean(frames, axis=1), initial=0.0)))
    return 10 * np.log10(max(power, 1e-20))
