"""A line separator inside of a string ends no record: U+2028, U+2029 and U+0085 stand in JSON as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.listen.read.reading import read_capture
from harness.model import capture
from harness.model.events import AgentTurnTrace
from harness.model.json_lines import lines_of
from harness.nightly.joins import joins
from runtime.turn_log import add_turns, read_turns
from tests.listen.captures import simple_call

SEPARATORS = ["\u2028", "\u2029", "\x85"]


def with_words(folder: Path, words: str) -> list[AgentTurnTrace]:
    """The capture's agent said `words`, and wrote them as JSON may: unescaped."""
    path = folder / capture.AGENT_TRACE
    turns = [AgentTurnTrace.model_validate_json(line) for line in path.read_text().split("\n") if line]
    turns = [turn.model_copy(update={"reply_text": words}) for turn in turns]
    rows = [json.dumps(turn.model_dump(mode="json"), ensure_ascii=False) for turn in turns]
    path.write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    return turns


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_capture_of_such_words_is_read_whole_and_joins(tmp_path: Path, separator: str) -> None:
    folder = simple_call().write(tmp_path / "c")
    events = (folder / capture.EVENTS).read_text()
    turns = with_words(folder, f"first line{separator}second line")
    heard = read_capture(folder)
    assert list(heard.traces) == turns
    assert capture.AGENT_TRACE not in heard.missing
    trace_id = turns[0].trace_id
    row = {"type": "trace_ack", "trace_id": trace_id, "said": f"a{separator}b"}
    ready = {"type": "probe_ready", "trace_id": trace_id}
    told = "".join(json.dumps({"event": event}, ensure_ascii=False) + "\n" for event in (row, ready))
    (folder / capture.EVENTS).write_text(told + events, encoding="utf-8")
    manifest = capture.read_manifest(folder)
    files = dict.fromkeys((capture.MIC, capture.POST_RTC), 1)
    assert joins(folder, manifest.model_copy(update={"files": files, "trace_id": trace_id}))


@pytest.mark.parametrize("separator", SEPARATORS)
def test_the_log_of_a_product_counts_such_a_turn_as_one(tmp_path: Path, separator: str) -> None:
    folder = simple_call().write(tmp_path / "c")
    turns = with_words(folder, f"first line{separator}second line")
    add_turns(tmp_path / "turns.jsonl", turns, with_words=True)
    assert read_turns(tmp_path / "turns.jsonl") == (turns, 0)


def test_the_last_line_is_there_if_it_holds_anything() -> None:
    assert lines_of("a\nb\n") == ["a", "b"]
    assert lines_of("a\ntorn") == ["a", "torn"]
    assert lines_of("") == []
