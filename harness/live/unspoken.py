"""A voice that never left the page: the page's fault, never a reply that the agent owes. Levels are dBFS of one frame."""

from __future__ import annotations

from bots.probe_bot import USER, Probe
from harness.errors import AttemptError
from harness.live.hearing import THRESHOLD_DBFS
from harness.live.user import User
from harness.model.status import CaptureStatus

EARLY_MS = 1_000.0  # the user's clock is read from what is heard, which is up to so long behind
WHY = "is its microphone published, and not muted?"


def unspoken(probe: Probe | None, user: User, since_ms: float) -> AttemptError | None:
    """PAGE_ERROR if there is a second listener, and nothing that is to be heard came to it from the user since the last words
    began, at `since_ms` of the host's monotonic clock: a page may mute its microphone between two turns.
    """
    if user.mic == "bot" or probe is None:
        return None
    spoken = [take for take in probe.takes if take.who == USER]
    frames = (frame for take in spoken for frame in zip(take.arrivals_ms, take.levels_dbfs, strict=True))
    if any(level > THRESHOLD_DBFS and arrived_ms >= since_ms - EARLY_MS for arrived_ms, level in frames):
        return None
    detail = f"the user spoke, and nothing of it left the page: the second listener heard nothing of it ({WHY})"
    return AttemptError(CaptureStatus.PAGE_ERROR, detail)


def no_microphone(user: User, timeout_s: float) -> AttemptError:
    """No frame of the user's audio came to the second listener within the limit."""
    if user.mic == "bot":
        detail = f"the user's microphone was not heard within {timeout_s:.0f} s"
        return AttemptError(CaptureStatus.BARRIER_TIMEOUT, detail)
    detail = f"no sound of the page's microphone came into the room within {timeout_s:.0f} s ({WHY})"
    return AttemptError(CaptureStatus.PAGE_ERROR, detail)
