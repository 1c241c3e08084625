"""Limits of one's own: what judges in place of what, and that every result says whose limit it was."""

from __future__ import annotations

import pytest

from harness.judge.gates import BY_ID, TABLE, check_overrides, evaluate, gates_for, samples_of
from harness.judge.limits import FIELD, limit_in_words, limits_text
from harness.judge.verdict import explain
from harness.model.case import Case
from harness.model.limits import SHIPPED, Floor, Limits
from harness.model.measurement import Measurement, Metric
from harness.model.status import Status
from harness.model.verdict import GateResult
from tests.judge.canned import case, measurement, metric, summary, verdict

SLOWER = Limits(own={"eot_to_first_audio": 1500})
FLOOR = Floor(run_id="cal", ear_ms=120.5, browser_probe_ms=60, bot_probe_ms=55)


def row(gate_id: str, definition: Case, measured: Measurement, limits: Limits = SHIPPED) -> GateResult:
    gate = next(g for g in gates_for(definition, measured, limits) if g.id == gate_id)
    return evaluate(gate, samples_of(gate, definition, measured))


def late(ms: float) -> Measurement:
    return measurement(eot_to_first_audio_ms=metric(ms))


def test_a_good_agent_that_thinks_with_a_model_passes_by_the_field_and_fails_by_what_ships() -> None:
    assert row("eot_to_first_audio", case(), late(830)).status is Status.FAIL
    result = row("eot_to_first_audio", case(), late(830), Limits(profile="field"))
    assert result.status is Status.PASS
    assert limit_in_words(result) == "<= 3500 ms, profile field; shipped 650"


def test_a_limit_of_ones_own_says_whose_it_is_and_what_ships() -> None:
    result = row("eot_to_first_audio", case(), late(830), SLOWER)
    assert (result.status, result.threshold, result.shipped) == (Status.PASS, 1500, 650)
    assert limit_in_words(result) == "<= 1500 ms, yours; shipped 650"
    failed = row("eot_to_first_audio", case(), late(1600), SLOWER)
    assert explain(failed) == "max of 1: 1600 ms, wanted <= 1500 ms, yours; shipped 650"


def test_a_limit_may_be_tightened_too_and_replaces_the_profiles() -> None:
    limits = Limits(profile="field", own={"eot_to_first_audio": 400})
    result = row("eot_to_first_audio", case(), late(430), limits)
    assert result.status is Status.FAIL
    assert "yours; shipped 650" in explain(result)


def test_what_ships_says_nothing_of_whose_it_is() -> None:
    for gate in gates_for(case(), measurement()):
        result = evaluate(gate, samples_of(gate, case(), measurement()))
        assert (result.limit_note, result.shipped) == ("", None)


@pytest.mark.parametrize(
    ("own", "of_case", "holds"),
    [
        (1500, 1000, 1000),  # the case tightens what the run allows
        (1500, 400, 400),
        (400, 500, 400),  # the case tightened what ships; the run allows less still
    ],
)
def test_of_the_runs_and_a_p0_cases_limit_the_stricter_holds(own: float, of_case: float, holds: float) -> None:
    definition, limits = case(gates_override={"eot_to_first_audio": of_case}), Limits(own={"eot_to_first_audio": own})
    assert check_overrides(definition, limits) == []
    assert row("eot_to_first_audio", definition, late(430), limits).threshold == holds


def test_a_p0_case_may_not_loosen_what_the_run_allows() -> None:
    definition = case(gates_override={"eot_to_first_audio": 2000})
    assert "2000 loosens <= 1500" in check_overrides(definition, SLOWER)[0]
    assert "2000 loosens <= 650" in check_overrides(definition)[0]


def test_a_p1_case_keeps_its_own_limit_whatever_the_run_has() -> None:
    definition = case(tier="P1", gates_override={"eot_to_first_audio": 2000})
    result = row("eot_to_first_audio", definition, late(430), SLOWER)
    assert limit_in_words(result) == "<= 2000 ms, the case's own; shipped 650"


def test_the_floor_of_the_path_comes_on_top_and_is_said() -> None:
    ship = row("user_kpi", case(), measurement(user_kpi_ms=metric(1000)), Limits(floor=FLOOR))
    assert ship.status is Status.PASS
    assert limit_in_words(ship) == "<= 1020.5 ms, shipped 900 + 120.5 ms of the path"
    own = row("eot_to_first_audio", case(), late(1550), Limits(own={"eot_to_first_audio": 1500}, floor=FLOOR))
    assert limit_in_words(own) == "<= 1560 ms, yours 1500 + 60 ms of the path; shipped 650"
    assert row("max_gap", case(), measurement(), Limits(floor=FLOOR)).threshold == 200


