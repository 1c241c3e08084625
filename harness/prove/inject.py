"""The agent's audio hooks that bring a fault: `pre` before the pre-RTC tap, `post` between the tap and the wire.

Loaded by the agent's configuration (EARWITNESS_AUDIO_FILTER_PRE and _POST). A file in the folder EARWITNESS_FAULTS, written
before the room exists, says which room gets which fault; the log of what each reply got lies beside it.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from pydantic import BaseModel, ConfigDict

from harness.model.capture import write_atomic
from harness.model.json_lines import lines_of
from harness.prove.catalogue import BY_ID, Where, Words
from harness.prove.stream import Applied, Effect, Frame, Plain, ReplyStream

FOLDER_VARIABLE = "EARWITNESS_FAULTS"
Filter = Callable[[npt.NDArray[np.int16]], npt.NDArray[np.int16]]


class RoomFaults(BaseModel):
    """One room's faults: `replies[n]` is that of its nth reply (the last one also of all later ones), as id and severity."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: Where
    seed: int
    replies: list[tuple[str, float]]
    user: list[str] = []  # WAV files of the user's words
    other: list[str] = []  # and of somebody else's


class Medley:
    """Another effect for each reply."""

    def __init__(self, effects: list[Effect]) -> None:
        self._effects = effects
        self._now: Effect = Plain()

    def begin(self, reply: int, rng: np.random.Generator) -> None:
        self._now = self._effects[min(reply, len(self._effects) - 1)]
        self._now.begin(reply, rng)

    def sound(self, frame: Frame, t: int) -> Frame:
        return self._now.sound(frame, t)

    def silence(self, since_end: int) -> Frame | None:
        return self._now.silence(since_end)

    def end(self) -> list[Applied]:
        return self._now.end()


def _words(paths: list[str]) -> tuple[Frame, ...]:
    return tuple(soundfile.read(path, dtype="float32")[0] for path in paths)


def _filter(room: str, where: Where) -> Filter:
    folder = Path(os.environ[FOLDER_VARIABLE])
    try:
        faults = RoomFaults.model_validate_json((folder / f"{room}.json").read_bytes())
    except FileNotFoundError:
        return lambda frame: frame
    if faults.where != where:
        return lambda frame: frame
    words = Words(_words(faults.user), _words(faults.other))
    effects = [BY_ID[fault].make(severity, words) for fault, severity in faults.replies]
    log = folder / f"{room}.applied.jsonl"

    def note(applied: Applied) -> None:
        with log.open("a") as file:
            file.write(json.dumps(dataclasses.asdict(applied)) + "\n")

    stream = ReplyStream(Medley(effects) if len(effects) > 1 else effects[0], faults.seed, note)

    def apply(frame: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        out = stream(frame)
        if stream.over:  # logged when it is over, not when the next begins: there may be none
            stream.close()
        return out

    return apply


def pre(rate_hz: int, room: str) -> Filter:
    return _filter(room, "pre")


def post(rate_hz: int, room: str) -> Filter:
    return _filter(room, "post")


def plan_room(folder: Path, room: str, faults: RoomFaults) -> None:
    write_atomic(folder / f"{room}.json", faults.model_dump_json().encode())


def applied_in(folder: Path, room: str) -> list[Applied]:
    """What was done in `room`."""
    path = folder / f"{room}.applied.jsonl"
    return [Applied(**json.loads(line)) for line in lines_of(path.read_text())] if path.exists() else []
