"""A bed: noise or music that sounds without a pause while the agent is there, whether it speaks or not.

It is measured where it sounds alone, in the quietest second and blocks as quiet: `level_dbfs` is the RMS there,
`floor_dbfs` the 10th percentile of the 5 ms levels, `top_dbfs` the 99th. Sound above the top is speech. The whole
recording's percentile (onset.py) would not do: before the agent joins there is digital silence.
Levels come as 5 ms RMS every quarter of a millisecond (`level_db`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.listen.place.onset import AUDIBLE_DBFS, HOP_MS, LOWEST_FLOOR_DBFS, FloatLevels, Threshold, runs

BLOCK_MS = 200.0  # a gap this long is a pause: no bed sounds there
SECOND_BLOCKS = 5
AT_ONCE = 1_000  # blocks, to bound the memory
LONGEST_BREAK_BLOCKS = 2  # a packet or two lost, or a loop that begins again
MIN_BED_MS = 3_000.0
MIN_SHARE = 0.8  # of the time from its first sound to the end of the recording
HIGHEST_DBFS = -27.0  # a sound constantly louder than this is no background: it talks without end
AS_QUIET_DB = 3.0
STANDS_OUT_DB = 8.0  # of a voice above its bed; below it, a spread above MOST_SPREAD_DB is a voice alone
MOST_SPREAD_DB = 18.0  # 5 ms levels, 10th to 99th percentile: noise 5, music 10 to 15, a voice more than 20
FLOOR_PERCENTILE, TOP_PERCENTILE = 10.0, 99.0
# measured against the voice's waveform, in calls: 0 to 23 ms over noise and music of −45 to −42 dBFS, 44 ms over music of −35;
# with synthetic speech of −23 dBFS 0 to 8 ms from −45 to −38 dBFS, 7 to 39 ms at −32
AUDIBLE_BED_ERROR_MS, LOUD_BED_ERROR_MS, LOUD_BED_DBFS = 25.0, 50.0, -40.0
ABOVE_TOP_DB, WALK_ABOVE_TOP_DB = 4.0, 1.0


@dataclass(frozen=True)
class Bed:
    """Levels in dBFS."""

    level_dbfs: float
    floor_dbfs: float
    top_dbfs: float

    @property
    def threshold(self) -> Threshold:
        """Levels above which sound is speech, and down to which it is followed."""
        return Threshold(max(self.top_dbfs + ABOVE_TOP_DB, AUDIBLE_DBFS), self.top_dbfs + WALK_ABOVE_TOP_DB)


def onset_error_ms(bed: Bed | None) -> float:
    """How late a soft onset that drowns in the bed may be detected."""
    if bed is None or bed.level_dbfs <= AUDIBLE_DBFS:
        return 0.0
    return AUDIBLE_BED_ERROR_MS if bed.level_dbfs <= LOUD_BED_DBFS else LOUD_BED_ERROR_MS


def find_bed(levels: FloatLevels) -> Bed | None:
    """None where the agent's side is silent between its sounds, or is one sound from beginning to end."""
    per_block = round(BLOCK_MS / HOP_MS)
    count = len(levels) // per_block
    if count * BLOCK_MS < MIN_BED_MS:
        return None
    blocks = levels[: count * per_block].reshape(count, per_block)
    loud = np.concatenate([_rms_db(blocks[at : at + AT_ONCE]) for at in range(0, count, AT_ONCE)])
    sounding = loud > LOWEST_FLOOR_DBFS
    if not sounding.any():
        return None
    first = int(np.argmax(sounding))
    lasting = np.zeros(count, bool)
    for begin, end in _stretches(sounding):
        if (end - begin + 1) * BLOCK_MS >= MIN_BED_MS:
            lasting[begin : end + 1] = True
    if lasting.sum() < MIN_SHARE * (count - first):
        return None
    alone = _alone(np.where(lasting & sounding, loud, np.inf))
    if not alone.any():
        return None
    level = float(_rms_db(loud[alone][np.newaxis])[0])
    floor, top = (float(value) for value in np.percentile(blocks[alone], [FLOOR_PERCENTILE, TOP_PERCENTILE]))
    one_voice = loud.max() - level < STANDS_OUT_DB and top - floor > MOST_SPREAD_DB
    return None if one_voice or level > HIGHEST_DBFS else Bed(level, floor, top)


def _rms_db(levels: FloatLevels) -> FloatLevels:
    """dBFS of each row."""
    return np.asarray(10 * np.log10(np.mean(10 ** (levels / 10), axis=1)))


def _stretches(sounding: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """(first, last) block of each sounding stretch, short breaks included."""
    joined: list[tuple[int, int]] = []
    for first, last in runs(sounding):
        if joined and first - joined[-1][1] - 1 <= LONGEST_BREAK_BLOCKS:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _alone(loud: FloatLevels) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """The blocks of the quietest second and of seconds about as quiet. `loud`: dBFS of each block, inf: not to be used."""
    alone = np.zeros(len(loud), bool)
    loudest = np.lib.stride_tricks.sliding_window_view(loud, SECOND_BLOCKS).max(axis=1)
    if np.isfinite(loudest).any():
        for at in np.flatnonzero(loudest <= loudest.min() + AS_QUIET_DB):
            alone[at : at + SECOND_BLOCKS] = True
    return alone
