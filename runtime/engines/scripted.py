"""A scripted dialogue in place of a language model: intents by phrase, deterministic, streamed token by token. Or it
says a list of replies in turn, whatever was asked.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.protocols import Heard

REPLIES = {
    "story": (
        "Once upon a time, a lighthouse keeper found a bottle on the beach. "
        "Inside it was a map of the island where he lived. "
        "He followed it over the hill. "
        "Under a tree he found a wooden box full of letters. "
        "They were the letters that he had sent to the sea."
    ),
    "stop": "Okay, I stopped.",
    "time": "It is half past nine.",
    "price": "That is ninety dollars.",
    "hello": "Hello! How can I help?",
    "other": "I heard you. Please go on.",
}
INTENTS = (  # the first that matches
    ("stop", ("stop wait a moment", "wait a moment")),
    ("story", ("hear a story", "a story", "story")),
    ("time", ("what time is it",)),
    ("price", ("the price is",)),
    ("hello", ("hello",)),
)
WORDS = {"stop": "stop", "wait": "stop", "story": "story", "time": "time", "price": "price", "hello": "hello"}


def intent_of(heard: Heard) -> str:
    """The intent of a spotted phrase, else of a word."""
    for intent, phrases in INTENTS:
        if any(phrase in heard.phrases for phrase in phrases):
            return intent
    for word in re.findall(r"[a-z']+", heard.text.lower()):
        if word in WORDS:
            return WORDS[word]
    return "other"


class ScriptedDialogue:
    """See `runtime.engines.protocols.LanguageModel`. A token is a word with its space; all conversations share the order of
    replies.
    """

    def __init__(self, token_interval_ms: float, replies: Sequence[str] = ()) -> None:
        self.token_interval_ms = token_interval_ms
        self.metrics = EngineMetrics("llm")
        self._in_turn = itertools.cycle(replies) if replies else None

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        return

    async def aclose(self) -> None:
        return

    @property
    def repeatable(self) -> bool:
        """False with a list of replies, which would lose one."""
        return self._in_turn is None

    def open(self) -> ScriptedConversation:
        return ScriptedConversation(self)

    def text(self, heard: Heard, interrupted: bool) -> str:
        if self._in_turn is not None:
            return next(self._in_turn)
        intent = intent_of(heard)
        return REPLIES["stop" if interrupted and intent == "other" else intent]


@dataclass
class ScriptedConversation:
    """See `runtime.engines.protocols.Conversation`. Remembers nothing: the same words are always answered alike."""

    dialogue: ScriptedDialogue

    @property
    def repeatable(self) -> bool:
        return self.dialogue.repeatable

    async def reply(self, heard: Heard, *, interrupted: bool) -> AsyncGenerator[str]:
        with self.dialogue.metrics.request() as request:
            for token in re.findall(r"\S+\s*", self.dialogue.text(heard, interrupted)):
                await asyncio.sleep(
                    self.dialogue.token_interval_ms / 1e3
                )  # stands for a model's time to the next token
                request.first()
                yield token

    def spoken(self, text: str) -> None:
        return
