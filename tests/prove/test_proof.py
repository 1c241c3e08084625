"""The proof adds up: what was done is not done again, what other ears heard does not count, rates say how sure they are."""

from pathlib import Path

import numpy as np
import pytest

from harness.errors import UsageError
from harness.prove.catalogue import BY_ID
from harness.prove.proof_report import interval, rate_text, summarise, verdict_of, write_proof
from harness.prove.prove import check_folder, make_wanted, named_faults, prove_offline_in
from harness.prove.trials import TRIALS, Trial, append_trials, not_arrived, read_trials, whole_call_trial
from tests.judge.canned import measurement


def trial(**changes: object) -> Trial:
    fields = {
        "form": "live", "fault": "hole", "severity": 40.0, "where": "post", "lane": "browser", "trace_id": "t", "reply": 0,
        "fired": ["audible_dropout"], "born": ["in_rtc"], "ears": "mine",
        "readings": {"audible_dropout": 40.0},
    }  # fmt: skip
    return Trial.model_validate({**fields, **changes})


def test_twenty_of_twenty_is_printed_with_its_bound() -> None:
    assert rate_text(20, 20) == "20/20 (≥ 83 %)"
    assert rate_text(0, 1_000) == "0/1000 (≤ 0.4 %)"
    assert interval(0, 200)[1] == pytest.approx(0.0183, abs=1e-3)


def test_a_torn_line_is_left_out_and_other_ears_do_not_count(tmp_path: Path) -> None:
    append_trials(tmp_path, [trial(), trial(ears="others")])
    with (tmp_path / TRIALS).open("a") as file:
        file.write('{"form": "li')
    mine, others = read_trials(tmp_path, "mine")
    assert (len(mine), others) == (1, 1)


def test_a_gate_that_fires_for_the_wrong_fault_is_a_finding(tmp_path: Path) -> None:
    append_trials(tmp_path, [trial(fired=["audible_dropout", "hum", "max_gap"])])
    [fault] = summarise(*read_trials(tmp_path, "mine"), "mine")["faults"]
    [cell] = fault["cells"]
    assert cell["also_unexpected"] == {"hum": 1}
    assert cell["also_expected"] == {"max_gap": 1}


def test_a_missed_fault_and_a_false_alarm_are_not_proven(tmp_path: Path) -> None:
    append_trials(tmp_path, [trial() for _ in range(3)])
    assert verdict_of(write_proof(tmp_path, "mine"))[0] == 0
    append_trials(tmp_path, [trial(fired=[])])
    code, text = verdict_of(write_proof(tmp_path, "mine"))
    assert code == 1
    assert "hole (post) 3/4" in text


def test_a_fault_milder_than_its_limit_may_be_missed(tmp_path: Path) -> None:
    append_trials(tmp_path, [trial(), trial(severity=20.0, fired=[])])
    assert verdict_of(write_proof(tmp_path, "mine"))[0] == 0


def test_a_reply_that_is_invalid_by_itself_is_neither_a_miss_nor_a_clean_turn(tmp_path: Path) -> None:
    spoilt = {"fired": [], "not_measured": ["audible_dropout", "audio_valid", "clicks"]}
    append_trials(tmp_path, [trial(), trial(**spoilt), trial(fault="clean", where="", **spoilt)])
    summary = write_proof(tmp_path, "mine")
    [cell] = summary["faults"][0]["cells"]
    assert (cell["gate"], cell["n"], cell["invalid"]) == (1, 1, 1)
    assert (summary["clean"]["browser"]["turns"], summary["clean"]["browser"]["not_counted"]) == (0, 1)
    assert verdict_of(summary)[0] == 0


def test_a_firing_that_the_call_itself_shows_is_listed_and_is_no_false_alarm(tmp_path: Path) -> None:
    clean = {"fault": "clean", "where": "", "fired": ["clicks"]}
    append_trials(
        tmp_path, [trial(**clean, evidence={"packets_lost": 3.0}), trial(**clean, evidence={"packets_lost": 0.0})]
    )
    summary = write_proof(tmp_path, "mine")
    assert (summary["clean"]["browser"]["fired"], summary["clean"]["browser"]["alarms"]) == (2, 1)
    text = (tmp_path / "proof.md").read_text()
    assert "packets_lost 3" in text
    assert "a false alarm" in text


def test_a_fault_that_could_not_be_heard_where_it_fell_is_counted_apart(tmp_path: Path) -> None:
    append_trials(
        tmp_path, [trial(), trial(audible=False, fired=[]), trial(invalid=True, fired=[]), trial(fired=[], readings={})]
    )
    [cell] = summarise(*read_trials(tmp_path, "mine"), "mine")["faults"][0]["cells"]
    assert (cell["n"], cell["gate"], cell["not_audible"], cell["invalid"]) == (1, 1, 1, 1)
    assert cell["not_measured"] == 1


