"""R-24: a short prompt first, so that the first words come soon; then the long one, with the words so far.

The short prompt is the user's last words alone, and asks for one short sentence; the long one is the whole conversation. This
works with every chat endpoint, without a prefilled answer; it costs a second request.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

Messages = list[dict[str, Any]]
OPENING_MAX_TOKENS = 40
OPENING_SYSTEM = "You are on the phone. Say only the first sentence of your answer, in at most eight words."
GO_ON = (
    "You have already begun to answer the last message, and the user has heard this much: «{opening}» "
    "Go on from there without repeating it. If nothing is left to say, say nothing."
)


async def continued(
    tokens: Callable[[Messages, int | None], AsyncGenerator[str]], messages: Messages
) -> AsyncGenerator[str]:
    """`tokens(messages, max_tokens)` asks the model; `messages` is the long prompt, whose last one is the user's."""
    opening = ""
    short = [{"role": "system", "content": OPENING_SYSTEM}, messages[-1]]
    async with aclosing(tokens(short, OPENING_MAX_TOKENS)) as first:
        async for token in first:
            opening += token
            yield token
    instruction = {"role": "system", "content": GO_ON.format(opening=opening.strip())}
    fresh = True
    async with aclosing(tokens([*messages[:-1], instruction, messages[-1]], None)) as rest:
        async for token in rest:
            if fresh and opening and not opening[-1].isspace() and not token[:1].isspace() and opening[-1].isascii():
                token = " " + token
            fresh = False
            yield token
