"""Networks side by side in the reports: one column a network, refused where something else differs too."""

from __future__ import annotations

from pathlib import Path

from harness.model.changes import Changes
from harness.model.networks import SideBySide
from harness.model.verdict import Summary
from reports.render.compare import compare, write_comparison, write_markdown
from reports.render.html import render_html
from reports.render.run_report import render_report
from reports.view.networks import side_by_side
from tests.judge.canned import case, measurement, metric, summary, verdict
from tests.reports.render.test_html import NASTY, read

PROVEN = {"netem_actually_applied": metric(1, "bool", reason="the relay's log agrees")}
SAID: dict[str, str | None] = {"c": "1"}


def run_over(link: str, kpi_ms: float = 450.0, **facts: object) -> Summary:
    measured = measurement(
        call=PROVEN,
        user_kpi_raw_ms=metric(kpi_ms),
        concealed_ratio=metric(0.04, "ratio"),
        recovery_ms=metric(180.0),
    )
    told: dict[str, object] = {"run_id": f"run-{link}", "link": link, **facts}
    return summary([(case(), verdict(case(), measured))], **told)


def rows(found: SideBySide | None, title: str) -> tuple[str, ...]:
    from reports.view.networks import networks_view

    view = networks_view(found)
    assert view is not None
    return next(cells for name, cells in view.rows if name.startswith(title))


def test_each_network_is_a_column_with_the_clean_one_first() -> None:
    found = side_by_side([run_over("bad_wifi", 640), run_over("wifi_good", 450), run_over("4g_ok", 520)], [SAID] * 3)
    assert found is not None
    assert [column.link for column in found.columns] == ["wifi_good", "bad_wifi", "4g_ok"]
    assert rows(found, "USER_KPI") == ("450 ms, n 1", "640 ms, n 1", "520 ms, n 1")
    assert rows(found, "concealed")[1] == "4 %, n 1"
    assert rows(found, "recovery")[1] == "180 ms, n 1"
    assert rows(found, "barge-in") == ("–", "–", "–")  # no case here interrupts


def test_runs_of_one_network_have_no_such_table() -> None:
    assert side_by_side([run_over("bad_wifi"), run_over("bad_wifi")], [SAID] * 2) is None


def test_what_else_differs_refuses_the_table_by_name() -> None:
    other = run_over("wifi_good", environment={"host": {"system": "Linux", "machine": "arm64", "cpu_count": 4}})
    found = side_by_side([run_over("bad_wifi"), other], [SAID] * 2)
    assert found is not None
    assert found.columns == []
    assert "run-wifi_good: machine is Linux, arm64, 4, run-bad_wifi has not recorded" in found.refused[0]


def test_cases_that_do_not_say_the_same_are_left_out_and_without_any_other_it_is_refused() -> None:
    found = side_by_side([run_over("bad_wifi"), run_over("wifi_good")], [SAID, {"c": "2"}])
    assert found is not None
    assert found.refused == [
        "no case says the same in all of these runs",
        "case c: it does not say the same in every run",
    ]
    unknown = side_by_side([run_over("bad_wifi"), run_over("wifi_good")], [SAID, {}])
    assert unknown is not None
    assert "case c: what it says is not known in every run" in unknown.refused


def test_both_pages_of_a_comparison_have_the_table(tmp_path: Path) -> None:
    runs = [run_over("wifi_good"), run_over("bad_wifi", 640)]
    comparison = compare(runs, [SAID] * 2)
    write_comparison(comparison, tmp_path / "c.html")
    write_markdown(comparison, tmp_path / "c.md")
    assert "Networks side by side" in read(tmp_path / "c.html").words
    text = (tmp_path / "c.md").read_text()
    assert "| | wifi_good, `run-wifi_good` | bad_wifi, `run-bad_wifi` |" in text
    assert "| USER_KPI: user's last word → agent audible at the ear | 450 ms, n 1 | 640 ms, n 1 |" in text


def test_both_reports_of_a_run_show_it_beside_the_clean_link(tmp_path: Path) -> None:
    beside = side_by_side([run_over("bad_wifi", 640), run_over("wifi_good")], [SAID] * 2)
    run = run_over("bad_wifi", 640).model_copy(update={"changes": Changes(kpi="user_kpi_raw_ms", networks=beside)})
    text = render_report(run, tmp_path).read_text()
    assert "### Networks side by side" in text
    assert "| | wifi_good, `run-wifi_good` | bad_wifi, `run-bad_wifi` |" in text
    page = read(render_html(run, tmp_path))
    assert "Networks side by side" in page.words
    assert "450 ms, n 1 640 ms, n 1" in page.words


def test_a_refusal_is_shown_as_it_is_and_cannot_change_the_page(tmp_path: Path) -> None:
    refused = SideBySide(lane="browser", refused=[f"run {NASTY} differs"])
    run = run_over("bad_wifi").model_copy(update={"changes": Changes(kpi="user_kpi_raw_ms", networks=refused)})
    page = read(render_html(run, tmp_path))
    assert NASTY in page.words
    assert not page.all("script")
    assert "Networks are not put side by side" in render_report(run, tmp_path).read_text()
