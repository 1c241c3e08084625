"""The report: every path is rendered from canned data, and says what a reviewer must not miss."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from harness.model.status import CaptureStatus
from harness.model.verdict import Summary
from reports.render import finish_report, render_report
from reports.table import verdict_table
from tests.judge.canned import case, measurement, metric, summary, verdict


def rendered(whole: Summary, folder: Path) -> str:
    return render_report(whole, folder).read_text()


def test_the_verdict_comes_first_then_user_kpi(tmp_path: Path) -> None:
    text = rendered(summary([(case(), verdict(case(), measurement()))]), tmp_path)
    assert text.splitlines()[0] == "# ✅ PASS: 1 of 1 cases passed"
    assert text.index("USER_KPI") < text.index("## Gates") < text.index("## Warnings") < text.index("## Cases")
    assert "max of 1" in text


def test_a_failing_case_shows_its_gate_with_value_and_threshold(tmp_path: Path) -> None:
    told = verdict(case("bad|name".replace("|", "_")), measurement("bad_name", max_gap_ms=metric(250.0)))
    text = rendered(summary([(case("bad_name"), told)]), tmp_path)
    assert "`max_gap` FAIL: 250 ms, wanted < 200 ms" in text
    assert "captures/r-bad_name-a1" in text
    assert "## Suggested fixes" in text


@pytest.mark.parametrize("status", list(CaptureStatus))
def test_every_capture_status_can_be_reported(tmp_path: Path, status: CaptureStatus) -> None:
    complete = status in (CaptureStatus.OK, CaptureStatus.NO_REPLY_EXPECTED)
    measured = measurement().model_copy(update={"capture_status": status}) if complete else None
    told = verdict(case(), measured, status=status, detail="a | b\nc")
    text = rendered(summary([(case(), told)]), tmp_path)
    assert status.value in text


def test_a_partial_report_says_so_in_its_first_line(tmp_path: Path) -> None:
    text = rendered(summary([], interrupted=True, complete=False, planned=("a", "b")), tmp_path)
    assert "PARTIAL" in text.splitlines()[0]
    assert "nothing was left out" not in text


@pytest.mark.parametrize("lane", ["browser", "bot"])
def test_both_lanes_render(tmp_path: Path, lane: str) -> None:
    text = rendered(summary([(case(), verdict(case(), measurement()))], lane=lane), tmp_path)
    assert ("no ear" in text) == (lane == "bot")


def test_tables_are_not_broken_by_what_is_in_them(tmp_path: Path) -> None:
    told = verdict(case(), measurement(max_gap_ms=metric(None, reason="a | pipe\nand a line")))
    text = rendered(summary([(case(), told)]), tmp_path)
    widths: dict[int, int] = {}
    table = 0
    for line in text.splitlines():
        if not line.startswith("|"):
            table += 1
            continue
        columns = len(re.findall(r"(?<!\\)\|", line))
        assert widths.setdefault(table, columns) == columns, line


def test_links_lead_to_files_that_exist(tmp_path: Path) -> None:
    folder = tmp_path / "captures" / "r-c-a1"
    folder.mkdir(parents=True)
    (folder / "ear.wav").write_bytes(b"RIFF")
    text = rendered(summary([(case(), verdict(case(), measurement()))]), tmp_path)
    targets = [t for t in re.findall(r"\]\(([^)]+)\)", text) if t.endswith((".wav", ".png", ".json"))]
    assert targets
    assert all((tmp_path / target).exists() for target in targets)


def test_a_missing_recording_costs_only_its_picture(tmp_path: Path) -> None:
    told = verdict(case(), measurement(max_gap_ms=metric(250.0)))
    whole = finish_report(summary([(case(), told)]), tmp_path)
    assert (tmp_path / "report.md").is_file()
    assert whole.cases[0].attempts[0].pictures == []


def test_the_summary_survives_its_own_json() -> None:
    whole = summary([(case(), verdict(case(), measurement()))])
    assert Summary.model_validate_json(whole.model_dump_json()) == whole


def test_the_terminal_shows_gates_and_headline() -> None:
    from rich.console import Console

    console = Console(width=100, file=io.StringIO())
    console.print(verdict_table(summary([(case(), verdict(case(), measurement()))])))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "max_gap" in text
    assert "PASS: 1 of 1 cases passed" in text
