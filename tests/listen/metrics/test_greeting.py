"""The greeting is timed from the user's joining, its words and its head are held to what the case asks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.judge.verdict import judge_attempt
from harness.listen.measure import listen
from harness.model import capture
from harness.model.capture import Happening, read_manifest, write_manifest
from harness.model.case import Case
from harness.model.measurement import Measurement
from harness.model.status import CaptureStatus, Status
from harness.model.verdict import GateResult
from tests.listen.captures import T0_MONO_MS, Call, Change, Replied, Said, hole, silence, speech
from tests.listen.place.test_first_speech import keys
from tests.listen.place.test_turns import ANSWER, QUESTION, call

GREETING = Replied(400, speech(1_500, 3))
JOINED_MS = -300.0  # from the start of the user's recording
NO_DATA, PASS, FAIL = Status.NO_DATA, Status.PASS, Status.FAIL


def told(at_ear: Change) -> Call:
    """An agent that tells of its replies and gives its PCM."""
    replies = [replace(GREETING, at_ear=at_ear), replace(ANSWER, told=True)]
    return Call(said=[QUESTION], replies=replies, total_ms=14_000.0)


def heard(
    folder: Path, made: Call, *, joined_ms: float | None = JOINED_MS, words: str = "", **asked: Any
) -> tuple[Measurement, dict[str, GateResult]]:
    """`asked`: the case's greeting."""
    made = replace(made, case=made.case | ({"greeting": asked} if asked else {}))
    where = made.write(folder / "capture")
    joined = None if joined_ms is None else T0_MONO_MS + joined_ms
    manifest = read_manifest(where).model_copy(update={"joined_mono_ms": joined})
    write_manifest(where, manifest)
    if words:
        row = {"way": "stream", "speaker": "agent", "segment_id": "1", "text": words, "final": True,
               "t_first_mono_ms": T0_MONO_MS + 420, "t_last_mono_ms": T0_MONO_MS + 900}  # fmt: skip
        (where / capture.TRANSCRIPT).write_text(json.dumps(row) + "\n")
    return judged(where)


def judged(where: Path) -> tuple[Measurement, dict[str, GateResult]]:
    measurement = listen(where)
    case = Case.model_validate_json((where / capture.CASE).read_text())
    verdict = judge_attempt(case, read_manifest(where), measurement, "captures/x")
    return measurement, {gate.gate_id: gate for gate in verdict.gates}


@pytest.mark.parametrize("lane", ["browser", "bot"])
@pytest.mark.parametrize(("within_ms", "status"), [(720, PASS), (680, FAIL)])
def test_a_greeting_is_timed_from_the_users_joining(
    tmp_path: Path, lane: str, within_ms: float, status: Status
) -> None:
    measurement, gates = heard(tmp_path, call(GREETING, ANSWER, lane=lane), within_ms=within_ms)
    assert measurement.metrics["greeting_ms"].value == pytest.approx(700, abs=4)
    assert (gates["greeting"].status, gates["greeting_within"].status) == (PASS, status)
    assert gates["greeting_within"].threshold == within_ms
    said = "the agent spoke first, for 1.5 s, 0.70 s after the user had joined (0.41 s after its audio had come)"
    assert measurement.happenings == [said]


def test_a_greeting_is_timed_to_its_first_word_and_not_to_the_keys_ahead_of_it(tmp_path: Path) -> None:
    sound = np.concatenate([keys(600, -15), silence(100), GREETING.sound])
    metrics = heard(tmp_path, call(Replied(400, sound), ANSWER))[0].metrics
    assert metrics["greeting_ms"].value == pytest.approx(1_400, abs=6)
    assert metrics["greeting_first_sound_ms"].value == pytest.approx(700, abs=6)


def test_a_call_that_does_not_say_when_the_user_joined_has_no_time_of_its_greeting(tmp_path: Path) -> None:
    """As every capture that was made before it was kept."""
    where = call(GREETING, ANSWER, case={"greeting": {"within_ms": 5_000}}).write(tmp_path / "capture")
    kept = json.loads((where / capture.MANIFEST).read_text())
    del kept["joined_mono_ms"]
    (where / capture.MANIFEST).write_text(json.dumps(kept))
    measurement, gates = judged(where)
    assert measurement.happenings == ["the agent spoke first, for 1.5 s"]
    assert gates["greeting_within"].status is NO_DATA
    assert gates["greeting_within"].reason == "when the user joined is not known: manifest.json has no joined_mono_ms"


