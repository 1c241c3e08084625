"""A voice that arrived in the page and was not played: the page's fault, never a reply that the agent owes.

Levels are RMS of full scale over one block of the tap (85 ms). A track that nothing plays is not even decoded by Chromium
and has no level; there the page's own statistics show that speech came (js/peers.js).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.browser.page import PageSession
from harness.browser.records import AudioBlock
from harness.errors import AttemptError
from harness.live.hearing import THRESHOLD_DBFS
from harness.model.status import CaptureStatus

AUDIBLE = 10 ** (THRESHOLD_DBFS / 20)
ENCRYPTED = (
    "no reply was heard, and the page changes its microphone's packets before it sends them (end-to-end encryption): an "
    "agent without the key hears nothing of the user"
)
VOICE_BLOCKS = 4  # a third of a second; less is a click, or the end of the user's own voice on a loopback


async def unplayed(session: PageSession, blocks: Sequence[AudioBlock], after: int) -> AttemptError | None:
    """PAGE_ERROR if a voice came after sample `after` and was not played, with the known reasons, or if the agent could not
    have understood the user; else None.
    """
    try:
        found = await session.unplayed()
    except AttemptError:
        return None  # a page that does not answer is reported elsewhere
    if not (arrived_unheard(blocks, after) or found.undecoded):
        return AttemptError(CaptureStatus.PAGE_ERROR, ENCRYPTED) if found.encrypts else None
    why = f" ({'; '.join(found.reasons)})" if found.reasons else ""
    return AttemptError(CaptureStatus.PAGE_ERROR, f"the agent's voice arrived and the page does not play it{why}")


def arrived_unheard(blocks: Sequence[AudioBlock], after: int) -> bool:
    """Whether something audible came on a remote track while the ear was silent."""
    late = [block for block in blocks if block.end_frame > after and block.arrived > AUDIBLE]
    return sum(rms(block.ear) < AUDIBLE for block in late) >= VOICE_BLOCKS


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
