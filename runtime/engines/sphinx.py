"""Speech to text by pocketsphinx: a pool of worker processes, one utterance each at a time, fed while the user
speaks.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.protocols import EngineError, Heard, Int16Array
from runtime.engines.worker import Worker

MODULE = "runtime.engines.sphinx_process"


@dataclass
class SphinxTranscription:
    """See `runtime.engines.protocols.Transcription`."""

    owner: SphinxSpeechToText
    worker: Worker
    _open: bool = True

    def push(self, samples: Int16Array) -> None:
        if self._open:
            self.worker.send({"do": "audio"}, samples.tobytes())

    async def finish(self) -> Heard:
        """Raises EngineError if the worker died; the next utterance gets a fresh one."""
        self._open = False
        with self.owner.metrics.request() as request:
            try:
                self.worker.send({"do": "end"})
                answer, _ = await self.worker.receive()
            except BaseException:
                await self.worker.aclose()  # a cancelled answer would be read by the next utterance
                raise
            finally:
                self.owner.give_back(self.worker)
            request.first()
        return Heard(answer["text"], tuple(answer["phrases"]))

    async def drop(self) -> None:
        """The worker starts its next utterance afresh."""
        if self._open:
            self._open = False
            self.owner.give_back(self.worker)


@dataclass
class SphinxSpeechToText:
    """`at_once` processes at first, more when more users speak at the same time: a new process loads its models first."""

    at_once: int = 1
    metrics: EngineMetrics = field(default_factory=lambda: EngineMetrics("stt"))
    _idle: list[Worker] = field(default_factory=list)
    _all: list[Worker] = field(default_factory=list)

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        await asyncio.gather(*(self._warm_up_one() for _ in range(self.at_once)))

    async def _warm_up_one(self) -> None:
        worker = await self._take()
        worker.send({"do": "ping"})
        await worker.receive()
        self.give_back(worker)

    async def _take(self) -> Worker:
        if self._idle:
            worker = self._idle.pop()
        else:
            worker = Worker(MODULE)
            self._all.append(worker)
        await worker.ensure()
        return worker

    def give_back(self, worker: Worker) -> None:
        self._idle.append(worker)

    async def open(self) -> SphinxTranscription:
        worker = await self._take()
        try:
            worker.send({"do": "start"})
        except EngineError:
            self.give_back(worker)
            raise
        return SphinxTranscription(self, worker)

    async def aclose(self) -> None:
        for worker in self._all:
            await worker.aclose()
