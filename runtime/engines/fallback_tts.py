"""A TTS with another in reserve (R-96): switched at a late first chunk, an error, or a real-time factor above 1 twice.

The voice never changes inside a sentence. The reserve repeats a sentence that the first voice had begun (nothing is lost, and
no sentence has two voices), and then speaks the rest of the reply. A reply with the reserve in it is DEGRADED. Sentences come
in segments (see runtime.call.bridge), so the turn's scope keeps which voice is speaking.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np

from runtime.audio.resampler import StreamingResampler
from runtime.call.bridge import ends_sentence
from runtime.engines.fallback import WithReserve
from runtime.engines.first_in_time import first_in_time
from runtime.engines.protocols import EngineError, Int16Array, TextToSpeech
from runtime.engines.turn_scope import current_turn

SLOW_IN_A_ROW = 2
PAUSE_MS = 150.0  # between the interrupted voice and the one that repeats the sentence


@dataclass
class _Reply:
    """One reply's voice: who speaks, and how much of its sentence the first voice has spoken."""

    on_reserve: bool = False
    begun: str = ""


@dataclass
class FallbackTextToSpeech(WithReserve[TextToSpeech]):
    """See `runtime.engines.protocols.TextToSpeech`. The reserve too speaks at the first choice's rate."""

    switch_after_ms: float = 800.0
    rate_hz: int = field(init=False)
    _slow_in_a_row: int = 0

    def __post_init__(self) -> None:
        self.rate_hz = self.first.rate_hz

    async def speak(self, text: str) -> AsyncGenerator[Int16Array]:
        """Raises EngineError if both failed."""
        turn = current_turn()
        reply: _Reply = turn.states.setdefault(id(self), _Reply())
        if not reply.on_reserve and not reply.begun and not self.breaker.allows():
            reply.on_reserve = True
            turn.note(f"tts: resting ({self.breaker.why}); the reserve spoke")
        heard = False
        if not reply.on_reserve:
            try:
                async with aclosing(self._by_first(text)) as chunks:
                    async for chunk in chunks:
                        heard = heard or len(chunk) > 0
                        yield chunk
                reply.begun = "" if ends_sentence(text) else reply.begun + text
                return
            except EngineError as error:
                self.breaker.failed(f"{error}")
                again = " from the sentence's beginning" if heard or reply.begun else ""
                turn.note(f"tts: {error}; the reserve spoke{again}")
                reply.on_reserve = True
                heard = heard or bool(reply.begun)
                text, reply.begun = reply.begun + text, ""
            except (asyncio.CancelledError, GeneratorExit):
                self.breaker.given_up()
                raise
        if heard:
            yield np.zeros(int(PAUSE_MS * self.rate_hz / 1e3), np.int16)
        async with aclosing(self._by_reserve(text)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _by_first(self, text: str) -> AsyncGenerator[Int16Array]:
        """The first voice's audio; its real-time factor is measured."""
        waited_s, n_samples = 0.0, 0
        async with aclosing(first_in_time(self.first.speak(text), "tts", self.switch_after_ms)) as spoken:
            asked_s = time.monotonic()
            async for chunk in spoken:
                waited_s += time.monotonic() - asked_s
                n_samples += len(chunk)
                yield chunk
                asked_s = time.monotonic()
            waited_s += time.monotonic() - asked_s
        self._rate(waited_s, n_samples / self.rate_hz)

    def _rate(self, waited_s: float, spoken_s: float) -> None:
        self._slow_in_a_row = self._slow_in_a_row + 1 if waited_s > spoken_s > 0 else 0
        if self._slow_in_a_row >= SLOW_IN_A_ROW:
            self._slow_in_a_row = 0
            self.breaker.open(f"slower than speech {SLOW_IN_A_ROW} times in a row")
        else:
            self.breaker.succeeded()

    async def _by_reserve(self, text: str) -> AsyncGenerator[Int16Array]:
        same = self.reserve.rate_hz == self.rate_hz
        resampler = None if same else StreamingResampler(self.reserve.rate_hz, self.rate_hz)
        async with aclosing(self.reserve.speak(text)) as spoken:
            async for chunk in spoken:
                yield chunk if resampler is None else resampler.push(chunk)
        if resampler is not None:
            yield resampler.flush()
