"""An attempt against the reference agent over real WebRTC: complete captures, events in order, faults that are found.

What a busy machine can make worse (latencies, an INVALID turn) is not asserted here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from harness.judge.verdict import judge_attempt
from harness.listen.measure import listen
from harness.listen.read.reading import read_capture
from harness.model import capture
from harness.model.dialogue import DialogueRecord
from harness.model.events import AgentTurnTrace, Event, EventType
from harness.model.plan import BuiltCase
from harness.model.status import CaptureStatus, Status
from harness.model.transcript import words_of
from harness.speech.build import build_case
from harness.speech.case_file import load_case
from harness.speech.voices import Voices
from tests.live.conftest import OVERLOADED, STEPPED, OpenBench, heard_as_sent, is_overloaded, misbehaving

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_process_left")]
ROOT = Path(__file__).parents[2]
BOTH = {capture.PRE_RTC, capture.POST_RTC, capture.POST_USER, capture.SAID, capture.EVENTS, capture.AGENT_TRACE}
EAR = {capture.EAR, capture.MIC, capture.EAR_WEBM, capture.SCREENSHOT, capture.BROWSER_TRACE, capture.RTC_STATS}


def events_of(folder: Path) -> list[Event]:
    rows = [json.loads(line) for line in (folder / capture.EVENTS).read_text().splitlines()]
    return [Event.model_validate(row["event"]) for row in rows]


@pytest.mark.parametrize("lane", ["bot", "browser"])
async def test_an_attempt_leaves_a_complete_capture(
    bench: OpenBench, built: Callable[[str], BuiltCase], lane: str
) -> None:
    async with bench(lane=lane) as b:
        folder, manifest = await b.attempt(built("endpoint_short_hello"))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert set(manifest.files) >= BOTH | (EAR if lane == "browser" else set())
    for name in [n for n in manifest.files if n.endswith(".wav")]:
        samples, rate_hz = soundfile.read(folder / name)
        assert rate_hz == 48_000
        assert samples.any(), f"{name} is silent"
    assert {"livekit-server", "python", "earwitness", "agent.silero-vad"} <= set(manifest.versions)
    assert not list(folder.glob("*.tmp"))
    assert not list(folder.glob("*.part"))

    heard = read_capture(folder)
    published = [words.text for words in words_of(heard.transcript) if words.speaker == "agent" and words.final]
    assert published == [trace.reply_text for trace in heard.traces], "its words are published as it speaks them"
    measurement = listen(folder)
    if is_overloaded(measurement):
        return
    turn = next(turn for turn in measurement.turns if turn.waterfall)  # a starved sender tears one into several
    heard_as_sent(turn)
    assert measurement.metrics["user_heard_count"].value == 1
    torn = sum(trace.reply_seq is not None for trace in heard.traces) > 1
    complete = measurement.metrics["replies_complete_after_final_eot"].value
    assert complete == 1 or (torn and complete)
    latency = turn.metrics["user_kpi_raw_ms" if lane == "browser" else "eot_to_first_audio_ms"]
    assert latency.value is not None
    assert latency.value > 200 or torn, "a reply cannot come before the hangover has passed"
    missing = [step for step in turn.waterfall if step.ms is None and STEPPED not in step.reason]
    assert missing == [], "no step is missing but for a clock that stepped, as on a busy host"


async def test_events_come_in_order_and_a_reply_ends_under_its_own_number(
    bench: OpenBench, built: Callable[[str], BuiltCase]
) -> None:
    async with bench() as b:
        folder, _ = await b.attempt(built("double_turn"))
    events = events_of(folder)
    order = [event.type for event in events if event.type not in (EventType.AGENT_STATE, EventType.TRANSCRIPT)]
    barrier = [EventType.TRACE, EventType.TRACE_ACK, EventType.PROBE_READY, EventType.AGENT_READY]
    assert list(dict.fromkeys(order))[:4] == barrier
    replies = [(e.type, e.reply_seq) for e in events if e.type in (EventType.REPLY_START, EventType.REPLY_END)]
    start, end = EventType.REPLY_START, EventType.REPLY_END
    n_replies = len(replies) // 2  # two, or more where a starved sender tore a turn apart
    assert n_replies >= 2
    assert replies == [(kind, seq) for seq in range(n_replies) for kind in (start, end)]
    assert len({event.trace_id for event in events}) == 1
    assert {event.sender for event in events} == {"probe", "agent"}, "the user's side sends nothing itself"
    traces = [AgentTurnTrace.model_validate_json(x) for x in (folder / capture.AGENT_TRACE).read_text().splitlines()]
    assert [trace.reply_seq for trace in traces if trace.reply_seq is not None] == list(range(n_replies))


async def test_an_interruption_stops_the_reply_and_is_answered(
    bench: OpenBench, built: Callable[[str], BuiltCase]
) -> None:
    async with bench(lane="browser") as b:
        folder, manifest = await b.attempt(built("barge_in_mid_reply"))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    causes = [e.data["cause"] for e in events_of(folder) if e.type is EventType.REPLY_END]
    *cut, last = causes  # one is cut, or more where a starved sender tore a turn apart
    assert (set(cut), last) == ({"interrupted"}, "completed"), causes
    delay_ms = manifest.spoken[1].achieved_delay_ms
    assert delay_ms is not None
    assert abs(delay_ms - 1500) < 20, "the interruption starts where the case says, on what the user heard"
    measurement = listen(folder)
    if is_overloaded(measurement):
        return
    silence = next(t.metrics["barge_in_to_silence_ms"] for t in measurement.turns if t.utterance == 1)
    assert silence.value is not None, silence.reason


A_TABLE = """
id: a_table
title: A table at another time
tier: P0
reply_timeout_ms: 30000
dialogue:
  steps:
    - say: I would like a table for two
    - wait_for: {agent_asks: what time}
    - say: At seven
    - if: {agent_says: full}
      say: Then at eight
      else_say: Thank you
    - wait_for: {agent_says: booked}
