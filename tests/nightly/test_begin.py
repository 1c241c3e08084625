"""To begin a night and to take it up again: only with what it began with, and with all it was told."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path

import pytest

from harness.errors import NewerHistoryError, UsageError
from harness.history.database import open_history
from harness.nightly import begin
from harness.nightly.begin import begin_night, check_settings, take_up
from harness.nightly.environment import differences, night_environment
from harness.nightly.folder import find_night, read_night
from harness.nightly.plan_file import NightPlan, Part
from harness.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
PLAN = NightPlan(name="p", turns=2, parts=[Part(id="a", cases=["question_short"], network="4g_ok")])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(runs=tmp_path / "runs", lane="bot", cases=ROOT / "cases", strict=True)


def test_a_night_begins_with_a_folder_that_says_what_it_is(settings: Settings) -> None:
    begun = begin_night(PLAN, dataclasses.replace(settings, lane="browser"))
    night = read_night(begun.folder)
    assert begun.folder.parent == settings.runs
    assert night.parts[0].planned == 2
    assert night.result is None
    for name in ("commit", "code", "ears", "agent", "page", "chromium", "livekit-server", "livekit-client"):
        assert night.environment[name]
    assert {"case question_short", "network 4g_ok"} <= set(night.environment)


def test_it_is_taken_up_with_its_own_plan_and_options_whatever_today_says(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = begin_night(PLAN, settings)
    monkeypatch.setenv("EARWITNESS_LANE", "browser")
    monkeypatch.setenv("EARWITNESS_AGENT", "room")
    again = take_up(begun.night.night_id[:-1], settings.runs)
    assert again.folder == begun.folder
    assert again.plan == PLAN
    assert (again.settings.lane, again.settings.agent, again.settings.strict) == ("bot", "reference", True)
    assert list(again.cases) == ["question_short"]


@pytest.mark.parametrize("name", ["ears", "agent", "page", "chromium", "commit", "code", "case question_short"])
def test_another_version_is_refused_and_named(settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    begun = begin_night(PLAN, dataclasses.replace(settings, lane="browser"))
    now = {**begun.night.environment, name: "something else"}
    monkeypatch.setattr(begin, "night_environment", lambda *_, **__: now)
    with pytest.raises(UsageError, match="does not mix two versions") as error:
        take_up(begun.night.night_id, settings.runs)
    assert f"{name} is something else, was {begun.night.environment[name]}" in str(error.value)


def test_differences_are_named_on_both_sides() -> None:
    assert differences({"a": "1", "b": "2"}, {"a": "1", "c": "3"}) == [
        "c is not found, was 3",
        "b is 2, was not found",
    ]


@pytest.mark.parametrize("browser", [True, False])
def test_the_same_machine_gives_the_same_environment(settings: Settings, browser: bool) -> None:
    cases = begin_night(PLAN, settings).cases.values()
    once, again = (night_environment(settings, cases, ["4g_ok"], browser=browser) for _ in range(2))
    assert once == again
    assert ("chromium" in once) is browser


def test_no_secret_is_written(tmp_path: Path) -> None:
    env = {"LIVEKIT_URL": "wss://x", "LIVEKIT_API_KEY": "the-key", "LIVEKIT_API_SECRET": "the-secret"}
    settings = load_settings({"runs": tmp_path / "runs", "lane": "bot", "cases": ROOT / "cases"}, env=env)
    begun = begin_night(PLAN, settings)
    text = (begun.folder / "night.json").read_text()
    assert "wss://x" in text
    assert "the-secret" not in text
    assert "the-key" not in text


def test_a_secret_in_the_agents_command_is_not_written_and_comes_from_the_environment_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = "command: python3 bot.py --api-key hunter2"
    begun = begin_night(PLAN, Settings(runs=tmp_path / "runs", lane="bot", cases=ROOT / "cases", agent=command))
    assert "hunter2" not in (begun.folder / "night.json").read_text()
    with pytest.raises(UsageError, match=r"option agent .+ held a secret.+set EARWITNESS_AGENT"):
        take_up(begun.night.night_id, tmp_path / "runs")
    monkeypatch.setenv("EARWITNESS_AGENT", command)
    assert take_up(begun.night.night_id, tmp_path / "runs").settings.agent == command


def test_a_night_is_found_by_the_beginning_of_its_id_if_that_is_one(tmp_path: Path) -> None:
    for name in ("night-1a", "night-1b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "night.json").write_text("{}")
    assert find_night(tmp_path, "night-1a").name == "night-1a"
    with pytest.raises(UsageError, match="fits night-1a, night-1b"):
        find_night(tmp_path, "night-1")
    with pytest.raises(UsageError, match="no night of this name"):
        find_night(tmp_path, "night-2")
    with pytest.raises(UsageError, match="night schema None"):
        read_night(tmp_path / "night-1a")


def test_a_network_for_all_parts_is_refused(settings: Settings) -> None:
    with pytest.raises(UsageError, match="a night's plan names its networks itself"):
        check_settings(load_settings({"network": "4g_ok"}, env={}))
    check_settings(settings)


def test_a_folder_that_cannot_be_made_is_an_option_that_is_wrong(tmp_path: Path, settings: Settings) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UsageError, match="--out"):
        begin_night(PLAN, Settings(runs=blocked, lane="bot", cases=ROOT / "cases"))
    assert list(tmp_path.iterdir()) == [blocked]


def test_a_history_of_a_newer_schema_refuses_the_night_before_anything_is_made(settings: Settings) -> None:
    settings.runs.mkdir()
    place = settings.runs / "history.sqlite"
    with open_history(place):
        pass
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(NewerHistoryError):
        begin_night(PLAN, settings)
    assert list(settings.runs.glob("night-*")) == []
