"""Clients' requests, checked: each body becomes a record, or a 400 that names the mistake in OpenAI's form."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

LONGEST_INPUT_CHARS = 4_096  # as OpenAI's
LARGEST_BODY_BYTES = 25 * 2**20


def error(status: int, message: str) -> web.Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return web.json_response({"error": {"message": message, "type": kind, "code": status}}, status=status)


class RequestError(Exception):
    """A mistake of the client, answered with status 400."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)  # clients send many fields that mean nothing here
    model: str = ""


class InputAudio(BaseModel):
    data: str
    format: Literal["wav"] = "wav"


class Part(BaseModel):
    type: Literal["text", "input_audio"]
    text: str = ""
    input_audio: InputAudio | None = None

    def sound(self) -> bytes | None:
        """Raises RequestError."""
        if self.input_audio is None:
            return None
        try:
            return base64.b64decode(self.input_audio.data, validate=True)
        except binascii.Error as problem:
            raise RequestError(f"input_audio.data is not base64: {problem}") from problem


class Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None

    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return " ".join(part.text for part in self.content or [] if part.type == "text")

    def parts(self) -> list[Part]:
        return self.content if isinstance(self.content, list) else []


class ChatBody(_Body):
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    max_tokens: int | None = Field(default=None, ge=1)


class SpeechBody(_Body):
    input: str = Field(min_length=1, max_length=LONGEST_INPUT_CHARS)
    response_format: Literal["pcm", "wav"] = "pcm"


Body = TypeVar("Body", bound=BaseModel)


async def read_body(request: web.Request, kind: type[Body]) -> Body:
    """Raises RequestError."""
    try:
        return kind.model_validate(json.loads(await request.text()))
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RequestError(f"{place}: {first['msg']}" if place else first["msg"]) from problem
    except (ValueError, RecursionError) as problem:
        raise RequestError(f"the body is not JSON: {problem}") from problem