expect:
  - {}
  - {}
  - says: [booked]
"""


async def test_a_dialogue_follows_what_the_agent_says(bench: OpenBench, tmp_path: Path) -> None:
    path = tmp_path / "a_table.yaml"
    path.write_text(A_TABLE)
    with Voices() as voices:
        case = build_case(load_case(path), path, tmp_path / "cache", voices)
    async with bench(agent=misbehaving("clerk")) as b:
        folder, manifest = await b.attempt(case)
    assert manifest.status is CaptureStatus.OK, manifest.detail
    heard = read_capture(folder)
    assert heard.truth is not None
    assert [u.text for u in heard.truth.utterances] == ["I would like a table for two", "At seven", "Then at eight"]
    steps = [DialogueRecord.model_validate_json(line) for line in (folder / capture.DIALOGUE).read_text().splitlines()]
    assert [step.step for step in steps if step.did == "said"] == ["steps.0", "steps.2", "steps.3.say.0"]
    measurement = listen(folder)
    assert measurement.metrics["user_heard_count"].value == 1, "every line is found where it was said"
    said = {turn.utterance: turn.metrics.get("phrases_missing_count") for turn in measurement.turns}
    assert said[2] is not None
    assert said[2].value == 0, said[2].reason


async def test_an_agent_that_need_not_answer_is_not_waited_for(
    bench: OpenBench, built: Callable[[str], BuiltCase]
) -> None:
    async with bench() as b:
        folder, manifest = await b.attempt(built("silence_only"))
    assert manifest.status is CaptureStatus.NO_REPLY_EXPECTED, manifest.detail
    assert listen(folder).metrics["unexpected_onset_count"].value == 0


@pytest.mark.parametrize(("fault", "gate"), [("hole", "audible_dropout"), ("clip", "clipping_ratio")])
async def test_an_injected_fault_is_found(
    bench: OpenBench, built: Callable[[str], BuiltCase], fault: str, gate: str
) -> None:
    env = {"EARWITNESS_AUDIO_FILTER_POST": f"tests.faults:{fault}", "PYTHONPATH": str(ROOT)}
    case = built("question_short")
    async with bench(agent_env=env) as b:
        folder, manifest = await b.attempt(case)
    verdict = judge_attempt(case.case, manifest, listen(folder), folder.name)
    (found,) = (g for g in verdict.gates if g.gate_id == gate)
    unbelieved = found.status is Status.INVALID and OVERLOADED in found.reason
    assert found.status is Status.FAIL or unbelieved, (found.status, found.shown, found.reason)


async def test_the_device_microphone_is_heard_exactly_once(bench: OpenBench, built: Callable[[str], BuiltCase]) -> None:
    async with bench(lane="browser", mic="device") as b:
        folder, manifest = await b.attempt(built("endpoint_short_hello"))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert listen(folder).metrics["user_heard_count"].value == 1