def test_a_fault_that_was_missed_says_what_else_was_wrong_with_its_call(tmp_path: Path) -> None:
    append_trials(tmp_path, [trial(), trial(fired=[], evidence={"packets_lost": 2.0}), trial(fired=[])])
    [cell] = write_proof(tmp_path, "mine")["faults"][0]["cells"]
    assert (cell["gate"], cell["missed_while"]) == (1, ["packets_lost 2", ""])
    assert "1/3 (1 to 91 %); missed in a damaged call (packets_lost 2)" in (tmp_path / "proof.md").read_text()


def test_a_fault_in_a_reply_that_the_publisher_tore_counts_apart_whether_heard_or_not(tmp_path: Path) -> None:
    """Two defects at once are no trial of one; whether it was heard must not decide on which side it counts."""
    torn = {"evidence": {"publisher_starved_ms": 48.0}}
    append_trials(
        tmp_path, [trial(), trial(**torn), trial(**torn, fired=[]), trial(fault="stall", severity=150.0, **torn)]
    )
    append_trials(tmp_path, [trial(fault="hum", severity=-57.0, fired=["hum"], readings={"hum": -50.0}, **torn)])
    summary = write_proof(tmp_path, "mine")
    cells = {fault["id"]: fault["cells"][0] for fault in summary["faults"]}
    assert (cells["hole"]["gate"], cells["hole"]["n"]) == (1, 1)
    assert (cells["hole"]["torn_heard"], cells["hole"]["torn"]) == (1, 2)
    assert (cells["stall"]["n"], cells["stall"]["torn"]) == (1, 0)  # it is what a stall does
    assert (cells["hum"]["n"], cells["hum"]["torn"]) == (1, 0)  # of the whole call: one torn reply hides nothing
    assert "1 of 2 in replies that were torn already" in (tmp_path / "proof.md").read_text()


def test_a_fault_in_a_call_that_did_not_arrive_whole_was_not_tried(tmp_path: Path) -> None:
    """The second listener was given 0.9 s less than went by: it cannot say of that call that it never ended."""
    frames = np.arange(0, 48_000, 960)
    arrivals = np.stack([frames / 48 + np.where(frames > 24_000, 900.0, 0.0), frames], axis=1)
    lost = {"fault": "endless", "severity": 60.0, "where": "pre", "fired": [], "evidence": not_arrived(arrivals)}
    append_trials(tmp_path, [trial(**lost), trial(**lost | {"fault": "no_stop", "severity": 0.5, "readings": {}})])
    summary = write_proof(tmp_path, "mine")
    cells = {fault["id"]: fault["cells"][0] for fault in summary["faults"]}
    assert (cells["endless"]["n"], cells["endless"]["torn"], cells["endless"]["missed_while"]) == (0, 1, [])
    assert cells["no_stop"]["n"] == 0


def test_a_call_that_is_judged_by_its_status_is_as_invalid_as_its_measurement() -> None:
    fault = BY_ID["endless"]
    for valid in (True, False):
        measured = measurement("c", valid=valid)
        told = whole_call_trial(fault, 60.0, "pre", "bot", "en-us", measured, wrong=False, ears="mine")
        assert (told.invalid, told.fired) == (not valid, [])


def test_the_report_says_between_which_readings_a_threshold_may_stand(tmp_path: Path) -> None:
    clean = {"fault": "clean", "where": "", "fired": [], "born": []}
    append_trials(tmp_path, [trial(**clean, readings={"audible_dropout": 0.5 * n}) for n in range(10)])
    append_trials(tmp_path, [trial(readings={"audible_dropout": 40.0 + n}) for n in range(10)])
    append_trials(tmp_path, [trial(severity=20.0, fired=[], readings={"audible_dropout": 2.0 + n}) for n in range(10)])
    by_severity = {r["severity"]: r for r in write_proof(tmp_path, "mine")["roc"]}
    stated = by_severity[40.0]
    assert (stated["area"], stated["clean_worst"], stated["faulty_best"], stated["limit"]) == (1.0, 4.5, 40.0, 32.0)
    assert (stated["true_positive_rate"], stated["false_positive_rate"]) == (1.0, 0.0)
    assert 0.8 < by_severity[20.0]["area"] < 1.0
    assert by_severity[20.0]["true_positive_rate"] == 0.0
    assert "Where the thresholds stand" in (tmp_path / "proof.md").read_text()
    assert (tmp_path / "roc.png").stat().st_size > 5_000


def test_bad_input_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown fault nonsense"):
        named_faults(["nonsense"])
    with pytest.raises(UsageError, match="--user 'radio'"):
        make_wanted([], fast=False, trials=1, lane="radio", clean={}, captures=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--out"):
        check_folder(tmp_path / "file")
    with pytest.raises(UsageError, match="no clean call"):
        prove_offline_in(tmp_path, make_wanted([], fast=False, trials=1, lane="bot", clean={}, captures=1), print)


def test_nothing_measured_is_no_proof(tmp_path: Path) -> None:
    assert verdict_of(write_proof(tmp_path, "mine"))[0] == 3