def test_the_floor_is_that_of_the_lane() -> None:
    bot = late(430).model_copy(update={"lane": "bot"})
    assert row("eot_to_first_audio", case(), bot, Limits(floor=FLOOR)).threshold == 705


def test_what_a_network_is_allowed_comes_on_top_of_ones_own_limit_and_is_said() -> None:
    over = measurement(call={"network_allowance_ms": metric(200)}, eot_to_first_audio_ms=metric(1650))
    result = row("eot_to_first_audio", case(), over, SLOWER)
    assert result.status is Status.PASS
    assert limit_in_words(result) == "<= 1700 ms, yours 1500 + 200 ms of the network; shipped 650"


@pytest.mark.parametrize(("count", "status"), [(2.0, Status.PASS), (3.0, Status.FAIL)])
def test_none_becomes_at_most_so_many_in_each_reply(count: float, status: Status) -> None:
    limits = Limits(own={"audible_dropout": 2})
    result = row("audible_dropout", case(), measurement(dropout_count=metric(count, "")), limits)
    assert result.status is status
    assert limit_in_words(result) == "<= 2, yours; shipped 0"


def test_all_becomes_at_least_such_a_share() -> None:
    good, bad = measurement(), measurement(audio_valid=metric(0.0, ""))
    mixed = good.model_copy(update={"turns": [*good.turns * 9, *bad.turns]})
    for share, status in ((0.9, Status.PASS), (0.95, Status.FAIL)):
        result = row("audio_valid", case(), mixed, Limits(own={"audio_valid": share}))
        assert result.status is status, result
    assert limit_in_words(result) == ">= 95 %, yours; shipped 100"
    assert row("audio_valid", case(), mixed).status is Status.FAIL


def test_the_run_as_a_whole_is_judged_by_its_own_limits_and_names_them() -> None:
    told_case = verdict(case(), late(830), limits=SLOWER)
    whole = summary([(case(), told_case)], limits=SLOWER)
    result = next(gate for gate in whole.gates if gate.gate_id == "eot_to_first_audio")
    assert (whole.status, result.limit_note) == (Status.PASS, "yours; shipped 650")
    assert whole.limits == SLOWER
    assert limits_text(SLOWER) == "yours: eot_to_first_audio <= 1500 ms (shipped 650 ms)"


def of_two_cases(loose_ms: float, strict_ms: float) -> GateResult:
    """30 turns of a case with the limit that ships, 10 of one whose own is 300 ms; the row over the run."""
    definitions = {"loose": case("loose"), "strict": case("strict", gates_override={"eot_to_first_audio": 300})}
    judged = []
    for name, ms, turns in (("loose", loose_ms, 30), ("strict", strict_ms, 10)):
        turn = measurement(name).turns[0]
        varied = [
            turn.model_copy(
                update={"reply_seq": k, "metrics": {**turn.metrics, "eot_to_first_audio_ms": metric(ms + k)}}
            )
            for k in range(turns)
        ]
        measured = measurement(name).model_copy(update={"turns": varied})
        judged.append((definitions[name], verdict(definitions[name], measured)))
    return next(gate for gate in summary(judged).gates if gate.gate_id == "eot_to_first_audio")


def test_from_20_turns_on_each_turn_is_still_held_to_its_own_cases_limit() -> None:
    broken = of_two_cases(250, 500)  # all within 650 ms, a quarter of them above its own limit
    assert broken.status is Status.FAIL
    assert "against each case's own limit: 207 ms above it" in broken.shown
    assert limit_in_words(broken) == "<= 650 ms, or the case's own"
    kept = of_two_cases(600, 250)
    assert kept.status is Status.PASS
    assert "within it" in kept.shown


def test_a_looser_limit_of_a_case_is_not_taken_for_a_failure_of_the_run() -> None:
    definition = case(tier="P1", gates_override={"eot_to_first_audio": 2000})
    turn = measurement().turns[0]
    varied = [
        turn.model_copy(
            update={"reply_seq": k, "metrics": {**turn.metrics, "eot_to_first_audio_ms": metric(1200.0 + k)}}
        )
        for k in range(25)
    ]
    whole = summary([(definition, verdict(definition, measurement().model_copy(update={"turns": varied})))])
    result = next(gate for gate in whole.gates if gate.gate_id == "eot_to_first_audio")
    assert result.status is Status.PASS, result


def test_the_field_has_no_limit_for_what_no_gate_is_or_a_case_asks_for() -> None:
    assert all(not BY_ID[name].fixed for name in FIELD)
    nothing = Metric(value=None, reason="gone")
    for gate in TABLE:
        assert gate.whose == ""
    assert (
        row("eot_to_first_audio", case(), measurement(eot_to_first_audio_ms=nothing), SLOWER).status is Status.NO_DATA
    )
