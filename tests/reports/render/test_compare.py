"""Runs side by side: what differs is said, what is not known is not a number."""

from __future__ import annotations

from pathlib import Path

from harness.model.verdict import Summary
from reports.render.compare import Comparison, compare, write_comparison
from tests.judge.canned import case, measurement, metric, summary, verdict
from tests.reports.render.test_html import NASTY, read


def run_of(*names: str, versions: dict[str, str] | None = None, **facts: object) -> Summary:
    told = [(case(name), verdict(case(name), measurement(name))) for name in names]
    return summary(told, environment={"versions": versions or {}}, **facts)


def figure(comparison: Comparison, name: str) -> tuple[str, ...]:
    return next(row.cells for row in (*comparison.figures, *comparison.settings) if row.name == name)


def test_a_case_that_only_one_run_has_is_said_and_not_counted_as_passed() -> None:
    found = dict(compare([run_of("a", "b"), run_of("b", "c")]).cases)
    assert list(found) == ["a", "b", "c"]
    assert [cell.text for cell in found["a"]] == ["450 ms", "not in this run"]
    assert found["c"][0].status is None


def test_what_the_runs_differ_in_is_named_first() -> None:
    same = compare([run_of("a", versions={"commit": "1"}), run_of("a", versions={"commit": "1"})])
    assert same.differences == "These runs have the same settings and versions."
    other = compare([run_of("a", versions={"commit": "1"}), run_of("a", versions={"commit": "2", "chromium": "156"})])
    assert other.differences.startswith("These runs differ in: commit, chromium.")
    assert figure(other, "chromium") == ("–", "156")


def test_what_was_not_measured_is_a_dash() -> None:
    empty = summary([], complete=False, planned=("a",))
    comparison = compare([empty, run_of("a")])
    assert figure(comparison, "USER_KPI P50") == ("–", "450 ms (n 1)")
    assert figure(comparison, "longest hole") == ("–", "0.0 ms (n 1)")
    assert figure(comparison, "complete") == ("no, partial", "yes")


def test_a_latency_that_is_not_believed_is_not_compared() -> None:
    definition = case()
    doubtful = measurement(user_kpi_raw_ms=metric(10.0, invalid=True, reason="below the hangover"))
    overloaded = measurement(valid=False)
    runs = [summary([(definition, verdict(definition, heard))]) for heard in (doubtful, overloaded)]
    comparison = compare(runs)
    assert figure(comparison, "USER_KPI P50") == ("–", "–")
    assert figure(comparison, "end of turn → audio P50, second listener") == ("430 ms (n 1)", "–")
    ((_, cells),) = comparison.cases
    assert {cell.text for cell in cells} == {"not timed, or not to be believed"}


def test_twenty_turns_have_a_p95_and_fewer_a_maximum() -> None:
    few, many = run_of("a"), run_of(*(f"c{n}" for n in range(20)))
    assert figure(compare([few, many]), "USER_KPI P95") == ("max of 1: 450 ms", "450 ms (n 20)")


def test_the_page_escapes_what_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "comparison.html"
    write_comparison(compare([run_of("a", versions={NASTY: NASTY}), run_of("a")]), path)
    page = read(path)
    assert NASTY in page.words
    assert not page.all("script")
    assert not page.all("img")
