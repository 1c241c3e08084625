"""What the schema calls a number is taken as a number alone; the page's half is in tests/runtime/page."""

from __future__ import annotations

import json

import pytest

from harness.model.events import EventError, parse_event

GOOD = {
    "v": 1, "type": "reply_start", "trace_id": "t", "run_id": "r", "case_id": "c", "attempt": 1, "seq": 0,
    "t_ms": 12.5, "clock": {"id": "host", "kind": "monotonic"}, "sender": "agent", "reply_seq": 0,
}  # fmt: skip
NUMBERS = ("v", "attempt", "seq", "t_ms", "reply_seq")


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", ["1", True])
def test_a_string_or_a_boolean_is_no_number(field: str, value: object) -> None:
    with pytest.raises(EventError, match=f"{field}: .*must be a number"):
        parse_event(json.dumps({**GOOD, field: value}).encode())


@pytest.mark.parametrize("field", NUMBERS)
def test_a_number_of_either_spelling_is_one(field: str) -> None:
    assert getattr(parse_event(json.dumps({**GOOD, field: 1.0}).encode()), field) == 1
