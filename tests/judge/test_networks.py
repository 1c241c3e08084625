"""A network's column: which turns count, and what stands in it."""

from __future__ import annotations

from harness.judge.networks import CLEAN, ROWS, clean_first, column_of
from harness.model.networks import Figure, NetworkColumn
from tests.judge.canned import case, measurement, metric, summary, verdict

PROVEN = {"netem_actually_applied": metric(1, "bool")}
UNPROVEN = {"netem_actually_applied": metric(0, "bool")}


def column(link: str, *measured: object) -> NetworkColumn:
    told = [(case(m.case_id), verdict(case(m.case_id), m)) for m in measured]  # type: ignore[attr-defined]
    return column_of(summary(told, link=link), [m.case_id for m in measured])  # type: ignore[attr-defined]


def figure(found: NetworkColumn, name: str) -> Figure:
    return next(one for one in found.figures if one.metric == name)


def test_every_number_stands_with_its_n_and_its_worst() -> None:
    turns = [
        measurement(f"c{n}", call=PROVEN, user_kpi_raw_ms=metric(float(400 + n)), recovery_ms=metric(40.0 * n))
        for n in range(20)
    ]
    found = column("bad_wifi", *turns)
    assert found.turns == 20
    assert figure(found, "user_kpi_raw_ms").n == 20
    assert figure(found, "user_kpi_raw_ms").median == 409.5
    assert figure(found, "user_kpi_raw_ms").p95 is not None
    assert figure(found, "recovery_ms").max == 760.0


def test_below_twenty_turns_there_is_a_maximum_and_no_p95() -> None:
    found = figure(column("bad_wifi", measurement(call=PROVEN)), "user_kpi_raw_ms")
    assert (found.n, found.p95, found.max) == (1, None, 450.0)


def test_what_was_not_measured_is_no_number() -> None:
    found = column("bad_wifi", measurement(call=PROVEN, concealed_ratio=metric(None, "ratio", reason="no statistics")))
    assert figure(found, "concealed_ratio") == Figure(metric="concealed_ratio", n=0)


def test_a_call_whose_network_was_not_proven_counts_nowhere() -> None:
    found = column("bad_wifi", measurement("a", call=PROVEN), measurement("b", call=UNPROVEN))
    assert (found.turns, found.unproven) == (1, 1)
    assert figure(found, "user_kpi_raw_ms").n == 1


def test_numbers_that_are_not_to_be_believed_do_not_count() -> None:
    doubtful = measurement("a", call=PROVEN, user_kpi_raw_ms=metric(3.0, invalid=True))
    found = column("bad_wifi", doubtful, measurement("b", call=PROVEN, valid=False))
    assert figure(found, "user_kpi_raw_ms").n == 0


def test_the_clean_link_stands_first() -> None:
    columns = [column(link, measurement(call=PROVEN)) for link in ("poor_3g", "bad_wifi", "none", "wifi_good")]
    assert [one.link for one in clean_first(columns)] == [*CLEAN, "poor_3g", "bad_wifi"]


def test_the_six_things_that_are_asked_of_a_network_are_there_in_each_lane() -> None:
    for lane in ("browser", "bot"):
        told = " ".join(row.title for row in ROWS[lane])
        for asked in ("barge-in", "concealed", "hole", "stretched", "shortened", "recovery"):
            assert asked in told
