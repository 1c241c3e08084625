"""transcript.jsonl: what was said, in words, as the participants published it; one text a line.

LiveKit's agents publish what they understood of the user and what they say, as text streams (topic `lk.transcription`) and as
the older transcription events. Both are kept, with the time at which they came to the second listener (host's monotonic
clock, ms). A text that grows in step with the sound keeps the time of each piece. Published words are a claim: whether they
were heard is another question.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

Speaker = Literal["user", "agent", "other"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Piece(_Frozen):
    """When the text had grown to `chars`."""

    t_mono_ms: float
    chars: int


class TranscriptLine(_Frozen):
    """One text as it came. `speaker`: whose words they are; `publisher`: the identity that published them.

    `final`: its publisher will not correct it; `complete`: its stream ended in order, and nothing was cut off.
    """

    v: Literal[1] = 1
    way: Literal["stream", "event"]
    speaker: Speaker
    publisher: str = ""
    track_sid: str = ""
    segment_id: str = ""
    text: str
    final: bool = False
    complete: bool = True
    t_first_mono_ms: float
    t_last_mono_ms: float
    pieces: tuple[Piece, ...] = ()


class Words(_Frozen):
    """One segment of speech in its last wording."""

    speaker: Speaker
    text: str
    final: bool
    t_first_mono_ms: float
    t_last_mono_ms: float


def words_of(lines: Iterable[TranscriptLine]) -> list[Words]:
    """Each segment once, in its last wording, in the order in which they began.

    Where a speaker's words came as streams, the events that say the same again (under other ids) are left out.
    """
    lines = list(lines)
    streamed = {line.speaker for line in lines if line.way == "stream"}
    kept: dict[tuple[Speaker, str], list[TranscriptLine]] = {}
    for number, line in enumerate(lines):
        if line.way == "stream" or line.speaker not in streamed:
            kept.setdefault((line.speaker, line.segment_id or f"#{number}"), []).append(line)
    found = [_in_last_wording(same) for same in kept.values()]
    return sorted((words for words in found if words.text), key=lambda words: words.t_first_mono_ms)


def _in_last_wording(same: list[TranscriptLine]) -> Words:
    best = max(same, key=lambda line: (line.final, line.t_last_mono_ms))
    return Words(
        speaker=best.speaker,
        text=" ".join(best.text.split()),
        final=best.final,
        t_first_mono_ms=min(line.t_first_mono_ms for line in same),
        t_last_mono_ms=best.t_last_mono_ms,
    )
