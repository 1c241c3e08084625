"""Calls of a beacon whose every delay is made: what is heard of them, and what a jitter buffer does to the count."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UsageError
from harness.prove.beacon_case import CHIRP_TO_SPEECH_MS, D0_MS, chirp
from harness.prove.beacon_listening import BEACON_TRUTH, BeaconTurn, hear_call, matched, read_truth
from harness.prove.calibrate import PLAYED, RECORD, hear_again
from harness.prove.calibration_record import Setting, figures
from harness.prove.calibration_report import REPORT
from tests.listen.captures import PER_MS, T0_MONO_MS, Call, Replied, Said, Samples, hole, ms, silence, speech, stretch

FLOOR_MS, UP_MS = 150.0, 70.0  # of the made path; the rest of the floor is on the way down
DELAYS_MS = (950.0, 1_437.25, 1_800.5)
LEAD_MS = 160.0


def answer(rising: bool, seed: int) -> Samples:
    x = silence(CHIRP_TO_SPEECH_MS + 200)
    sweep = chirp(rising).astype(np.float32)
    x[: len(sweep)] = sweep
    x[ms(CHIRP_TO_SPEECH_MS) :] = speech(200, seed)
    return x


def beacon_call() -> Call:
    call = Call(total_ms=12_000.0)
    for turn, d_ms in enumerate(DELAYS_MS):
        question = Said(500.0 + 3_600.0 * turn, speech(700, turn + 1))
        call.said.append(question)
        for number, delay_ms in enumerate((D0_MS, d_ms)):
            call.replies.append(
                Replied(
                    at_ms=question.end_ms + FLOOR_MS + delay_ms,
                    sound=answer((turn + number) % 2 == 0, 20 + 2 * turn + number),
                    lead_ms=0.0,
                    lag_ms=FLOOR_MS - UP_MS,
                )
            )
    return call


def write(call: Call, folder: Path, late_ms: float = 1.0) -> Path:
    call.write(folder)
    rows, position = [], 0
    for seq, reply in enumerate(call.replies):
        said = call.said[seq // 2]
        position += ms(240)
        rows.append(
            {
                "reply_seq": seq,
                "utterance": seq // 2,
                "injected_ms": (D0_MS, DELAYS_MS[seq // 2])[seq % 2],
                "published_sample": position,
                "speech_sample": position + ms(CHIRP_TO_SPEECH_MS),
                "word": f"word {seq}",
                "rising": (seq // 2 + seq) % 2 == 0,
                "published_mono_ms": T0_MONO_MS + reply.at_ms - reply.lag_ms,
                "heard_end_mono_ms": T0_MONO_MS + said.end_ms + UP_MS,
                "late_ms": late_ms,
            }
        )
        position += len(reply.sound) + ms(30)
    (folder / BEACON_TRUTH).write_text(json.dumps({"version": 1, "lead_ms": LEAD_MS, "answers": rows}))
    return folder


def heard(call: Call, folder: Path, late_ms: float = 1.0) -> list[BeaconTurn]:
    return hear_call(write(call, folder, late_ms), DELAYS_MS, D0_MS)


def test_known_delays_are_measured_as_they_are(tmp_path: Path) -> None:
    turns = heard(beacon_call(), tmp_path / "c")
    assert [turn.d_ms for turn in turns] == list(DELAYS_MS)
    for turn in turns:
        assert turn.doubt == ""
        assert not turn.stepped
        assert turn.error_ms == pytest.approx(0, abs=1.5)
        assert turn.step_ms == pytest.approx(0, abs=0.1)
        assert turn.floor_ms == pytest.approx(FLOOR_MS, abs=2)
        assert turn.up_ms == pytest.approx(UP_MS, abs=0.5)
        assert turn.down_ms == pytest.approx(FLOOR_MS - UP_MS, abs=0.5)
        assert turn.first is not None
        assert turn.first.speech_error_ms == pytest.approx(0, abs=1.5)


def test_the_floor_is_the_sum_of_its_parts(tmp_path: Path) -> None:
    for turn in heard(beacon_call(), tmp_path / "c"):
        assert turn.first is not None
        assert turn.first.chirp_error_ms is not None
        assert turn.up_ms is not None
        assert turn.down_ms is not None
        assert turn.floor_ms == pytest.approx(turn.up_ms + turn.down_ms + turn.first.chirp_error_ms, abs=0.05)


def test_the_matched_filter_is_exact_to_a_fraction_of_a_sample() -> None:
    x = np.zeros(20_000)
    sweep = chirp(True)
    at = 7_123.4
    t = np.arange(len(x)) - at
    x += np.interp(t, np.arange(len(sweep)), sweep, left=0, right=0)
    found = matched(sweep, x)
    assert found is not None
    assert found[0] == pytest.approx(at, abs=0.1)
    assert found[1] > 0.95
    assert matched(sweep, np.zeros(10)) is None


def test_a_step_of_the_jitter_buffer_between_the_answers_is_reported_apart(tmp_path: Path) -> None:
    call = beacon_call()
    call.replies[3] = replace(call.replies[3], at_ms=call.replies[3].at_ms + 10.0, lag_ms=call.replies[3].lag_ms + 10.0)
    turns = heard(call, tmp_path / "c")
    assert [turn.stepped for turn in turns] == [False, True, False]
    assert turns[1].step_ms == pytest.approx(10, abs=0.2)
    assert turns[1].error_ms == pytest.approx(10, abs=1.5), "the error is computed all the same"
    setting = Setting("browser", 1, turns)
    assert (len(setting.steady), len(setting.stepped)) == (2, 1)


def test_a_stretch_between_chirp_and_word_moves_the_truth_with_the_word(tmp_path: Path) -> None:
    call = beacon_call()
    call.replies[0] = replace(call.replies[0], at_ear=lambda x: stretch(x, 80.0, 10.0))
    turn = heard(call, tmp_path / "c")[0]
    assert turn.first is not None
    assert turn.first.stretched_ms == pytest.approx(10, abs=0.5)
    assert turn.first.speech_error_ms == pytest.approx(0, abs=1.5)


def test_an_answer_that_was_torn_is_no_steady_turn(tmp_path: Path) -> None:
    call = beacon_call()
    call.replies[2] = replace(call.replies[2], at_ear=lambda x: hole(x, 90.0, 260.0))
    turn = heard(call, tmp_path / "c")[1]
    assert turn.first is not None
    assert turn.first.torn
    assert turn.stepped


def test_a_beacon_that_was_late_itself_is_not_counted(tmp_path: Path) -> None:
    turns = heard(beacon_call(), tmp_path / "c", late_ms=LEAD_MS)
    assert all("late" in turn.doubt for turn in turns)
    assert not Setting("browser", 1, turns).counted


def test_a_turn_that_the_beacon_did_not_hear_is_accounted_for(tmp_path: Path) -> None:
    folder = write(beacon_call(), tmp_path / "c")
    raw = json.loads((folder / BEACON_TRUTH).read_text())
    raw["answers"] = raw["answers"][:4]
    (folder / BEACON_TRUTH).write_text(json.dumps(raw))
    found = figures(Setting("browser", 1, hear_call(folder, DELAYS_MS, D0_MS)))
    assert (found.planned, found.steady, found.stepped, found.missed) == (3, 2, 0, 0)
    assert sum(found.doubted.values()) == 1


@pytest.mark.parametrize("text", ["", "{}", '{"version": 9, "answers": []}', '{"version": 1, "answers": [{}]}'])
def test_a_truth_that_cannot_be_read_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / BEACON_TRUTH).write_text(text)
    with pytest.raises(UsageError, match="beacon"):
        read_truth(tmp_path)


def test_without_a_truth_every_turn_is_in_doubt(tmp_path: Path) -> None:
    folder = beacon_call().write(tmp_path / "c")
    turns = hear_call(folder, DELAYS_MS, D0_MS)
    assert len(turns) == 3
    assert all(turn.doubt for turn in turns)


def test_positions_are_in_ms_of_the_ring(tmp_path: Path) -> None:
    call = beacon_call()
    turn = heard(call, tmp_path / "c")[0]
    assert turn.first is not None
    assert turn.first.chirp_ms == pytest.approx(call.replies[0].at_ms, abs=2 / PER_MS * 10)


def test_a_calibration_is_heard_again_from_its_folder_to_the_byte(tmp_path: Path) -> None:
    write(beacon_call(), tmp_path / "captures" / "t-made-a1")
    call = {"trace_id": "t-made-a1", "d_ms": DELAYS_MS}
    setting = {"lane": "browser", "sessions": 2, "load": [0.5, 1.0], "calls": [call]}
    about = {"version": 1, "run_id": "run", "started_at": "then", "seed": 1, "interrupted": False}
    (tmp_path / PLAYED).write_text(json.dumps({**about, "settings": [setting]}))
    first = hear_again(tmp_path)
    assert [len(s.turns) for s in first.settings] == [len(DELAYS_MS)]
    assert first.figures[0].load == (0.5, 1.0)
    written = (tmp_path / RECORD).read_text()
    assert hear_again(tmp_path).to_json() == written
    assert (tmp_path / REPORT).exists()


def test_what_is_no_calibration_cannot_be_heard(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="played"):
        hear_again(tmp_path)
