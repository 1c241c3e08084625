"""A fault without a call: the agent's published sound goes through the fault and Opus, and is laid into the recordings.

Its place follows the lag measured between pre_rtc and each recording, so the real path's stretches stay
in it. Faults before the tap change pre_rtc as well; faults at the ear change that recording alone. Arrays are float32
at 48 kHz.
"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import soundfile

from harness.listen.place.replies import HeardReply
from harness.listen.place.ring import DECIMATION
from harness.listen.place.scene import Scene
from harness.listen.read.reading import Capture
from harness.model.audio import Audio, FloatArray
from harness.prove.stream import FRAME, RATE_HZ, Applied, Effect, ReplyStream

LEAD_IN = round(0.3 * RATE_HZ)  # a reply's own lag holds from here ahead of it; before, the last one's


def through(samples: FloatArray, effect: Effect, seed: int) -> tuple[FloatArray, list[Applied]]:
    """The whole call's published sound through the fault, frame by frame as live."""
    done: list[Applied] = []
    stream = ReplyStream(effect, seed, done.append)
    whole = np.rint(np.pad(samples, (0, -len(samples) % FRAME)) * 32768.0)
    frames = np.clip(whole, -32768, 32767).astype(np.int16).reshape(-1, FRAME)
    out = np.concatenate([stream(frame) for frame in frames])[: len(samples)]
    stream.close()
    return (out / np.float32(32768.0)).astype(np.float32), done


def through_opus(samples: FloatArray) -> FloatArray:
    """Encoded and decoded by libopus (in libsndfile); length and position stay the same."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", RATE_HZ, 1, format="OGG", subtype="OPUS", compression_level=OPUS_COMPRESSION
    ) as file:
        file.write(samples)
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    out = np.zeros(len(samples), np.float32)
    out[: min(len(out), len(decoded))] = decoded[: len(out)]
    return out


OPUS_COMPRESSION = 0.7  # libsndfile's scale, 0 to 1: the nearest to recordings of real calls


def laid_into(scene: Scene, ring: str, wire: FloatArray) -> FloatArray:
    """The recording `ring` as it would be, had `wire` been published."""
    replies = {announced.seq: announced for announced in scene.announced}
    heard = sorted(
        (h for h in scene.heard[ring] if h.track is not None and h.seq in replies), key=lambda reply: reply.start
    )
    length = len(scene.rings[ring].audio)
    if not heard:
        return scene.rings[ring].audio.samples
    there, here = _anchors(heard, length)
    source = np.rint(np.interp(np.arange(length), there, here)).astype(np.int64)
    inside = (source >= 0) & (source < len(wire))
    return np.where(inside, wire[np.clip(source, 0, len(wire) - 1)], np.float32(0)).astype(np.float32)


def _anchors(heard: list[HeardReply], length: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(positions in the recording, positions in pre_rtc) between which the mapping is linear."""
    there: list[npt.NDArray[np.float64]] = []
    here: list[npt.NDArray[np.float64]] = []
    for index, reply in enumerate(heard):
        assert reply.track is not None
        at = reply.track.at * DECIMATION
        place = np.maximum.accumulate(at + reply.track.lag * DECIMATION)
        first_lag, last_lag = place[0] - at[0], place[-1] - at[-1]
        begins = 0.0 if index == 0 else float(reply.start - LEAD_IN)
        ends = float(length) if index + 1 == len(heard) else float(heard[index + 1].start - LEAD_IN - 1)
        there.append(np.concatenate([[begins], place, [max(ends, place[-1] + 1)]]))
        here.append(np.concatenate([[begins - first_lag], at, [max(ends, place[-1] + 1) - last_lag]]))
    return np.concatenate(there), np.concatenate(here)


def with_fault(scene: Scene, effect: Effect, seed: int, where: str) -> tuple[Capture, list[Applied]]:
    """The capture as it would be with the fault. `where`: pre | post | ear."""
    capture = scene.capture
    published = scene.rings["pre_rtc"].audio.samples
    wire, done = through(published, effect, seed)
    decoded = through_opus(wire)
    audio = dict(capture.audio)
    if where == "pre":
        audio["pre_rtc"] = Audio(wire, RATE_HZ)
    for ring in scene.heard:
        if where != "ear" or ring == "ear":
            audio[ring] = Audio(laid_into(scene, ring, decoded), RATE_HZ)
    return replace(capture, audio=audio), done
