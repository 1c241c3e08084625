"""An event as a data packet that LiveKit takes: too long a text is shortened, and the event says so. Pure."""

from __future__ import annotations

from harness.model.events import MAX_EVENT_BYTES, Event
from runtime.trace import well_formed

TEXT = "text"
CUT = "cut"  # data.cut: how many characters of the text are missing


def to_packet(event: Event) -> bytes | None:
    """At most MAX_EVENT_BYTES; None if no shortened text makes it fit."""
    text = event.data.get(TEXT)
    if isinstance(text, str):
        text = well_formed(text)
        event = event.model_copy(update={"data": {**event.data, TEXT: text}})
    packet = event.to_bytes()
    if len(packet) <= MAX_EVENT_BYTES:
        return packet
    if not isinstance(text, str):
        return None
    low, high = 0, len(text)  # find the longest beginning that fits; a character takes up to six bytes of JSON
    while low < high:
        middle = (low + high + 1) // 2
        if len(_cut(event, text, middle)) <= MAX_EVENT_BYTES:
            low = middle
        else:
            high = middle - 1
    packet = _cut(event, text, low)
    return packet if len(packet) <= MAX_EVENT_BYTES else None


def _cut(event: Event, text: str, length: int) -> bytes:
    data = {**event.data, TEXT: text[:length], CUT: len(text) - length}
    return event.model_copy(update={"data": data}).to_bytes()
