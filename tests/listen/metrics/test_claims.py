"""A call of an agent that speaks no events and sends its spans: its waterfall, and its claim against what was heard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.listen.measure import listen
from harness.listen.metrics.claims import why_absurd
from harness.model import capture
from harness.model.capture import AgentUnderTest
from harness.model.events import AgentTurnTrace
from harness.model.measurement import Measurement, Metric, Turn
from tests.listen.captures import T0_MONO_MS, Call, Replied, Said, simple_call, speech
from tests.listen.told_spans import Spans

FOREIGN: dict[str, Any] = {
    "agent": AgentUnderTest(kind="command"), "pre": False, "trace": False, "told": False,
}  # fmt: skip
ENDED_MS = T0_MONO_MS + 1_700.0  # the question's true end
KPI_MS = 900.0
HEARD_LATE_MS, SOUND_MS = (
    60.0,
    800.0,
)  # the agent dates the end 60 ms late; its first frame comes 800 ms after the true end


def spans(*, claimed_s: float | None = (SOUND_MS - HEARD_LATE_MS) / 1e3, clock_ms: float = 0.0, **turn: Any) -> Spans:
    told = Spans(clock_ms=clock_ms)
    told.livekit_turn(
        T0_MONO_MS + 520, ENDED_MS + HEARD_LATE_MS, ENDED_MS + SOUND_MS, claimed_s=claimed_s, **turn
    )  # fmt: skip
    return told


def heard(tmp_path: Path, told: Spans, call: Call | None = None) -> Measurement:
    return listen(told.write((call or simple_call(KPI_MS, **FOREIGN)).write(tmp_path / "capture")))


def answered(measurement: Measurement) -> Turn:
    (turn,) = [turn for turn in measurement.turns if turn.utterance is not None]
    return turn


def values(turn: Turn) -> dict[str, Metric]:
    return {name: metric for name, metric in turn.metrics.items() if "claim" in name}


def test_the_difference_has_two_parts_before_the_agent_counts_and_after_it_stops(tmp_path: Path) -> None:
    found = values(answered(heard(tmp_path, spans())))
    assert found["claimed_latency_ms"].value == 740.0
    assert found["claim_difference_ms"].value == pytest.approx(KPI_MS - 740, abs=5)
    assert found["claim_before_ms"].value == pytest.approx(HEARD_LATE_MS, abs=3)
    assert found["claim_after_ms"].value == pytest.approx(KPI_MS - SOUND_MS, abs=5)
    assert not any(metric.invalid for metric in found.values())


def test_the_spans_are_the_waterfall_and_add_up_to_what_was_heard(tmp_path: Path) -> None:
    measurement = heard(tmp_path, spans())
    turn = answered(measurement)
    steps = {step.name: step.ms for step in turn.waterfall}
    assert steps == {
        "speech end → agent heard it": pytest.approx(60, abs=3),
        "hangover → VAD decided": pytest.approx(250, abs=0.1),
        "STT": 0,  # it was there ahead of the decision
        "first token": pytest.approx(53, abs=0.1),
        "first segment": pytest.approx(397, abs=0.1),
        "TTS first PCM": pytest.approx(40, abs=0.1),
        "sent, received → audible": pytest.approx(100, abs=5),
    }
    kpi = turn.metrics["user_kpi_raw_ms"].value
    assert sum(step.ms or 0.0 for step in turn.waterfall) == pytest.approx(kpi, abs=0.01)
    assert turn.metrics["unexplained_ms"].not_applicable, "the last step ends with what was heard"
    assert "1 reply told by the spans of LiveKit Agents, 1 placed in turns" in measurement.happenings[-1]
    assert "this host's (±0.5 ms)" in measurement.happenings[-1]


def test_a_tool_is_a_step_and_a_call_of_the_turn(tmp_path: Path) -> None:
    call = simple_call(2_200.0, **FOREIGN, total_ms=7_000.0)
    told = Spans()
    told.livekit_turn(T0_MONO_MS + 520, ENDED_MS + 60, ENDED_MS + 2_100, claimed_s=2.04, tool_ms=1_000)
    turn = answered(heard(tmp_path, told, call))
    steps = {step.name: step.ms for step in turn.waterfall}
    assert steps["tools"] == pytest.approx(1_023, abs=1)
    (tool,) = turn.tools
    assert (tool.name, tool.result, tool.ended) == ("book_table", "booked", True)


@pytest.mark.parametrize(
    ("claimed_s", "why"),
    [(0.0, "cut off at 0"), (-0.3, "not negative"), (200.0, "longer than the call of 6.0 s")],
)
def test_an_absurd_claim_is_found_and_nothing_is_made_of_it(tmp_path: Path, claimed_s: float, why: str) -> None:
    found = values(answered(heard(tmp_path, spans(claimed_s=claimed_s))))
    claimed = found["claimed_latency_ms"]
    assert (claimed.value, claimed.invalid) == (claimed_s * 1e3, True)
    assert why in claimed.reason
    assert found["claim_difference_ms"].invalid
    assert found["claim_before_ms"].value is None


def test_a_missing_claim_is_found(tmp_path: Path) -> None:
    found = values(answered(heard(tmp_path, spans(claimed_s=None))))
    assert found.keys() == {"claimed_latency_ms"}
    claimed = found["claimed_latency_ms"]
    assert (claimed.value, claimed.not_applicable) == (None, False)
    assert claimed.reason == "missing: the agent reports no lk.e2e_latency for this turn"


def test_a_turn_that_no_span_tells_of_has_a_missing_claim(tmp_path: Path) -> None:
    question, again = Said(500.0, speech(1_200, 1)), Said(5_000.0, speech(1_200, 3))
    replies = [
        Replied(item.end_ms + KPI_MS, speech(1_600, 2 + n), told=False) for n, item in enumerate((question, again))
    ]
    changes = {name: value for name, value in FOREIGN.items() if name != "told"}
    call = Call(said=[question, again], replies=replies, total_ms=10_000.0, **changes)
    first, second = (turn for turn in heard(tmp_path, spans(), call).turns if turn.utterance is not None)
    assert first.metrics["claimed_latency_ms"].value == 740.0
    assert "missing" in second.metrics["claimed_latency_ms"].reason
    assert all(step.ms is None for step in second.waterfall)


def test_an_agent_on_another_host_is_placed_with_its_error_stated(tmp_path: Path) -> None:
    measurement = heard(tmp_path, spans(clock_ms=300_000.0))
    found = values(answered(measurement))
    assert found["claim_difference_ms"].value == pytest.approx(KPI_MS - 740, abs=5), "it needs no clock"
    before = found["claim_before_ms"]
    assert before.uncertainty is not None
    assert before.value == pytest.approx(HEARD_LATE_MS, abs=before.uncertainty)
    assert before.uncertainty > 40
    assert "another host's" in measurement.happenings[-1]


def test_an_agent_that_reports_no_latency_says_so_and_the_reference_agent_needs_none(tmp_path: Path) -> None:
    foreign = listen(simple_call(KPI_MS, **FOREIGN).write(tmp_path / "foreign"))
    assert answered(foreign).metrics["claimed_latency_ms"].not_applicable
    assert values(answered(listen(simple_call().write(tmp_path / "reference")))) == {}


def attached(folder: Path, change: Callable[[AgentTurnTrace], AgentTurnTrace]) -> Path:
    path = folder / capture.AGENT_TRACE
    lines = [AgentTurnTrace.model_validate_json(line) for line in path.read_text().splitlines()]
    path.write_text("".join(change(line).model_dump_json() + "\n" for line in lines))
    return folder


def claims(claimed_ms: float | None) -> Callable[[AgentTurnTrace], AgentTurnTrace]:
    return lambda line: line.model_copy(update={"claim": "e2e_latency", "claimed_latency_ms": claimed_ms})


def test_the_claim_of_an_attached_worker_stands_in_its_trace(tmp_path: Path) -> None:
    folder = simple_call(450.0).write(tmp_path / "capture")
    trace = AgentTurnTrace.model_validate_json((folder / capture.AGENT_TRACE).read_text())
    assert trace.t.first_publish is not None
    assert trace.t.user_eot is not None
    told_ms = trace.t.first_publish - trace.t.user_eot
    found = values(answered(listen(attached(folder, claims(told_ms)))))
    assert found["claimed_latency_ms"].value == pytest.approx(told_ms)
    assert found["claim_before_ms"].value == pytest.approx(45, abs=3)
    parts = [found[name].value or 0.0 for name in ("claim_before_ms", "claim_after_ms")]
    assert sum(parts) == pytest.approx(found["claim_difference_ms"].value, abs=0.01)


@pytest.mark.parametrize("claimed_ms", [None, 0.0, -5.0, 200_000.0])
def test_a_fault_of_its_claim_is_found_too(tmp_path: Path, claimed_ms: float | None) -> None:
    folder = simple_call(450.0).write(tmp_path / "capture")
    claimed = values(answered(listen(attached(folder, claims(claimed_ms)))))["claimed_latency_ms"]
    assert claimed.value == claimed_ms
    assert claimed.invalid if claimed_ms is not None else claimed.reason.startswith("missing")


def test_what_can_be_a_latency_is_not_absurd() -> None:
    assert why_absurd(0.1, 6_000) == why_absurd(6_000, 6_000) == why_absurd(200_000, None) == ""


def test_torn_and_foreign_lines_of_spans_cost_only_themselves(tmp_path: Path) -> None:
    folder = spans().write(simple_call(KPI_MS, **FOREIGN).write(tmp_path / "capture"))
    with (folder / capture.SPANS).open("a") as file:
        file.write('{"v": 2}\nnot JSON\n{"torn')
    assert answered(listen(folder)).metrics["claimed_latency_ms"].value == 740.0
