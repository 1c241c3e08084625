"""An agent that sends no events of its tools is held to what its spans tell of them, and only where they tell all of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.listen.measure import listen
from harness.model.capture import AgentUnderTest, Happening, read_manifest, write_manifest
from harness.model.measurement import Measurement
from harness.model.spans import PIPECAT_SCOPES
from harness.model.status import Status
from tests.listen.captures import T0_MONO_MS, simple_call
from tests.listen.metrics.test_tools import called
from tests.listen.metrics.test_words import status_of
from tests.listen.told_spans import Spans

FOREIGN: dict[str, Any] = {"agent": AgentUnderTest(kind="command"), "pre": False, "trace": False, "told": False}
ENDED_MS = T0_MONO_MS + 1_700.0  # the question's true end
SOUND_MS = ENDED_MS + 2_100.0
BOOK = {"tools": [{"name": "book_table", "args": {"people": 2}}], "forbid_tools": ["delete_all"]}


def spans(*, tool_ms: float = 1_000.0, ended: bool = True, **more: Any) -> Spans:
    """A reply behind a tool; `ended`: the session's last span has come too."""
    told = Spans(**more)
    told.livekit_turn(T0_MONO_MS + 520, ENDED_MS + 60, SOUND_MS, claimed_s=2.04, tool_ms=tool_ms)
    if ended:
        told.add("agent_session", T0_MONO_MS, SOUND_MS + 1_800)
    return told


def folder_of(tmp_path: Path, expect: dict[str, Any], told: Spans, **call: Any) -> Path:
    made = simple_call(2_200.0, total_ms=7_000.0, case={"expect": expect}, **{**FOREIGN, **call})
    return told.write(made.write(tmp_path / "capture"))


def why(measurement: Measurement, name: str = "tools_missing_count") -> str:
    return measurement.turns[0].metrics[name].reason


def test_a_tool_that_the_spans_tell_of_is_a_call_like_any_other(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, BOOK, spans())
    measurement = listen(folder)
    assert status_of("tools", folder, measurement) is Status.PASS
    assert status_of("forbid_tools", folder, measurement) is Status.PASS
    assert [call.name for call in measurement.turns[0].tools] == ["book_table"]


@pytest.mark.parametrize(
    ("expect", "gate", "said"),
    [
        ({"tools": [{"name": "book_table", "args": {"people": 3}}]}, "tools", "was not called"),
        ({"tools": [{"name": "send_mail"}]}, "tools", "send_mail was not called (it called book_table("),
        ({"forbid_tools": ["book_table"]}, "forbid_tools", "book_table("),
    ],
)
def test_what_the_spans_contradict_fails(tmp_path: Path, expect: dict[str, Any], gate: str, said: str) -> None:
    folder = folder_of(tmp_path, expect, spans())
    measurement = listen(folder)
    assert status_of(gate, folder, measurement) is Status.FAIL
    assert said in why(measurement, f"{'tools_missing' if gate == 'tools' else 'tools_forbidden'}_count")


def test_one_that_failed_did_not_succeed(tmp_path: Path) -> None:
    told = spans()
    (at,) = [n for n, line in enumerate(told.lines) if line.name == "function_tool"]
    attributes = {**told.lines[at].attributes, "lk.function_tool.is_error": True, "lk.pii.function_tool.output": "full"}
    told.lines[at] = told.lines[at].model_copy(update={"attributes": attributes})
    measurement = listen(folder_of(tmp_path, BOOK, told))
    assert "was called and did not succeed: full" in why(measurement)


