"""A language model behind OpenAI's chat completions, streamed: OpenAI, vLLM, SGLang, llama.cpp's server, Ollama, LM Studio.

A conversation keeps only speech that was audible: a reply that was cut short ends at the cut, with a dash; an unheard reply is
left out, and the user's words before it are joined to the next ones. With `audio_in` the user's sound is sent instead of its
transcript (an omni model: STT and LLM in one).
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from runtime.engines.continuation import continued
from runtime.engines.endpoint import Endpoint, StreamCutError
from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.protocols import EngineError, Heard
from runtime.engines.wav_bytes import wav_bytes

LONGEST_REPLY_CHARS = 20_000
KEPT_EXCHANGES = 20
CUT_SHORT = "—"
WARM_UP_FIRST_BYTE_MS = 30_000.0  # a model may be loaded at its first request
HEARD_HZ = 16_000


@dataclass(frozen=True)
class ChatOptions:
    """`extra` goes into the request as it is, e.g. {"chat_template_kwargs": {"enable_thinking": False}}."""

    model: str
    system: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    audio_in: bool = False
    continuation: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


class ChatModel:
    """See `runtime.engines.protocols.LanguageModel`."""

    def __init__(self, endpoint: Endpoint, options: ChatOptions) -> None:
        self.endpoint, self.options = endpoint, options
        self.metrics = EngineMetrics("llm")

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        """One token, so that a wrong key, address or model is known before anybody calls."""
        asked = [{"role": "user", "content": "Hello"}]
        async with aclosing(self.tokens(asked, max_tokens=1, first_byte_ms=WARM_UP_FIRST_BYTE_MS)) as tokens:
            async for _ in tokens:
                pass

    async def aclose(self) -> None:
        await self.endpoint.aclose()

    def open(self) -> ChatConversation:
        return ChatConversation(self)

    async def tokens(
        self, messages: list[dict[str, Any]], *, max_tokens: int | None = None, first_byte_ms: float | None = None
    ) -> AsyncGenerator[str]:
        """The model's reply to `messages`. Raises EngineError; StreamCutError if it ended without a finish reason."""
        body: dict[str, Any] = {"model": self.options.model, "messages": messages, "stream": True}
        if self.options.temperature is not None:
            body["temperature"] = self.options.temperature
        most = max_tokens if max_tokens is not None else self.options.max_tokens
        if most is not None:
            body["max_tokens"] = most
        body.update(self.options.extra)
        n_chars, finished = 0, False
        with self.metrics.request() as request:
            async with self.endpoint.answer("/chat/completions", json=body, first_byte_ms=first_byte_ms) as answer:
                async with aclosing(answer.events()) as events:
                    async for data in events:
                        if data.strip() == "[DONE]":
                            return
                        text, ended = self._delta(data)
                        finished = finished or ended
                        n_chars += len(text)
                        if n_chars > LONGEST_REPLY_CHARS:
                            raise EngineError(f"{self.endpoint.name}: the reply has no end ({n_chars} characters)")
                        if text:
                            request.first()
                            yield text
            if not finished:
                raise StreamCutError(f"{self.endpoint.name}: the reply was cut after {n_chars} characters")

    def _delta(self, data: str) -> tuple[str, bool]:
        """One event's (text, whether the model has finished)."""
        try:
            event = json.loads(data)
            if isinstance(event, dict) and event.get("error"):
                raise EngineError(f"{self.endpoint.name}: {self.endpoint.without_key(json.dumps(event['error']))}")
            choices = event["choices"]
            if not choices:  # the usage, at the end
                return "", False
            text = (choices[0].get("delta") or {}).get("content")
            if text is not None and not isinstance(text, str):
                raise TypeError("content is no text")
            return text or "", choices[0].get("finish_reason") is not None
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise EngineError(
                f"{self.endpoint.name}: not a chat completion: {self.endpoint.without_key(data)}"
            ) from error


@dataclass
class _Exchange:
    user: Any  # a message's content: text, or parts with sound
    reply: str = ""


@dataclass
class ChatConversation:
    """See `runtime.engines.protocols.Conversation`."""

    model: ChatModel
    _said: list[_Exchange] = field(default_factory=list)
    _unheard: list[Any] = field(default_factory=list)  # the user's words before an unheard reply
    repeatable: bool = False  # each request costs, and changes the conversation

    async def reply(self, heard: Heard, *, interrupted: bool) -> AsyncGenerator[str]:
        exchange = _Exchange(_joined([*self._unheard, self._content(heard)]))
        messages = self._messages(exchange)
        self._unheard = []
        self._said = [*self._said, exchange][-KEPT_EXCHANGES:]
        try:
            async with aclosing(self._tokens(messages)) as tokens:
                async for token in tokens:
                    exchange.reply += token
                    yield token
        except EngineError:
            self.spoken(exchange.reply)
            raise

    def _tokens(self, messages: list[dict[str, Any]]) -> AsyncGenerator[str]:
        if not self.model.options.continuation:
            return self.model.tokens(messages)
        return continued(lambda asked, most: self.model.tokens(asked, max_tokens=most), messages)

    def spoken(self, text: str) -> None:
        if not self._said:
            return
        last = self._said[-1]
        if text.strip():
            last.reply = text.strip() + CUT_SHORT
        else:
            self._said.pop()
            self._unheard = [last.user]

    def _content(self, heard: Heard) -> Any:
        if self.model.options.audio_in:
            if heard.audio is None:
                raise EngineError(f"{self.model.endpoint.name}: hears sound, and was given none")
            sound = base64.b64encode(wav_bytes(heard.audio, HEARD_HZ)).decode()
            return [{"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}}]
        return heard.text or " ".join(heard.phrases)

    def _messages(self, last: _Exchange) -> list[dict[str, Any]]:
        system = self.model.options.system
        messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
        for exchange in self._said:
            messages.append({"role": "user", "content": exchange.user})
            messages.append({"role": "assistant", "content": exchange.reply})
        return [*messages, {"role": "user", "content": last.user}]


def _joined(contents: list[Any]) -> Any:
    """Several contents as one message's content."""
    if all(isinstance(content, str) for content in contents):
        return " ".join(content for content in contents if content)
    return [part for content in contents for part in content]
