"""The worst moments: which turns are chosen, and where in them one is to listen."""

from __future__ import annotations

import pytest

from harness.model.measurement import Defect, Measurement, Span
from harness.model.verdict import Summary
from reports.view.moment_view import ticks
from reports.view.moments import CONTEXT_S, LONGEST_CUT_S, worst_moments
from tests.judge.canned import case, measurement, metric, summary, verdict

RATE_HZ = 48_000
SPOKEN_S = 2.0  # where the user's last word ends in mic.wav and ear.wav
HEARD_S = 2.45  # where the reply begins there


def defect(kind: str, at_s: float, duration_ms: float, ring: str = "ear") -> Defect:
    """`at_s` after the user's last word."""
    known = {"kind": kind, "ring": ring, "start_ms": 1e3 * (SPOKEN_S + at_s), "duration_ms": duration_ms}
    return Defect.model_validate(known)


def heard(name: str, *defects: Defect, placed: bool = True, **metrics: object) -> Measurement:
    """A call whose one reply stands at a known place."""
    whole = measurement(name, **metrics)  # type: ignore[arg-type]
    onset = round(HEARD_S * RATE_HZ)
    place = {
        "mic_end_sample": round(SPOKEN_S * RATE_HZ),
        "onset_sample": onset,
        "spans": {ring: Span(start=onset, end=onset + RATE_HZ) for ring in ("ear", "post_rtc")},
    }
    turn = whole.turns[0].model_copy(update={**(place if placed else {}), "defects": list(defects)})
    return whole.model_copy(update={"turns": [turn]})


def run_of(*measured: Measurement, **fields: object) -> Summary:
    told = []
    for one in measured:
        definition = case(one.case_id, **fields)
        told.append((definition, verdict(definition, one)))
    return summary(told)


def test_what_blocks_comes_before_what_warns_and_that_before_the_slowest() -> None:
    quick, slow = heard("quick"), heard("slow", user_kpi_raw_ms=metric(600.0))
    warned = heard("warned", defect("click", 0.8, 1.0), click_count=metric(1.0, ""))
    failed = heard("failed", defect("dropout", 0.9, 250.0), max_gap_ms=metric(250.0))
    unknown = heard("unknown", max_gap_ms=metric(None, reason="pre_rtc.wav is missing"))
    moments = worst_moments(run_of(quick, slow, unknown, warned, failed), 5)
    assert [moment.case.case_id for moment in moments] == ["failed", "warned", "unknown", "slow", "quick"]


def test_three_moments_are_shown_and_no_turn_twice() -> None:
    calls = [heard(f"c{n}", defect("click", 0.5, 1.0), defect("click", 0.9, 1.0)) for n in range(5)]
    moments = worst_moments(run_of(*calls))
    assert len({moment.case.case_id for moment in moments}) == 3


def test_the_defect_that_the_gate_speaks_of_is_heard_and_not_a_longer_one_beside_it() -> None:
    click, quiet = defect("click", 0.8, 1.0), defect("level_drop", 1.2, 900.0)
    (moment,) = worst_moments(run_of(heard("c", quiet, click, click_count=metric(1.0, ""))))
    assert moment.defect == click
    assert moment.chief.start_s == pytest.approx(0.8)
    assert moment.chief.text == "click of 1.0 ms"
    assert [mark.text for mark in moment.others] == ["level_drop of 900 ms"]


def test_a_click_is_cut_to_a_second() -> None:
    (moment,) = worst_moments(run_of(heard("c", defect("click", 0.8, 1.0), click_count=metric(1.0, ""))))
    assert moment.start_s == pytest.approx(0.8 - CONTEXT_S)
    assert moment.end_s - moment.start_s == pytest.approx(1.0, abs=0.02)


def test_a_slow_reply_is_heard_from_the_users_last_words_to_its_own_first() -> None:
    (moment,) = worst_moments(run_of(heard("c", defect("click", 0.8, 1.0), eot_to_first_audio_ms=metric(700.0))))
    assert moment.defect is None
    assert moment.chief.text == "450 ms until the agent is heard"
    assert (moment.chief.start_s, moment.chief.end_s) == (0.0, pytest.approx(0.45))
    assert moment.start_s == -CONTEXT_S
    assert moment.end_s == pytest.approx(0.45 + CONTEXT_S)


def test_talk_over_is_marked_before_the_users_last_word() -> None:
    early = heard("c", user_kpi_raw_ms=metric(-300.0))
    turn = early.turns[0].model_copy(update={"onset_sample": round((SPOKEN_S - 0.3) * RATE_HZ)})
    (moment,) = worst_moments(run_of(early.model_copy(update={"turns": [turn]})))
    assert (moment.chief.start_s, moment.chief.end_s) == (pytest.approx(-0.3), 0.0)
    assert moment.chief.text == "the agent speaks 300 ms before the user's last word ends"


def test_a_reply_of_the_wrong_length_is_heard_where_it_ends() -> None:
    short = heard("c", defect("bandwidth", 0.45, 1_000.0), reply_ms=metric(1_000.0))
    (moment,) = worst_moments(run_of(short, min_reply_ms=1_500.0))
    assert moment.defect is None
    assert moment.chief.text == "the reply ends after 1000 ms"
    assert moment.chief.end_s == pytest.approx(HEARD_S + 1.0 - SPOKEN_S)


def test_where_no_reply_came_the_silence_is_shown() -> None:
    silent = heard("c", user_kpi_raw_ms=metric(None, reason="no reply"))
    turn = silent.turns[0].model_copy(update={"onset_sample": None, "spans": {}})
    (moment,) = worst_moments(run_of(silent.model_copy(update={"turns": [turn]})))
    assert moment.chief.text == "no reply is heard"
    assert moment.end_s > 3.0


def test_a_long_defect_is_cut_to_what_can_be_listened_to() -> None:
    (moment,) = worst_moments(run_of(heard("c", defect("bandwidth", 0.5, 20_000.0))))
    assert moment.end_s - moment.start_s == pytest.approx(LONGEST_CUT_S)
    assert moment.start_s < moment.chief.start_s


def test_a_defect_in_a_ring_without_a_place_on_the_axis_does_not_move_the_cut() -> None:
    (moment,) = worst_moments(run_of(heard("c", defect("click", 0.8, 1.0, ring="pre_rtc"))))
    assert moment.defect is None
    assert moment.chief.text == "450 ms until the agent is heard"


def test_a_wait_that_is_not_believed_says_so() -> None:
    call = heard("c", user_kpi_raw_ms=metric(14.0, invalid=True, reason="below the hangover"))
    (moment,) = worst_moments(run_of(call))
    assert moment.chief.text == "14.0 ms until the agent is heard (not to be believed)"


@pytest.mark.parametrize(("start_s", "end_s"), [(-0.5, 0.5), (-0.5, 1.05), (0.6, 1.9), (-0.5, 5.5), (3.2, 9.2)])
def test_ticks_are_round_few_and_where_they_say(start_s: float, end_s: float) -> None:
    shown = ticks(start_s, end_s)
    assert 2 <= len(shown) <= 11
    for tick in shown:
        stated_s = float(tick.label.removesuffix(" s"))
        assert 0 <= float(tick.left) <= 100
        assert start_s + float(tick.left) / 100 * (end_s - start_s) == pytest.approx(stated_s, abs=0.001)
