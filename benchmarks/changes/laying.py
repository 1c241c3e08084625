"""A change laid into a recorded call: at the ear, on the way (post), or in what the agent published (pre).

As the proof's offline form does it: what was published goes through the change and Opus and is laid into the recordings
along the lag that was measured there, so a change in pre travels to post and to the ear. A change at the ear is made behind
the decoder, in that recording alone. Positions are samples at 48 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.changes.kind import PER_MS, RATE_HZ, Kind, Material, Place, Severity, Sound
from harness.listen.place.replies import AnnouncedReply
from harness.listen.place.scene import Scene
from harness.listen.read.reading import Capture
from harness.model.audio import Audio
from harness.model.case import Tier
from harness.model.events import AgentTurnTrace
from harness.prove.offline import laid_into, through_opus

SHORTEST_MS = 700  # a shorter reply has no room for a change and for words beside it
APART = 400 * PER_MS  # silence that must stay before the next reply


@dataclass(frozen=True, eq=False)
class Call:
    """A clean call, with what a change needs. `struck`: replies that can be changed; `tail`: room that was added."""

    scene: Scene
    struck: tuple[AnnouncedReply, ...]
    material: tuple[Material, ...]
    decoded: Sound  # what was published, through Opus


def call_of(capture: Capture, *, room_s: float = 12.0) -> Call:
    """Judged as P0, with silence at its end for a reply to grow into. Raises ValueError if nothing in it can be changed."""
    if capture.case is None or capture.truth is None or "pre_rtc" not in capture.audio:
        raise ValueError(f"{capture.folder}: no case, truth or pre_rtc.wav, so nothing in it can be changed")
    grown = {
        name: audio if name == "said" else Audio(np.pad(audio.samples, (0, round(room_s * RATE_HZ))), RATE_HZ)
        for name, audio in capture.audio.items()
    }
    case = capture.case.model_copy(update={"tier": Tier.P0, "max_reply_ms": 60_000.0})
    scene = Scene(replace(capture, audio=grown, case=case))
    published = scene.rings["pre_rtc"].audio.samples
    long = [a for a in scene.announced if a.pre is not None and _ms(a) >= SHORTEST_MS and _heard(scene, a)]
    if not long:
        raise ValueError(f"{capture.folder}: no reply in it is long enough to be changed")
    said = scene.rings["said"].audio.samples
    user = np.concatenate([said[u.start_sample : u.end_sample] for u in capture.truth.utterances] or [said])
    material = tuple(Material(_another(published, scene.announced, a), user) for a in long)
    return Call(scene, tuple(long), material, through_opus(published))


def _ms(reply: AnnouncedReply) -> float:
    return 0.0 if reply.pre is None else (reply.pre.end - reply.pre.start) / PER_MS


def _heard(scene: Scene, reply: AnnouncedReply) -> bool:
    """It was found by its waveform at every listener, and spoken to its end."""
    whole = reply.cause is None or reply.cause == "completed"
    return whole and all(
        any(h.seq == reply.seq and h.track is not None for h in heard) for heard in scene.heard.values()
    )


def _another(published: Sound, replies: list[AnnouncedReply], own: AnnouncedReply) -> Sound:
    """The longest other reply of the call; without one, this reply from its middle on, then its beginning."""
    others = [r.pre for r in replies if r.pre is not None and r.seq != own.seq]
    if others:
        longest = max(others, key=lambda sound: sound.end - sound.start)
        return published[longest.start : longest.end]
    assert own.pre is not None
    words = published[own.pre.start : own.pre.end]
    return np.roll(words, len(words) // 2)


def places_of(call: Call) -> tuple[Place, ...]:
    return ("pre", "post", "ear") if "ear" in call.scene.rings else ("pre", "post")


def unchanged(call: Call) -> Capture:
    """The same call encoded again and laid in, with no change: the control of the method itself."""
    return _with(call, "post", call.decoded, None, {})


def changed(call: Call, kind: Kind, severity: Severity, place: Place) -> tuple[Capture, tuple[int, ...]]:
    """(the call as it would be, `reply_seq` of the replies that were changed). One that would grow into the next is left out."""
    published = call.scene.rings["pre_rtc"].audio.samples
    source = call.decoded if place == "ear" else published
    out, done, longer = source.copy(), [], {}
    for reply, material in zip(call.struck, call.material, strict=True):
        assert reply.pre is not None
        old = source[reply.pre.start : reply.pre.end]
        seed = f"{call.scene.capture.manifest.trace_id}:{reply.seq}"
        new = kind.apply(old, severity, seed, material)
        if reply.pre.start + len(new) > _room(call, reply) or np.array_equal(new, old):
            continue
        out[reply.pre.start : max(reply.pre.end, reply.pre.start + len(new))] = 0
        out[reply.pre.start : reply.pre.start + len(new)] = new
        done.append(reply.seq)
        longer[reply.seq] = len(new) - len(old)
    wire = out if place == "ear" else through_opus(out)
    return _with(call, place, wire, out if place == "pre" else None, longer), tuple(done)


def _room(call: Call, reply: AnnouncedReply) -> int:
    """Where what follows the reply begins in pre_rtc."""
    assert reply.pre is not None
    later = [r.pre.start - APART for r in call.scene.announced if r.pre is not None and r.pre.start > reply.pre.start]
    return min(later, default=len(call.decoded))


def _with(call: Call, place: Place, wire: Sound, published: Sound | None, longer: dict[int, int]) -> Capture:
    capture = call.scene.capture
    audio = dict(capture.audio)
    if published is not None:
        audio["pre_rtc"] = Audio(published, RATE_HZ)
        capture = replace(capture, traces=tuple(_as_told(trace, longer) for trace in capture.traces))
    for ring in call.scene.heard:
        if place != "ear" or ring == "ear":
            audio[ring] = Audio(laid_into(call.scene, ring, wire), RATE_HZ)
    return replace(capture, audio=audio)


def _as_told(trace: AgentTurnTrace, longer: dict[int, int]) -> AgentTurnTrace:
    """The agent's own record of a reply that it published at another length."""
    more = longer.get(trace.reply_seq if trace.reply_seq is not None else -1, 0)
    if not more or trace.pre_end_sample is None:
        return trace
    end_ms = trace.t.reply_end
    times = trace.t.model_copy(update={"reply_end": None if end_ms is None else end_ms + more / PER_MS})
    return trace.model_copy(update={"pre_end_sample": trace.pre_end_sample + more, "t": times})
