"""How much of a reply's first and last word is missing where it arrives. For one ReplyPair (pre, arrived).

5 ms levels every ms. The head is lost up to the first place at which pre can be heard and the arrived sound is not far
below it; the tail likewise from its end. ms; stretches that are quiet in pre itself do not count.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d

from harness.listen.place.pair import PER_MS, FloatArray, ReplyPair

WINDOW_MS = 5
HEARD_WITHIN_DB = 14.0
AUDIBLE_DBFS = -46.0
BELOW_ACTIVE_DB = 28.0
SLACK_MS = 4
RESTLESS_SLACK_MS = 12
LEAST_MS = 8.0
FADE_SEARCH_MS = 60
FADE_SLACK_MS = 1  # the lag of a reply's head is good to a tenth of that
LEVEL_MS = 200  # from which the arrived sound's own level is taken


def _levels(samples: FloatArray) -> FloatArray:
    n = len(samples) // PER_MS
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples[: n * PER_MS], dtype=np.float64))])
    marks = energy[::PER_MS]
    power = (marks[WINDOW_MS:] - marks[:-WINDOW_MS]) / (WINDOW_MS * PER_MS)
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)))


def lost_edges_ms(pair: ReplyPair) -> tuple[float, float] | None:
    """(head, tail) in ms; None if pre holds nothing that can be heard."""
    published, arrived = _levels(pair.pre.astype(np.float64)), _levels(pair.heard.astype(np.float64))
    audible = published > max(AUDIBLE_DBFS, float(np.percentile(published, 95)) - BELOW_ACTIVE_DB)
    if not audible.any():
        return None
    restless = not (pair.settled[: len(pair.settled) // 4].all() and pair.settled[-len(pair.settled) // 4 :].all())
    slack = RESTLESS_SLACK_MS if restless else SLACK_MS
    near = maximum_filter1d(arrived, 2 * slack + 1)
    heard = audible & (near > published - HEARD_WITHIN_DB)
    if not heard.any():
        return None
    places = np.flatnonzero(audible)
    first, last = places[0], places[-1]
    first_heard, last_heard = np.flatnonzero(heard)[[0, -1]]
    return _lost(first_heard - first, slack), _lost(last - last_heard, slack)


def _lost(found_ms: int, slack: int) -> float:
    """Adds back what the slack hides; up to half of LEAST_MS is 0."""
    return 0.0 if found_ms <= LEAST_MS / 2 else float(found_ms + slack)


def faded_in_ms(published: FloatArray, arrived: FloatArray) -> float:
    """For how long a reply's first sounds, however soft, are not heard where it arrives. Both begin at the reply's first
    audible sample; at least LEVEL_MS of 48 kHz each, else 0. A jitter buffer that shortens the silence before a reply
    fades its first 10 ms in.
    """
    if min(len(published), len(arrived)) < LEVEL_MS * PER_MS:
        return 0.0
    wanted, found = _levels(published[: LEVEL_MS * PER_MS]), _levels(arrived[: LEVEL_MS * PER_MS])
    near = maximum_filter1d(found - float(np.median(found - wanted)), 2 * FADE_SLACK_MS + 1)
    heard = np.flatnonzero(near[:FADE_SEARCH_MS] > wanted[:FADE_SEARCH_MS] - HEARD_WITHIN_DB)
    return _lost(int(heard[0]), FADE_SLACK_MS) if len(heard) else 0.0
