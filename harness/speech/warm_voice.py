"""The caller's voice in a running call: a text becomes samples with their truth, at 48 kHz, while the call goes on.

An async context manager. Lines that were built ahead of the call are at hand, so they cost a measured call no processor; any
other text is made in a thread, one at a time. The voice's process starts with the first of these.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import soundfile

from harness.errors import HarnessError
from harness.model.dialogue import Dialogue
from harness.model.plan import BuiltCase
from harness.speech.build import Spoken, speak_line
from harness.speech.recording import to_int16
from harness.speech.voices import Voices
from harness.speech.word_times import Word

LINE_TIMEOUT_S = 15.0  # a line of 2,000 characters; an ordinary one takes 0.1 s, the first one a second
CLOSING_TIMEOUT_S = 15.0  # for a line that is broken off while the neural voice makes it


@dataclass(frozen=True)
class SpokenLine:
    """int16 samples at 48 kHz, shape (n,); [start, end) is voiced. `made_ms`: how long the voice took."""

    text: str
    samples: npt.NDArray[np.int16]
    voiced: tuple[int, int]
    words: tuple[Word, ...] = ()
    made_ms: float = 0.0


@dataclass
class WarmVoice:
    """The voice of `dialogue`; `path` names its case in an error; `ready`: lines by their text."""

    dialogue: Dialogue
    path: Path
    ready: dict[str, SpokenLine] = field(default_factory=dict)
    _voices: Voices = field(default_factory=Voices)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    _under_way: set[asyncio.Task[Spoken]] = field(default_factory=set)
    _is_closed: bool = False

    async def __aenter__(self) -> WarmVoice:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._is_closed = True
        try:
            await asyncio.to_thread(self._voices.close)  # breaks off the line that may be in the making
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=CLOSING_TIMEOUT_S)
        finally:
            await asyncio.to_thread(self._voices.close)  # it may have asked the voice just then

    async def say(self, text: str) -> SpokenLine:
        """Raises HarnessError, also where the line is not made within LINE_TIMEOUT_S."""
        began_s = time.monotonic()
        line = self.ready[text] if text in self.ready else await self._made(text)
        return replace(line, made_ms=round(1e3 * (time.monotonic() - began_s), 1))

    async def _made(self, text: str) -> SpokenLine:
        making = asyncio.create_task(self._speak(text))
        self._under_way.add(making)
        making.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(LINE_TIMEOUT_S):
                spoken = await asyncio.shield(making)
        except TimeoutError as error:
            raise HarnessError(f"the caller's voice did not make {text[:40]!r} within {LINE_TIMEOUT_S:g} s") from error
        return SpokenLine(text, to_int16(spoken.samples), spoken.voiced, tuple(spoken.words))

    async def _speak(self, text: str) -> Spoken:
        """Not broken off with whoever asked: a thread cannot be, and the voice is this thread's until it ends."""
        async with self._one:
            if self._is_closed:
                raise HarnessError("the call is over")
            return await asyncio.to_thread(speak_line, self.dialogue, text, self.path, self._voices)

    def _ended(self, making: asyncio.Task[Spoken]) -> None:
        self._under_way.discard(making)
        if not making.cancelled():
            making.exception()  # nobody may be left to ask for it


def built_lines(built: BuiltCase) -> dict[str, SpokenLine]:
    """What a built dialogue has, by its text. Raises OSError."""
    samples, _ = soundfile.read(built.wav, dtype="int16")
    lines = {}
    for utterance in built.truth.utterances:
        start, end = utterance.start_sample, utterance.end_sample
        words = tuple(Word(w.text, w.start_sample - start, w.end_sample - start) for w in utterance.words)
        lines[utterance.text] = SpokenLine(utterance.text, samples[start:end], (0, end - start), words)
    return lines
