"""Refine a capture's status by what its recordings hold (H-61 to H-66).

Only OK is refined: any other status of the live half stands. Only an agent that is declared to write pre_rtc.wav gets
PRE_MISSING or PRE_SILENT.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.listen.metrics.level import AUDIBLE_RMS, active_rms
from harness.listen.place.replies import SAMPLES_PER_MS, AnnouncedReply, HeardReply
from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard
from harness.model.events import ReplyCause
from harness.model.status import CaptureStatus


def refine_status(scene: Scene, turns: Sequence[TurnHeard]) -> tuple[CaptureStatus, str]:
    """(status, detail); the manifest's own where there is nothing to refine."""
    manifest = scene.capture.manifest
    if manifest.status != CaptureStatus.OK:
        return manifest.status, manifest.detail
    found = _post(scene) or _pre(scene) or _silent_reply(scene, turns)
    if found is None:
        return manifest.status, manifest.detail
    return found[0], "; ".join(filter(None, [found[1], manifest.detail]))


def _post(scene: Scene) -> tuple[CaptureStatus, str] | None:
    if "post_rtc" in scene.rings or scene.capture.manifest.second_listener == "none":
        return None
    return CaptureStatus.POST_MISSING, scene.capture.why_missing("post_rtc")


def _pre(scene: Scene) -> tuple[CaptureStatus, str] | None:
    if not scene.capture.manifest.agent.instrumented or not scene.expect_reply:
        return None
    pre = scene.rings.get("pre_rtc")
    if pre is None:
        return CaptureStatus.PRE_MISSING, scene.capture.why_missing("pre_rtc")
    if not any(_pre_audible(scene, reply) for reply in scene.announced):
        return CaptureStatus.PRE_SILENT, f"pre_rtc.wav holds no reply above RMS {AUDIBLE_RMS}"
    return None


def _pre_audible(scene: Scene, reply: AnnouncedReply) -> bool:
    pre = scene.rings.get("pre_rtc")
    if pre is None or reply.pre is None:
        return False
    part = pre.audio.slice_ms(reply.pre.start / SAMPLES_PER_MS, reply.pre.end / SAMPLES_PER_MS)
    return active_rms(part) >= AUDIBLE_RMS


def _silent_reply(scene: Scene, turns: Sequence[TurnHeard]) -> tuple[CaptureStatus, str] | None:
    post = scene.rings.get("post_rtc")
    if post is None:
        return None
    for turn in turns:
        announced = turn.announced
        if announced is None or announced.cause == ReplyCause.INTERRUPTED or not _pre_audible(scene, announced):
            continue
        heard = turn.heard.get("post_rtc")
        if heard is None or heard_rms(scene, "post_rtc", heard) < AUDIBLE_RMS:
            elsewhere = [h for h in scene.heard["post_rtc"] if h.seq is None and not h.aligned]
            if heard is None and elsewhere:
                at_ms = elsewhere[0].start / SAMPLES_PER_MS
                return CaptureStatus.SLICE_ERROR, (
                    f"reply {turn.reply_seq} is not found in post_rtc.wav, though something sounds at {at_ms:.0f} ms"
                )
            return (
                CaptureStatus.POST_SILENT,
                f"reply {turn.reply_seq} has sound in pre_rtc.wav and none in post_rtc.wav",
            )
    return None


def heard_rms(scene: Scene, ring: str, heard: HeardReply) -> float:
    part = scene.rings[ring].audio.slice_ms(heard.start / SAMPLES_PER_MS, heard.end / SAMPLES_PER_MS)
    return active_rms(part)
