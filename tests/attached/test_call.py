"""A call of an attached agent, told frame by frame: what is answered, what is held until the trace, what is written."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from earwitness.attached.call import Call
from harness.listen.read.wav import read_wav
from harness.model.audio import Audio
from harness.model.events import AgentTurnTrace, parse_event

TRACE_ID = "r-question-a1"
FRAME = b"\x00\x20" * 1_200  # 50 ms at 24 kHz
log = logging.getLogger("test")


def asked(event_type: str, trace_id: str = TRACE_ID) -> bytes:
    event = {"v": 1, "type": event_type, "trace_id": trace_id, "run_id": "r", "case_id": "question", "attempt": 1,
             "seq": 0, "t_ms": 1.0, "clock": {"id": "x", "kind": "monotonic"}, "sender": "probe", "data": {}}  # fmt: skip
    return json.dumps(event).encode()


@asynccontextmanager
async def calling(captures: Path) -> AsyncIterator[tuple[Call, list[bytes]]]:
    sent: list[bytes] = []

    async def send(payload: bytes) -> None:
        sent.append(payload)

    call = Call(send, captures, log)
    delivering = asyncio.create_task(call.deliver())
    try:
        yield call, sent
        await asyncio.sleep(0)
    finally:
        delivering.cancel()


def nothing_in(folder: Path) -> bool:
    return not list(folder.iterdir())


def types(sent: list[bytes]) -> list[str]:
    return [parse_event(payload).type.value for payload in sent]


async def test_the_barrier_is_answered_and_the_files_are_those_that_the_ears_read(tmp_path: Path) -> None:
    (tmp_path / TRACE_ID).mkdir()
    async with calling(tmp_path) as (call, sent):
        call.record(24_000, 1)
        call.received(asked("trace"))
        call.received(asked("trace"))  # it is sent until it is answered
        call.received(asked("probe_ready"))
        reply = call.begin_reply()
        for _ in range(4):
            call.frame(FRAME)
        call.end_reply("completed")
        call.state("LISTENING", "AgentSession")
        call.received(asked("trace_end"))
        await asyncio.sleep(0.01)
    assert types(sent) == [
        "trace_ack",
        "trace_ack",
        "agent_ready",
        "reply_start",
        "reply_end",
        "agent_state",
        "trace_written",
    ]
    assert [parse_event(payload).seq for payload in sent] == list(range(7))
    assert parse_event(sent[-1]).data["files"] == ["pre_rtc.wav", "agent_trace.jsonl"]
    line = AgentTurnTrace.model_validate_json((tmp_path / TRACE_ID / "agent_trace.jsonl").read_text())
    assert line.pre_start_sample is not None
    assert line.pre_end_sample == line.pre_start_sample + 4 * 2_400
    assert line.t.first_publish == pytest.approx(reply.t["first_publish"], abs=0.01)
    audio = read_wav(tmp_path / TRACE_ID / "pre_rtc.wav")
    assert isinstance(audio, Audio)
    assert audio.samples[line.pre_start_sample + 100 : line.pre_end_sample - 100].min() > 0.2


async def test_of_two_sessions_in_a_room_one_is_measured_and_the_other_says_that_it_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / TRACE_ID).mkdir()
    async with calling(tmp_path) as (call, sent), calling(tmp_path) as (other, sent_by_other):
        for one in (call, other):
            one.record(24_000, 1)
            one.received(asked("trace"))
        for one, sound in ((call, FRAME), (other, b"\x00\x50" * 1_200)):
            one.begin_reply()
            for _ in range(4):
                one.frame(sound)
            one.end_reply("completed")
        for one in (call, other):
            one.received(asked("trace_end"))
        await asyncio.sleep(0.01)
    assert types(sent) == ["trace_ack", "reply_start", "reply_end", "trace_written"]
    assert sent_by_other == []
    assert "another session in this room is measured inside already" in caplog.text
    audio = read_wav(tmp_path / TRACE_ID / "pre_rtc.wav")
    assert isinstance(audio, Audio)
    assert 0.2 < audio.samples.max() < 0.4, "the other, at 0.6, is not in it"
    async with calling(tmp_path) as (later, sent):
        later.received(asked("trace"))
        await asyncio.sleep(0.01)
    assert types(sent) == ["trace_ack"], "whoever comes when the first has written is answered to"


async def test_a_greeting_ahead_of_the_trace_is_told_once_the_trace_has_come(tmp_path: Path) -> None:
    (tmp_path / TRACE_ID).mkdir()
    async with calling(tmp_path) as (call, sent):
        call.record(24_000, 1)
        began = call.begin_reply().t["first_publish"]
        call.frame(FRAME)
        await asyncio.sleep(0.02)
        assert sent == [], "nobody has asked"
        call.received(asked("trace"))
        call.frame(FRAME)
        call.end_reply("completed")
        call.received(asked("trace_end"))
        await asyncio.sleep(0.01)
    assert types(sent) == ["trace_ack", "reply_start", "reply_end", "trace_written"]
    assert parse_event(sent[1]).t_ms == pytest.approx(began, abs=1.0), "the time at which it happened"
    line = AgentTurnTrace.model_validate_json((tmp_path / TRACE_ID / "agent_trace.jsonl").read_text())
    assert line.pre_start_sample is not None, "its first frame is in the file"


async def test_an_interrupted_reply_ends_where_the_queue_was_dropped(tmp_path: Path) -> None:
    (tmp_path / TRACE_ID).mkdir()
    async with calling(tmp_path) as (call, _):
        call.record(24_000, 1)
        call.received(asked("trace"))
        call.begin_reply()
        for _ in range(10):
            call.frame(FRAME)
        call.dropped(0.2)
        call.end_reply("interrupted")
        call.finish()
    line = AgentTurnTrace.model_validate_json((tmp_path / TRACE_ID / "agent_trace.jsonl").read_text())
    assert line.cause is not None
    assert line.cause.value == "interrupted"
    assert line.t.cancel == line.t.reply_end
    assert line.pre_start_sample is not None
    assert line.pre_end_sample == line.pre_start_sample + 300 * 48


async def test_an_ordinary_call_sends_and_writes_nothing(tmp_path: Path) -> None:
    async with calling(tmp_path) as (call, sent):
        call.record(24_000, 1)
        call.received(asked("probe_ready"))
        call.received(asked("trace_end"))
        call.received(b"what a page says on this topic")
        call.state("SPEAKING", "AgentSession")
        call.begin_reply()
        call.frame(FRAME)
        call.end_reply("completed")
        call.finish()
        await asyncio.sleep(0.01)
    assert sent == []
    assert nothing_in(tmp_path)


async def test_a_call_in_which_the_agent_said_nothing_has_a_trace_without_lines(tmp_path: Path) -> None:
    (tmp_path / TRACE_ID).mkdir()
    async with calling(tmp_path) as (call, _):
        call.record(24_000, 1)
        call.received(asked("trace"))
        assert call.finish() == ["pre_rtc.wav", "agent_trace.jsonl"]
    assert (tmp_path / TRACE_ID / "agent_trace.jsonl").read_text() == ""


async def test_another_trace_in_the_same_call_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / TRACE_ID).mkdir()
    async with calling(tmp_path) as (call, sent):
        call.received(asked("trace"))
        call.received(asked("trace", "r-question-a2"))
        call.received(asked("trace_end", "r-question-a2"))
        await asyncio.sleep(0.01)
    assert types(sent) == ["trace_ack"]


async def test_without_its_folder_the_barrier_is_answered_and_nothing_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with calling(tmp_path) as (call, sent):
        call.record(24_000, 1)
        call.received(asked("trace"))
        call.received(asked("trace_end"))
        await asyncio.sleep(0.01)
    assert types(sent) == ["trace_ack", "trace_written"]
    assert parse_event(sent[-1]).data["files"] == []
    assert "there is no folder" in caplog.text
    assert nothing_in(tmp_path)


async def test_a_failure_to_send_is_logged_once_and_the_call_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def send(_: bytes) -> None:
        raise ConnectionError("the room is gone")

    call = Call(send, tmp_path, log)
    delivering = asyncio.create_task(call.deliver())
    call.received(asked("trace"))
    for _ in range(3):
        call.state("LISTENING", "AgentSession")
    await asyncio.sleep(0.01)
    assert not delivering.done()
    delivering.cancel()
    assert caplog.text.count("the room is gone") == 1


async def test_a_disk_that_is_full_costs_the_recording_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / TRACE_ID).mkdir()
    (tmp_path / TRACE_ID / "pre_rtc.wav").symlink_to("/dev/full")
    async with calling(tmp_path) as (call, sent):
        call.record(24_000, 1)
        call.received(asked("trace"))
        call.record(24_000, 1)
        call.begin_reply()
        call.frame(FRAME)
        call.frame(FRAME)
        call.end_reply("completed")
        call.received(asked("trace_end"))
        await asyncio.sleep(0.01)
    assert types(sent)[-1] == "trace_written"
    assert parse_event(sent[-1]).data["files"] == ["agent_trace.jsonl"]
    assert caplog.text.count("No space left") == 1


async def test_a_figure_that_json_does_not_hold_costs_the_trace_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / TRACE_ID).mkdir()
    async with calling(tmp_path) as (call, sent):
        call.record(24_000, 1)
        call.received(asked("trace"))
        call.begin_reply().claimed_ms = float("nan")
        call.frame(FRAME)
        call.received(asked("trace_end"))
        await asyncio.sleep(0.01)
    assert types(sent)[-1] == "trace_written"
    assert parse_event(sent[-1]).data["files"] == ["pre_rtc.wav"]
    assert [path.name for path in (tmp_path / TRACE_ID).iterdir()] == ["pre_rtc.wav"]
    assert "the trace is not written" in caplog.text


async def test_tools_are_told_of_and_what_is_long_is_cut_to_an_event(tmp_path: Path) -> None:
    async with calling(tmp_path) as (call, sent):
        call.tells_of_tools = True
        call.received(asked("trace"))
        call.tool("id-1", "book_table", '{"people": 2}', 5.0)
        call.tool_returned("id-1", 9.0, result="\u00e9\ud800" * 9_000)
        call.tool("id-2", "x" * 500, "\\" * 90_000, 10.0)
        call.tool_returned("id-2", 11.0, error="\x01" * 90_000)
        await asyncio.sleep(0.01)
    ack, began, ended, *long = [parse_event(payload) for payload in sent]
    assert ack.data == {"tools": True}
    assert (began.type.value, began.t_ms, began.data["arguments"]) == ("tool_start", 5.0, '{"people": 2}')
    assert (ended.type.value, ended.t_ms) == ("tool_end", 9.0)
    assert len(ended.data["result"]) > 600
    assert [event.type.value for event in long] == ["tool_start", "tool_end"]
