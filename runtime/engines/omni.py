"""An omni model (R-01): the user's sound goes to one endpoint, which answers with the reply's text. No transcript in between.

It has the same protocols: the speech-to-text of an omni model only keeps the sound (`SoundOnly`), its language model is
`ChatModel` with `audio_in`. The slow lane can make a transcript.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.openai_transcription import Utterance
from runtime.engines.protocols import Heard, Int16Array


class SoundOnly:
    """See `runtime.engines.protocols.SpeechToText`: it keeps the sound only."""

    def __init__(self) -> None:
        self.metrics = EngineMetrics("stt")

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        return

    async def aclose(self) -> None:
        return

    async def open(self) -> KeptSound:
        return KeptSound(self.metrics)


@dataclass
class KeptSound:
    """See `runtime.engines.protocols.Transcription`."""

    metrics: EngineMetrics
    _utterance: Utterance = field(default_factory=Utterance)

    def push(self, samples: Int16Array) -> None:
        self._utterance.push(samples)

    async def finish(self) -> Heard:
        with self.metrics.request():
            return Heard("", audio=self._utterance.samples())

    async def drop(self) -> None:
        self._utterance = Utterance()
