"""Do the user's, the agent's and the probe's records of an attempt join on its trace_id?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.model.capture import AgentUnderTest, Manifest
from harness.nightly.joins import joins
from tests.judge import canned

TRACE = "r-c-a1"
ALL = ("mic.wav", "ear.wav", "post_rtc.wav", "post_user.wav")
TOLD = ("trace_ack", "probe_ready", "reply_start")


def capture(
    folder: Path, *, events: tuple[str, ...] = TOLD, of: str = TRACE, traces: tuple[str, ...] = (TRACE,), **told: Any
) -> Manifest:
    rows = [{"event": {"type": kind, "trace_id": of}} for kind in events]
    (folder / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"torn')
    (folder / "agent_trace.jsonl").write_text("".join(json.dumps({"trace_id": t}) + "\n" for t in traces))
    return canned.manifest("c").model_copy(update={"files": dict.fromkeys(ALL, 1), **told})


def test_a_whole_capture_joins(tmp_path: Path) -> None:
    assert joins(tmp_path, capture(tmp_path))


@pytest.mark.parametrize("missing", ["mic.wav", "post_rtc.wav"])
def test_without_the_users_or_the_probes_recording_it_does_not(tmp_path: Path, missing: str) -> None:
    manifest = capture(tmp_path, files={name: 1 for name in ALL if name != missing})
    assert not joins(tmp_path, manifest)


def test_a_bots_voice_is_what_the_probe_recorded_of_it(tmp_path: Path) -> None:
    assert joins(tmp_path, capture(tmp_path, lane="bot", files=dict.fromkeys(("post_rtc.wav", "post_user.wav"), 1)))


@pytest.mark.parametrize(
    "told",
    [
        {"events": ("probe_ready", "reply_start")},
        {"events": ("trace_ack", "reply_start")},
        {"of": "r-c-a2"},
        {"traces": ("r-c-a2",)},
        {"traces": (TRACE, "r-c-a2")},
        {"traces": ()},
    ],
    ids=["not adopted", "not heard", "events of another", "agent's of another", "agent's mixed", "agent's missing"],
)
def test_an_instrumented_agents_records_must_be_of_this_trace(tmp_path: Path, told: dict[str, Any]) -> None:
    assert not joins(tmp_path, capture(tmp_path, **told))


def test_of_an_agent_that_knows_no_events_only_its_sound_is_asked(tmp_path: Path) -> None:
    agent = AgentUnderTest(kind="room")
    assert joins(tmp_path, capture(tmp_path, events=(), traces=(), agent=agent))


def test_a_call_to_which_nobody_was_to_reply_needs_no_trace_of_a_reply(tmp_path: Path) -> None:
    assert joins(tmp_path, capture(tmp_path, events=("trace_ack", "probe_ready"), traces=()))
