"""Taking run folders into the history: nothing twice, nothing silently left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.history.database import open_history
from harness.history.environment import case_hash
from harness.history.ingest import ingest_run
from harness.history.reading import gates_of, left_out, read_run, turn_values
from harness.model.case import SpokenUtterance, Truth
from tests.history import made


def test_a_run_folder_is_taken_in_once_however_often_it_is_given(tmp_path: Path) -> None:
    folder = made.run_folder(tmp_path / "r", "r", [450.0, 460.0, 470.0])
    with open_history(tmp_path / "h.sqlite") as history:
        assert ingest_run(history, folder).attempts == {"added": 3}
        assert ingest_run(history, folder).attempts == {"unchanged": 3}
        with history.reading() as session:
            run = read_run(session, "r")
            assert (run.n_attempts, run.complete, run.suite) == (3, True, "fast")
            assert len(turn_values(session, ["r"], ["user_kpi_raw_ms"])) == 3
            gates = gates_of(session, "r")
            assert len(gates) == len({gate.gate_id for gate in gates}) > 20


def test_a_run_that_was_heard_again_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        ingest_run(history, made.run_folder(tmp_path / "a", "r", [450.0, 460.0]))
        assert ingest_run(history, made.run_folder(tmp_path / "b", "r", [450.0, 461.0])).attempts == {
            "unchanged": 1,
            "replaced": 1,
        }
        with history.reading() as session:
            assert [v.value for v in turn_values(session, ["r"], ["user_kpi_raw_ms"])] == [450.0, 461.0]


def test_a_run_that_was_killed_is_judged_from_its_captures_and_is_unfinished(tmp_path: Path) -> None:
    folder = made.run_folder(tmp_path / "r", "r", [450.0], with_summary=False)
    with open_history(tmp_path / "h.sqlite") as history:
        ingest_run(history, folder)
        with history.reading() as session:
            run = read_run(session, "r")
            assert (run.status, run.n_attempts) == (None, 1)


def test_a_capture_that_was_not_measured_is_left_out_by_name(tmp_path: Path) -> None:
    folder = made.run_folder(tmp_path / "r", "r", [450.0, 460.0], with_summary=False)
    (folder / "captures" / "r-c01-a1" / "measurement.json").unlink()
    with open_history(tmp_path / "h.sqlite") as history:
        done = ingest_run(history, folder)
    assert done.attempts == {"added": 1}
    (problem,) = done.problems
    assert "r-c01-a1: was not measured" in problem


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        with pytest.raises(UsageError, match="no run folder"):
            ingest_run(history, tmp_path)


def test_a_summary_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = made.run_folder(tmp_path / "r", "r", [450.0])
    (folder / "summary.json").write_text(json.dumps({"run_id": 3}))
    with open_history(tmp_path / "h.sqlite") as history:
        with pytest.raises(UsageError, match=r"summary\.json: cannot be read"):
            ingest_run(history, folder)


def test_a_number_that_is_not_to_be_believed_is_kept_but_does_not_count(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        folder = made.run_folder(tmp_path / "r", "r", [450.0, 460.0], with_summary=False)
        doubted = made.measured("r", "c01", 460.0, valid=False)
        (folder / "captures" / "r-c01-a1" / "measurement.json").write_text(doubted.model_dump_json())
        ingest_run(history, folder)
        with history.reading() as session:
            assert [v.value for v in turn_values(session, ["r"], ["user_kpi_raw_ms"])] == [450.0]
            assert left_out(session, ["r"], "user_kpi_raw_ms") == 1


def truth(**fields: object) -> Truth:
    spoken = SpokenUtterance(start_sample=100, end_sample=200, text="hello")
    known = {"case_id": "c", "n_samples": 300, "sha256": "a" * 64, "source": "recipe", "utterances": [spoken]}
    return Truth.model_validate({**known, **fields})


def test_the_hash_of_a_case_is_of_what_it_says_not_of_what_it_is_called() -> None:
    assert case_hash(truth()) == case_hash(truth(case_id="renamed"))
    assert case_hash(truth()) != case_hash(truth(sha256="b" * 64))
    moved = SpokenUtterance(start_sample=101, end_sample=200, text="hello")
    assert case_hash(truth()) != case_hash(truth(utterances=[moved]))