def test_a_greeting_that_is_asked_for_and_does_not_come_fails_and_its_other_gates_have_no_data(tmp_path: Path) -> None:
    _, gates = heard(tmp_path, call(ANSWER), within_ms=5_000, says=["hello"], lost_head=False)
    assert gates["greeting"].status is FAIL
    for gate in ("greeting_within", "greeting_says", "greeting_lost_head"):
        assert (gates[gate].status, gates[gate].reason) == (
            NO_DATA,
            "no greeting was heard before the user's first word",
        )


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        ("Hello! Fourteen people are ahead of you.", PASS, ""),
        ("Hello!", FAIL, "'14 people' is not in the agent's own text: 'Hello!'"),
        ("", NO_DATA, "the agent published no words of its greeting"),
    ],
)
def test_the_words_of_a_greeting_are_what_the_agent_published_ahead_of_the_users_turn(
    tmp_path: Path, words: str, status: Status, reason: str
) -> None:
    measurement, gates = heard(tmp_path, call(GREETING, ANSWER), words=words, says=["hello", "14 people"])
    assert gates["greeting_says"].status is status
    assert gates["greeting_says"].reason.startswith(reason)
    assert (f"its words, as it published them: {words!r}" in measurement.happenings[0]) == bool(words)


@pytest.mark.parametrize(("lost_ms", "status"), [(0, PASS), (15, PASS), (60, FAIL), (400, FAIL)])
def test_a_greeting_whose_first_word_is_cut_at_the_ear_fails(tmp_path: Path, lost_ms: float, status: Status) -> None:
    measurement, gates = heard(tmp_path, told(lambda x: hole(x, 0, lost_ms)), lost_head=False)
    assert gates["greeting_lost_head"].status is status
    assert measurement.metrics["greeting_head_lost_ms"].value == pytest.approx(lost_ms, abs=10)


@pytest.mark.parametrize(("lost_ms", "status"), [(0, NO_DATA), (60, FAIL), (350, FAIL)])
def test_without_the_agents_own_sound_a_cut_may_be_seen_and_a_whole_word_never_is(
    tmp_path: Path, lost_ms: float, status: Status
) -> None:
    greeting = replace(GREETING, at_ear=lambda x: hole(x, 0, lost_ms))
    _, gates = heard(tmp_path, call(greeting, ANSWER), lost_head=False)
    gate = gates["greeting_lost_head"]
    assert gate.status is status
    assert ("the ear has all that the second listener heard: the agent is not instrumented" in gate.reason) == (
        not lost_ms
    )
    _, gates = heard(tmp_path / "bot", call(greeting, ANSWER, lane="bot"), lost_head=False)
    assert gates["greeting_lost_head"].status is NO_DATA


def test_what_was_said_before_the_user_had_joined_is_lost_to_the_user(tmp_path: Path) -> None:
    measurement, gates = heard(tmp_path, call(GREETING, ANSWER), joined_ms=600.0, within_ms=1_000, lost_head=False)
    assert measurement.metrics["greeting_head_lost_ms"].value == pytest.approx(200, abs=4)
    assert gates["greeting_lost_head"].status is FAIL
    assert "before the user had joined" in measurement.happenings[0]


def test_in_a_call_in_which_nobody_speaks_the_greeting_is_all_that_is_asked(tmp_path: Path) -> None:
    made = call(GREETING, said=[], status=CaptureStatus.NO_REPLY_EXPECTED)
    asked = {"within_ms": 1_000, "says": ["hello"]}
    where = replace(made, case={"expect_reply": False, "greeting": asked}).write(tmp_path / "capture")
    noted = Happening(kind="greeting", detail="it greeted", t_mono_ms=T0_MONO_MS + 420, duration_ms=1_450)
    row = {"way": "stream", "speaker": "agent", "segment_id": "1", "text": "Hello!", "final": True,
           "t_first_mono_ms": T0_MONO_MS + 420, "t_last_mono_ms": T0_MONO_MS + 900}  # fmt: skip
    (where / capture.TRANSCRIPT).write_text(json.dumps(row) + "\n")
    changed = {"joined_mono_ms": T0_MONO_MS + JOINED_MS, "happenings": [noted]}
    write_manifest(where, read_manifest(where).model_copy(update=changed))
    measurement, gates = judged(where)
    asked_of = ("greeting", "greeting_within", "greeting_says", "no_reply")
    assert {gate: gates[gate].status for gate in asked_of} == dict.fromkeys(asked_of, PASS)
    assert [turn.greeting for turn in measurement.turns] == [True]


def test_a_case_that_asks_nothing_of_a_greeting_is_not_judged_by_it(tmp_path: Path) -> None:
    measurement, gates = heard(tmp_path, call(ANSWER))
    assert {name for name in measurement.metrics if name.startswith("greeting_")} == {"greeting_count"}
    assert not {name for name in gates if name.startswith("greeting")}


def test_the_second_of_two_sounds_is_not_the_greetings_time(tmp_path: Path) -> None:
    again = Said(9_000.0, speech(1_000, 8))
    measurement, _ = heard(tmp_path, call(Replied(300, speech(900, 3)), Replied(2_500, speech(700, 4)), ANSWER,
                                          Replied(again.end_ms + 700, speech(900, 5)), said=[QUESTION, again]))  # fmt: skip
    assert measurement.metrics["greeting_ms"].value == pytest.approx(600, abs=4)
