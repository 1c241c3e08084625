"""The sentences of `earwitness tts`: shipped ones, or a file of one's own in the same form."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.errors import FileError, UsageError
from harness.yaml_file import read_values

SHIPPED = Path(__file__).parent / "sentences.yaml"


class Sentence(BaseModel):
    """`fast`: also in the fast form; `long`: long enough to tell streaming from waiting."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Field(pattern=r"^[a-z0-9_]{1,40}$")
    text: str = Field(min_length=1)
    fast: bool = False
    long: bool = False


def read_sentences(path: Path = SHIPPED) -> tuple[Sentence, ...]:
    """Raises UsageError."""
    data, _ = read_values(path, FileError)
    try:
        found = TypeAdapter(tuple[Sentence, ...]).validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {place}: {first['msg']}") from error
    ids = [sentence.id for sentence in found]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice or not found:
        raise UsageError(f"{path}: {f'two sentences are named {twice[0]}' if twice else 'holds no sentence'}")
    return found
