"""What an agent did is held against what a case wants, where it tells of its tools; nothing is said where it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.listen.measure import listen
from harness.listen.metrics.tools import has_arguments
from harness.model import capture
from harness.model.case import Case
from harness.model.events import Event
from harness.model.measurement import Measurement
from harness.model.status import Status
from tests.listen.captures import CLOCK, T0_MONO_MS, simple_call
from tests.listen.metrics.test_words import said_in, status_of

BOOKING = {"people": 2, "at": {"hour": 19, "day": "Friday"}}


def told(kind: str, at_ms: float, arrives_ms: float | None = None, **data: Any) -> dict[str, Any]:
    """An event of the agent's, `at_ms` after sample 0."""
    t_ms = T0_MONO_MS + at_ms
    event = Event.model_validate(
        {"type": kind, "trace_id": "t-made-a1", "run_id": "t", "case_id": "made", "attempt": 1, "seq": 90, "t_ms": t_ms,
         "clock": CLOCK, "sender": "agent", "data": data}
    )  # fmt: skip
    arrival = T0_MONO_MS + arrives_ms if arrives_ms is not None else t_ms + 2
    body = event.model_dump(mode="json", exclude_none=True)
    return {"event": body, "t_arrival_mono_ms": arrival, "direction": "received"}


def called(name: str, at_ms: float = 2_300.0, takes_ms: float = 50.0, **changes: Any) -> list[dict[str, Any]]:
    """A whole call; `changes` of its end."""
    arguments = json.dumps(changes.pop("arguments", BOOKING))
    end = {"result": "ok"} | changes
    key = f"{name}-{at_ms}"
    return [
        told("tool_start", at_ms, id=key, name=name, arguments=arguments),
        told("tool_end", at_ms + takes_ms, id=key, **end),
    ]


def folder_of(tmp_path: Path, expect: dict[str, Any], events: list[dict[str, Any]]) -> Path:
    folder = simple_call(case={"expect": expect}).write(tmp_path / "c")
    with (folder / capture.EVENTS).open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in events)
    return folder


def heard(tmp_path: Path, expect: dict[str, Any], *events: list[dict[str, Any]], said: str = "") -> Measurement:
    folder = folder_of(tmp_path, expect, [row for rows in events for row in rows])
    return said_in(folder, ("agent", said)) if said else listen(folder)


def count_of(measurement: Measurement, name: str) -> float | None:
    return measurement.turns[0].metrics[name].value


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        ({"name": "book_table"}, 0),
        ({"name": "book_table", "args": {"people": 2}}, 0),
        ({"name": "book_table", "args": {"at": {"hour": 19}}}, 0),
        ({"name": "book_table", "args": {"people": 3}}, 1),
        ({"name": "book_table", "args": {"table": None}}, 1),
        ({"name": "book_table", "times": 1}, 0),
        ({"name": "book_table", "times": 2}, 1),
        ({"name": "cancel_table"}, 1),
    ],
)
def test_a_call_is_wanted_by_name_arguments_and_number(tmp_path: Path, wanted: dict[str, Any], missing: int) -> None:
    measurement = heard(tmp_path, {"tools": [wanted]}, called("book_table"))
    assert count_of(measurement, "tools_missing_count") == missing
    reason = measurement.turns[0].metrics["tools_missing_count"].reason
    assert ("book_table(" in reason) == bool(missing), "what it did call is quoted"
    assert [call.name for call in measurement.turns[0].tools] == ["book_table"]


def test_a_call_that_failed_or_never_returned_is_not_done_and_the_reason_says_which(tmp_path: Path) -> None:
    wanted = {"tools": [{"name": "book_table"}]}
    failed = heard(tmp_path / "1", wanted, called("book_table", error="no table is free"))
    hangs = heard(tmp_path / "2", wanted, called("book_table")[:1])
    for measurement, why in ((failed, "no table is free"), (hangs, "did not return")):
        assert count_of(measurement, "tools_missing_count") == 1
        assert why in measurement.turns[0].metrics["tools_missing_count"].reason


@pytest.mark.parametrize(
    ("before", "order", "missing"),
    [
        ("reply", [("book_table", 1_900.0)], 0),
        ("reply", [("book_table", 3_000.0)], 1),
        ("send_mail", [("book_table", 1_900.0), ("send_mail", 2_000.0)], 0),
        ("send_mail", [("send_mail", 1_900.0), ("book_table", 2_000.0)], 1),
    ],
)
def test_a_call_is_made_in_time(tmp_path: Path, before: str, order: list[tuple[str, float]], missing: int) -> None:
    wanted = {"tools": [{"name": "book_table", "before": before}]}
    measurement = heard(tmp_path, wanted, *[called(name, at_ms) for name, at_ms in order])
    assert count_of(measurement, "tools_missing_count") == missing