def test_it_is_held_to_the_time_of_the_answer(tmp_path: Path) -> None:
    expect = {"tools": [{"name": "book_table", "before": "reply"}]}
    folder = folder_of(tmp_path, expect, spans())
    assert status_of("tools", folder, listen(folder)) is Status.PASS


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (spans(ended=False), "the agent ended before the last of its spans were sent"),
        (Spans(scope=PIPECAT_SCOPES[0]), "does not tell of its tools"),
        (Spans(), "none of the agent's spans is placed in this turn"),
    ],
    ids=["cut off", "Pipecat", "none of this turn"],
)
def test_spans_that_do_not_tell_all_of_a_turn_prove_nothing(tmp_path: Path, told: Spans, reason: str) -> None:
    if not told.lines:
        pipecat = told.scope in PIPECAT_SCOPES
        told.add("turn" if pipecat else "agent_turn", T0_MONO_MS + 100, T0_MONO_MS + 200)
        told.add("agent_session", T0_MONO_MS, SOUND_MS + 10)
    folder = folder_of(tmp_path, BOOK, told)
    measurement = listen(folder)
    assert {status_of(gate, folder, measurement) for gate in ("tools", "forbid_tools", "say_do")} == {Status.NO_DATA}
    assert reason in why(measurement)


@pytest.mark.parametrize(
    ("drained_ms", "status"),
    [(SOUND_MS + 1_700, Status.NO_DATA), (T0_MONO_MS + 7_050, Status.FAIL)],
    ids=["handed over to another agent", "after the user had left"],
)
def test_an_agent_that_is_drained_amid_the_call_goes_on_as_another(
    tmp_path: Path, drained_ms: float, status: Status
) -> None:
    told = spans(tool_ms=0.0, ended=False)
    told.add("drain_agent_activity", drained_ms, drained_ms + 20)
    folder = folder_of(tmp_path, BOOK, told)
    assert status_of("tools", folder, listen(folder)) is status


def test_a_tool_whose_reply_was_never_told_counts(tmp_path: Path) -> None:
    told = spans(tool_ms=0.0)
    told.add(
        "function_tool", ENDED_MS + 400, ENDED_MS + 500, "00000000000000ff",
        lk__function_tool__name="delete_all", lk__function_tool__is_error=False,
    )  # fmt: skip
    folder = folder_of(tmp_path, BOOK, told)
    measurement = listen(folder)
    assert status_of("forbid_tools", folder, measurement) is Status.FAIL
    assert "it called delete_all" in why(measurement)


def test_spans_that_were_not_kept_prove_nothing(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, BOOK, spans(tool_ms=0.0))
    lost = Happening(kind="telemetry", detail="refused: 1 batch (larger than 4 MiB)", incomplete=True)
    write_manifest(folder, read_manifest(folder).model_copy(update={"happenings": [lost]}))
    assert why(listen(folder)) == "some of the agent's spans were not kept"


@pytest.mark.parametrize("arguments", ["", '{"people": 2, "name": "Ma'])
def test_arguments_that_are_cut_off_or_kept_secret_are_not_held_against_it(tmp_path: Path, arguments: str) -> None:
    told = spans()
    (at,) = [n for n, line in enumerate(told.lines) if line.name == "function_tool"]
    attributes = {**told.lines[at].attributes, "lk.pii.function_tool.arguments": arguments}
    told.lines[at] = told.lines[at].model_copy(update={"attributes": attributes})
    measurement = listen(folder_of(tmp_path, BOOK, told))
    assert why(measurement) == "the agent's spans do not tell the whole arguments of book_table"


def test_an_order_is_not_told_by_a_clock_that_is_hardly_known(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"tools": [{"name": "book_table", "before": "reply"}]}, spans(clock_ms=5_000.0))
    measurement = listen(folder)
    assert why(measurement).startswith("what came first is not known: the agent's clock is another host's")
    assert json.loads(measurement.model_dump_json())["turns"][0]["tools"]


def test_events_of_tools_go_before_spans(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"tools": [{"name": "send_mail"}]}, spans())
    rows = called("send_mail", 1_900.0)
    with (folder / "events.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    measurement = listen(folder)
    assert measurement.turns[0].metrics["tools_missing_count"].value == 0
    assert [call.name for call in measurement.turns[0].tools] == ["send_mail"]
