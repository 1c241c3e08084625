"""A night's plan, as somebody writes it, with the mistakes that somebody makes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import NightPlanError
from harness.model.case import Case
from harness.nightly.layout import cases_of, lay_out
from harness.nightly.plan_file import DEFAULT_PLAN, NightPlan, Part, read_plan
from harness.settings import Settings

Shipped = list[tuple[Path, Case]]


def plan_of(tmp_path: Path, text: str) -> NightPlan:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    return read_plan(path)


def test_the_plan_that_ships_is_the_night_that_was_asked_for(shipped_cases: Shipped) -> None:
    plan = read_plan(DEFAULT_PLAN)
    assert plan.turns == 20
    by_network = {part.network: plan.turns_of(part) for part in plan.parts if part.network is not None}
    assert by_network == {"wifi_good": 20, "4g_ok": 20, "bad_wifi": 20}
    (baseline,) = [part for part in plan.parts if part.baseline]
    assert (baseline.suite, plan.turns_of(baseline)) == ("mini", 3)
    assert [part.suite for part in plan.parts if part.mic == "device"] == ["mini"]
    assert {part.proof or part.calibration for part in plan.parts if part.is_step} == {"fast"}
    laid = {part.id: part for part in lay_out(plan, Settings(), shipped_cases)}
    assert laid["wifi_good"].planned == 16 * 20
    assert laid["kpi_baseline"].planned == 4 * 3
    assert len(cases_of(laid.values())) == 16


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("parts:\n  - {id: a, suite: mini}\n  - {id: a, suite: fast}\n", 3, "part 'a' stands twice"),
        ("parts:\n  - id: a\n    suit: mini\n", 3, "unknown key 'parts.0.suit'; did you mean 'suite'?"),
        ("turns: 0\nparts: [{id: a, suite: mini}]\n", 1, "turns: must be greater than or equal to 1, not 0"),
        ("parts:\n  - {id: a}\n", 2, "needs exactly one of suite, cases, proof, calibration; has none"),
        ("parts:\n  - {id: a, suite: mini, proof: fast}\n", 2, "has suite, proof"),
        ("parts:\n  - id: a\n    suite: mini\n    network: wifi_god\n", 4, "wifi_god: no profile of this name"),
        ("parts:\n  - {id: a, proof: fast, turns: 3}\n", 2, "proof takes no turns"),
        ("parts:\n  - {id: a, suite: mini, user: bot, mic: device}\n", 2, "a bot has no microphone"),
        ("parts:\n  - {id: a, suite: mini}\nkeep:\n  disk_limit_gb: -3\n", 4, "keep.disk_limit_gb"),
        ("parts: []\n", 1, "parts"),
        ("parts:\n  - {id: ../a, suite: mini}\n", 2, "parts.0.id"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(NightPlanError) as error:
        plan_of(tmp_path, text)
    assert error.value.line == line
    assert said in str(error.value)


def test_a_part_that_says_nothing_is_as_the_command_says(tmp_path: Path, shipped_cases: Shipped) -> None:
    plan = plan_of(
        tmp_path, "turns: 2\nparts:\n  - {id: a, suite: mini}\n  - {id: b, suite: mini, user: browser, turns: 7}\n"
    )
    a, b = lay_out(plan, Settings(lane="bot"), shipped_cases)
    assert (a.lane, a.mic, a.turns) == ("bot", "bot", 2)
    assert (b.lane, b.mic, b.turns) == ("browser", "scheduled", 7)


def test_a_part_that_needs_a_microphone_is_left_out_by_name_where_the_user_is_a_bot(shipped_cases: Shipped) -> None:
    plan = NightPlan(parts=[Part(id="a", suite="mini"), Part(id="b", suite="mini", mic="device")])
    _, device = lay_out(plan, Settings(lane="bot"), shipped_cases)
    assert "needs the browser" in device.left_out
    assert device.planned == 0


def test_the_command_lists_a_plan_and_refuses_a_wrong_one(
    earwitness: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    told = earwitness("nightly", "--list", "--turns", "2", "--out", str(tmp_path / "out"))
    assert told.returncode == 0, told.stderr
    assert "4g_ok" in told.stdout
    assert f"{12 + 3 * 32 + 20} attempts" in told.stdout
    assert not (tmp_path / "out").exists()
    wrong = tmp_path / "plan.yaml"
    wrong.write_text("parts:\n  - {id: a, suite: mini, tuns: 3}\n")
    told = earwitness("nightly", "--plan", str(wrong), "--out", str(tmp_path / "out"))
    assert told.returncode == 2
    assert f"{wrong}:2: unknown key 'parts.0.tuns'; did you mean 'turns'?" in told.stderr
    told = earwitness("nightly", "--resume", "x", "--turns", "3", "--out", str(tmp_path / "out"))
    assert told.returncode == 2
    assert "leave out --turns" in told.stderr


def test_tags_choose_among_the_cases_of_a_suite(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("parts:\n  - {id: a, suite: mine, tags: [billing]}\n")
    assert read_plan(path).parts[0].tags == ["billing"]
    path.write_text("parts:\n  - {id: a, cases: [x], tags: [billing]}\n")
    with pytest.raises(NightPlanError, match="tags chooses among the cases of a suite"):
        read_plan(path)