def test_the_time_is_the_agent_s_own_where_it_tells_only_afterwards(tmp_path: Path) -> None:
    rows = [row | {"t_arrival_mono_ms": T0_MONO_MS + 3_000} for row in called("book_table", 1_900.0)]
    measurement = heard(tmp_path, {"tools": [{"name": "book_table", "before": "reply"}]}, rows)
    assert count_of(measurement, "tools_missing_count") == 0


def test_a_forbidden_call_is_counted_and_quoted(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"forbid_tools": ["delete_all"]}, [*called("delete_all"), *called("book_table")])
    measurement = listen(folder)
    assert count_of(measurement, "tools_forbidden_count") == 1
    assert "delete_all(" in measurement.turns[0].metrics["tools_forbidden_count"].reason
    assert status_of("forbid_tools", folder, measurement) is Status.FAIL
    assert status_of("tools", folder, measurement) is Status.PASS


@pytest.mark.parametrize(
    ("said", "events", "broken"),
    [
        ("Your table is booked.", [called("book_table")], 0),
        ("I am sorry.", [], 0),
        ("Your table is booked.", [], 1),
        ("Your table is booked.", [called("book_table", error="full")], 1),
        ("One moment.", [called("book_table")], 1),
    ],
)
def test_a_claim_and_its_deed_go_together(
    tmp_path: Path, said: str, events: list[list[dict[str, Any]]], broken: int
) -> None:
    wanted = {"say_do": [{"says": "booked", "tool": "book_table"}]}
    ack = [told("trace_ack", 1.0, tools=True)]
    measurement = heard(tmp_path, wanted, ack, *events, said=said)
    assert count_of(measurement, "say_do_count") == broken


def test_an_agent_that_tells_of_no_tools_has_no_data_and_one_that_calls_none_has_called_none(tmp_path: Path) -> None:
    wanted = {"tools": [{"name": "book_table"}], "forbid_tools": ["delete_all"]}
    silent = folder_of(tmp_path / "1", wanted, [])
    measurement = listen(silent)
    assert {status_of(gate, silent, measurement) for gate in ("tools", "forbid_tools", "say_do")} == {Status.NO_DATA}
    assert "does not tell of its tools" in measurement.turns[0].metrics["tools_missing_count"].reason
    idle = folder_of(tmp_path / "2", wanted, [told("trace_ack", 1.0, tools=True)])
    measurement = listen(idle)
    assert status_of("tools", idle, measurement) is Status.FAIL
    assert "it called nothing" in measurement.turns[0].metrics["tools_missing_count"].reason
    assert status_of("forbid_tools", idle, measurement) is Status.PASS


def test_a_flood_an_end_alone_and_data_of_other_types_do_no_harm(tmp_path: Path) -> None:
    odd = [
        told("tool_end", 2_200.0, id="nobody"),
        told("tool_start", 2_210.0, id=7, name=["x"], arguments={"people": 2}),
        told("tool_start", 2_220.0),
        *[told("tool_start", 2_230.0 + n / 100, id=str(n), name="spin", arguments="{" * 2_000) for n in range(500)],
    ]
    measurement = heard(tmp_path, {"tools": [{"name": "spin", "args": {"a": 1}}]}, odd)
    assert count_of(measurement, "tools_missing_count") == 1
    assert len(measurement.turns[0].metrics["tools_missing_count"].reason) < 3_000


def test_a_case_that_asks_for_nothing_gets_the_calls_and_no_metric(tmp_path: Path) -> None:
    measurement = heard(tmp_path, {"says": ["x"]}, called("book_table"))
    assert "tools_missing_count" not in measurement.turns[0].metrics
    assert [(call.name, call.result) for call in measurement.turns[0].tools] == [("book_table", "ok")]


@pytest.mark.parametrize("arguments", ["", "[]", "null", "{", '{"a": true}', "[" * 100_000])
def test_arguments_that_are_no_such_object_have_nothing(arguments: str) -> None:
    assert has_arguments(arguments, {})
    assert not has_arguments(arguments, {"a": 1})


@pytest.mark.parametrize(
    "expect",
    [
        {"tools": [{"args": {}}]},
        {"tools": [{"name": "x", "times": 0}]},
        {"forbid_tools": [""]},
        {"say_do": [{"says": "x"}]},
    ],
)
def test_an_expectation_that_says_nothing_is_refused(expect: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expect"):
        Case.model_validate(
            {
                "id": "x",
                "title": "x",
                "tier": "P0",
                "expect": expect,
                "speech": {"utterances": [{"parts": [{"say": "x"}]}]},
            }
        )
