"""What happened in a call that is no fault by itself: counted, named, and judged as the case wants it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.judge.verdict import judge_attempt
from harness.listen.measure import listen
from harness.model.capture import Happening, HappeningKind, read_manifest, write_manifest
from harness.model.case import Case
from harness.model.measurement import Measurement
from harness.model.status import CaptureStatus, Status
from harness.model.verdict import GateResult
from tests.listen.captures import T0_MONO_MS, Call, Replied, Said, silence, speech
from tests.listen.place.test_bed import noise
from tests.listen.place.test_turns import ANSWER, call

GREETING = Replied(400, speech(1_500, 3))


def happened(kind: HappeningKind, detail: str = "", at_ms: float = 0.0, duration_ms: float | None = None) -> Happening:
    return Happening(kind=kind, detail=detail, t_mono_ms=T0_MONO_MS + at_ms, duration_ms=duration_ms)


def heard(folder: Path, made: Call, *happenings: Happening) -> tuple[Measurement, dict[str, GateResult]]:
    capture = made.write(folder / "capture")
    manifest = read_manifest(capture).model_copy(update={"happenings": list(happenings)})
    write_manifest(capture, manifest)
    measurement = listen(capture)
    case = Case.model_validate_json((capture / "case.json").read_text())
    verdict = judge_attempt(case, manifest, measurement, "captures/x")
    return measurement, {gate.gate_id: gate for gate in verdict.gates}


@pytest.mark.parametrize(
    ("kind", "gate", "detail"),
    [
        ("hung_up", "hung_up", "the agent left the room 0.5 s after its last reply"),
        ("reopened", "reopened", "the agent spoke again after 5.6 s of silence, when its turn was over"),
    ],
)
def test_what_happened_warns_in_its_own_words(tmp_path: Path, kind: HappeningKind, gate: str, detail: str) -> None:
    _, gates = heard(tmp_path, call(ANSWER), happened(kind, detail))
    assert gates[gate].status is Status.WARN
    assert gates[gate].reason == detail


def test_without_anything_of_it_the_gates_hold(tmp_path: Path) -> None:
    _, gates = heard(tmp_path, call(ANSWER))
    assert {gates[name].status for name in ("hung_up", "reopened", "bed")} == {Status.PASS}


def test_a_hang_up_that_the_case_expects_is_no_warning(tmp_path: Path) -> None:
    measurement, gates = heard(tmp_path, call(ANSWER, case={"hangup": "expected"}), happened("hung_up", "it left"))
    assert gates["hung_up"].status is Status.PASS
    assert measurement.metrics["hung_up_count"].reason == "it left, as expected"


def test_coming_back_is_noted_and_judged_by_no_gate(tmp_path: Path) -> None:
    measurement, gates = heard(tmp_path, call(ANSWER), happened("came_back", "the agent left and came back"))
    assert measurement.metrics["came_back_count"].value == 1
    assert not any(gate.title.startswith("times the agent left and came back") for gate in gates.values())


def test_a_greeting_that_is_required_and_missing_fails(tmp_path: Path) -> None:
    _, gates = heard(tmp_path, call(ANSWER, case={"greeting": "required"}))
    assert gates["greeting"].status is Status.FAIL
    assert gates["greeting"].reason == "no greeting was heard before the user's first word"


def test_a_greeting_that_is_required_and_comes_passes(tmp_path: Path) -> None:
    _, gates = heard(tmp_path, call(GREETING, ANSWER, case={"greeting": "required"}))
    assert gates["greeting"].status is Status.PASS


@pytest.mark.parametrize(("rule", "unexpected"), [(None, 0), ("auto", 0), ("none", 1)])
def test_a_greeting_is_unexpected_only_where_the_case_says_so(
    tmp_path: Path, rule: str | None, unexpected: int
) -> None:
    made = call(GREETING, ANSWER, case={} if rule is None else {"greeting": rule})
    measurement, gates = heard(tmp_path, made)
    assert measurement.metrics["unexpected_onset_count"].value == unexpected
    assert ("no_reply" in gates) == (rule == "none")
    assert not unexpected or gates["no_reply"].status is Status.FAIL


@pytest.mark.parametrize(("at_ms", "unexpected"), [(400, 0), (6_000, 1)])
def test_where_nobody_speaks_a_greeting_is_told_from_what_came_of_itself(
    tmp_path: Path, at_ms: float, unexpected: int
) -> None:
    made = call(
        Replied(at_ms, speech(1_500, 3)), said=[], case={"expect_reply": False}, status=CaptureStatus.NO_REPLY_EXPECTED
    )
    measurement, _ = heard(tmp_path, made, happened("greeting", "the agent spoke first", 420, 1_450))
    assert measurement.metrics["unexpected_onset_count"].value == unexpected


def test_what_the_live_half_took_for_a_greeting_and_was_music_is_not_told_as_one(tmp_path: Path) -> None:
    other = happened("others", "someone was in the room too")
    measurement, _ = heard(tmp_path, call(ANSWER), happened("greeting", "the agent spoke first, for 1.0 s"), other)
    assert measurement.happenings == ["someone was in the room too"]


def test_a_reply_sooner_than_any_agent_can_answer_is_not_believed(tmp_path: Path) -> None:
    said = Said(4_000, speech(1_200, 1))
    measurement, gates = heard(tmp_path, call(Replied(said.end_ms + 90, speech(1_600, 2)), said=[said]))
    kpi = measurement.turns[0].metrics["user_kpi_ms"]
    assert kpi.invalid
    assert kpi.reason.startswith("90 ms is sooner than any agent can know that the user is done (150 ms)")
    assert measurement.turns[0].metrics["kpi_plausible"].value == 0
    assert gates["eot_to_first_audio"].status is Status.INVALID


def test_a_reply_sooner_than_the_hangover_that_is_declared_is_not_believed(tmp_path: Path) -> None:
    said = Said(4_000.0, speech(1_200, 1))
    made = call(Replied(said.end_ms + 361, speech(1_600, 2)), said=[said])
    made.agent = made.agent.model_copy(update={"vad_hangover_ms": 500.0})
    measurement, _ = heard(tmp_path, made)
    kpi = measurement.turns[0].metrics["user_kpi_ms"]
    assert kpi.invalid
    assert "361 ms is below the agent's own hangover of 500 ms" in kpi.reason


def test_an_agent_as_fast_as_a_person_is_believed(tmp_path: Path) -> None:
    said = Said(4_000, speech(1_200, 1))
    measurement, _ = heard(tmp_path, call(Replied(said.end_ms + 200, speech(1_600, 2)), said=[said]))
    assert not measurement.turns[0].metrics["user_kpi_ms"].invalid


def interrupted(after_ms: float, **changes: Any) -> Call:
    """The user speaks into a reply of a stranger, which goes on for `after_ms`, and then answers."""
    first, again = Said(500, speech(1_200, 1)), Said(4_200, speech(1_500, 4))
    story = Replied(first.end_ms + 600, speech(again.at_ms - first.end_ms - 600 + after_ms, 5))
    last = Replied(again.at_ms + max(after_ms, 1_500) + 900, speech(900, 6))
    return call(story, last, said=[first, again], total_ms=20_000.0, case={"interrupts": True} | changes)


def test_an_agent_that_ignores_an_interruption_fails_in_these_words(tmp_path: Path) -> None:
    measurement, gates = heard(tmp_path, interrupted(8_000))
    assert measurement.turns[1].metrics["barge_in_to_silence_ms"].value == pytest.approx(8_000, abs=10)
    for name in ("talked_on", "barge_in_to_silence"):
        assert gates[name].reason.endswith("talked on 8.0 s after the interruption")
    assert gates["talked_on"].status is Status.FAIL


def test_an_agent_that_ignores_an_interruption_and_pauses_for_breath_talks_on_all_the_same(tmp_path: Path) -> None:
    """Nothing in the recording says that what follows the pause is no answer; but it had not stopped when the user had."""
    first, again = Said(500, speech(1_200, 1)), Said(4_200, speech(1_300, 4))
    begin = first.end_ms + 600
    story = np.concatenate([speech(5_500, 5), silence(350), speech(2_000, 6), silence(450), speech(1_500, 7)])
    made = call(Replied(begin, story), said=[first, again], total_ms=16_000.0, case={"interrupts": True})
    measurement, gates = heard(
        tmp_path, made, happened("talked_on", "the agent talked on 3.6 s after the interruption")
    )
    assert measurement.turns[1].metrics["user_kpi_ms"].value is None
    talked_on = f"the agent talked on {(begin + len(story) / 48 - again.at_ms) / 1e3:.1f} s after the interruption"
    assert gates["talked_on"].reason == talked_on
    assert measurement.happenings == [talked_on]


def test_an_agent_that_stops_soon_after_the_interruption_and_answers_it_is_heard_to_answer(tmp_path: Path) -> None:
    first, again = Said(500, speech(1_200, 1)), Said(4_200, speech(1_000, 4))
    begin = first.end_ms + 600
    story = Replied(begin, speech(again.end_ms + 400 - begin, 5))
    answer = Replied(again.end_ms + 400 + 500, speech(1_200, 6))
    made = call(story, answer, said=[first, again], total_ms=12_000.0, case={"interrupts": True})
    measurement, _ = heard(tmp_path, made)
    assert measurement.turns[1].metrics["user_kpi_ms"].value == pytest.approx(900, abs=5)


def test_an_agent_that_heeds_an_interruption_slowly_is_warned_of(tmp_path: Path) -> None:
    _, gates = heard(tmp_path, interrupted(900))
    assert gates["talked_on"].status is Status.PASS
    assert gates["barge_in_to_silence"].status is Status.WARN


def test_a_bed_is_a_warning_that_says_how_loud_it_is(tmp_path: Path) -> None:
    bed = noise(12_500.0, -45.0)
    answer = speech(1_600, 2)
    first = round((ANSWER.at_ms - 1_500) * 48)
    bed[first : first + len(answer)] += answer
    measurement, gates = heard(tmp_path, call(Replied(1_500, bed)))
    assert gates["bed"].status is Status.WARN
    # white noise of −45 dBFS, of which the codec keeps the lower half
    assert "continuous background at −48 dBFS under the agent's voice" in gates["bed"].reason
    assert not [gate for gate in gates.values() if gate.status is Status.FAIL]
    assert measurement.metrics["bed_ear_dbfs"].value == pytest.approx(-48, abs=1)


def test_an_agent_that_tells_its_replies_has_its_noise_measured_between_them(tmp_path: Path) -> None:
    told = Replied(2_200, speech(900, 3))
    measurement, gates = heard(tmp_path, Call(said=[Said(500, speech(1_200, 1))], replies=[told]))
    assert measurement.metrics["bed_dbfs"].not_applicable
    assert measurement.metrics["noise_floor_dbfs"].value is not None
    assert gates["bed"].status is Status.NOT_APPLICABLE
