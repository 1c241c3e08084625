"""The name of the nearest known fault stands beside a reply that failed, in both reports; beside no other."""

from __future__ import annotations

from pathlib import Path

from harness.model.verdict import Summary
from reports.render.html import render_html
from reports.render.run_report import render_report
from reports.view.likeness import likeness_lines
from tests.judge.canned import case, measurement, metric, summary, verdict
from tests.reports.render.test_html import read

HOLED = {"max_gap_ms": metric(260.0), "dropout_count": metric(1.0, "")}


def run(**turn: object) -> Summary:
    return summary([(case(), verdict(case(), measurement(**turn)))])  # type: ignore[arg-type]


def test_a_failing_reply_is_named_after_the_fault_that_trips_the_same_gates(tmp_path: Path) -> None:
    told = run(**HOLED)
    line = next(iter(likeness_lines(told.cases[0].attempts[0])))
    assert line.startswith("reply 0 is most like the known fault hole")
    assert "by audible_dropout, max_gap" in line
    assert "most like the known fault hole" in render_report(told, tmp_path).read_text()
    assert "Sounds most like the known fault hole" in read(render_html(told, tmp_path)).words


def test_a_reply_that_passed_has_no_such_name(tmp_path: Path) -> None:
    for told in (run(), run(user_kpi_raw_ms=metric(900.0))):
        assert likeness_lines(told.cases[0].attempts[0]) == ()
        assert "known fault" not in render_report(told, tmp_path).read_text()
        assert "known fault" not in read(render_html(told, tmp_path)).words


def test_a_measurement_that_is_not_to_be_believed_names_no_fault() -> None:
    told = run(valid=False, **HOLED)
    assert likeness_lines(told.cases[0].attempts[0]) == ()
