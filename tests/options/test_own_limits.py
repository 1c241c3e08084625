"""Limits of one's own as people write them: where from, what wins, and one clear line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.model.limits import Limits
from harness.model.machine import this_machine
from harness.nightly.layout import options_to_keep
from harness.options.own_limits import limits_of
from harness.run.plan import make_plan
from harness.settings import load_settings


def written(folder: Path, text: str) -> Path:
    (folder / "earwitness.toml").write_text(text)
    return folder


def test_each_limit_comes_from_the_flag_else_the_environment_else_the_file(tmp_path: Path) -> None:
    written(tmp_path, '[gates]\nprofile = "field"\neot_to_first_audio = 1500\nmax_gap = 250\nuser_kpi = 1800\n')
    env = {"EARWITNESS_GATES": "max_gap=260, user_kpi=1900"}
    limits = load_settings({"gate": ["user_kpi=2000"]}, folder=tmp_path, env=env).run_limits()
    assert limits == Limits(profile="field", own={"eot_to_first_audio": 1500, "max_gap": 260, "user_kpi": 2000})


def test_without_any_the_shipped_ones_judge(tmp_path: Path) -> None:
    assert load_settings({}, folder=tmp_path, env={}).run_limits().shipped


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("eot_to_first_audi = 900", "no gate has the name 'eot_to_first_audi'; did you mean eot_to_first_audio"),
        ("latency = 900", "known: eot_to_first_audio, "),
        ("complete_reply = 0", "complete_reply is what a case asks for"),
        ("reply_not_long = 9", "reply_not_long is what a case asks for"),
        ('max_gap = "many"', "'many' is not a number"),
        ("max_gap = true", "True is not a number"),
        ("max_gap = nan", "nan is not a number"),
        ("max_gap = -1", "cannot be below 0"),
        ("clipping_ratio = 5", "a share is a number from 0 to 1"),
        ('profile = "fields"', "no profile of this name; known: shipped, field"),
        ("floor = 3", "expected a text"),
    ],
)
def test_a_wrong_line_of_the_file_is_named_with_file_and_line(line: str, message: str, tmp_path: Path) -> None:
    written(tmp_path, f'[earwitness]\nlane = "bot"\n\n[gates]\n{line}\n')
    with pytest.raises(UsageError) as caught:
        load_settings({}, folder=tmp_path, env={})
    assert str(caught.value).startswith(f"{tmp_path / 'earwitness.toml'}:5: [gates] ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("max_gab=200", "--gate max_gab=200: no gate has the name 'max_gab'; did you mean max_gap"),
        ("max_gap=wide", "'wide' is not a number"),
        ("max_gap", "expected ID=VALUE"),
        ("no_reply=1", "what a case asks for"),
    ],
)
def test_a_wrong_option_is_named(word: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        load_settings({"gate": [word]}, folder=tmp_path, env={})


@pytest.mark.parametrize(
    ("text", "line"), [('lane = "bot"\n', 1), ('[earwitness]\nlane = "bot"\n\n[gate]\nmax_gap = 3\n', 4)]
)
def test_what_stands_in_no_known_table_is_an_error_and_not_ignored(text: str, line: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"earwitness\.toml:{line}: unknown .*\[earwitness\], \[gates\]"):
        load_settings({}, folder=written(tmp_path, text), env={})


def test_a_run_keeps_its_limits_in_its_folder(tmp_path: Path) -> None:
    flags = {"runs": tmp_path, "gate": ["max_gap=300"], "history": "off"}
    plan = make_plan(load_settings(flags, folder=tmp_path, env={}), ())
    assert limits_of(plan.run_dir) == plan.limits == Limits(own={"max_gap": 300})
    shipped = make_plan(load_settings({"runs": tmp_path, "history": "off"}, folder=tmp_path, env={}), ())
    assert list(shipped.run_dir.iterdir()) == []
    assert limits_of(shipped.run_dir).shipped


def test_a_night_that_is_taken_up_keeps_its_limits_whatever_the_file_says_by_then(tmp_path: Path) -> None:
    began = load_settings({"gate": ["max_gap=300"]}, folder=tmp_path, env={})
    kept = json.loads(json.dumps(options_to_keep(began)))
    written(tmp_path, "[gates]\nmax_gap = 900\nuser_kpi = 5000\n")
    assert load_settings(kept, folder=tmp_path, env={}).run_limits() == began.run_limits()


def calibration(folder: Path, **changes: Any) -> Path:
    browser = {"lane": "browser", "sessions": 1, "floor": {"median_ms": 121.26}, "probe_delta": {"bias_ms": 61.0}}
    busy = {"lane": "browser", "sessions": 2, "floor": {"median_ms": 300.0}, "probe_delta": None}
    bot = {"lane": "bot", "sessions": 1, "floor": {"median_ms": 55.0}, "probe_delta": None}
    import os
    import platform

    host = {"system": platform.system(), "machine": platform.machine(), "cpu_count": os.cpu_count()}
    told = {"run_id": "cal", "verdict": "CALIBRATED", "interrupted": False, "host": host}
    told |= {"settings": [browser, busy, bot]} | changes
    folder.mkdir()
    (folder / "calibration.json").write_text(json.dumps(told))
    return folder


def test_the_floor_is_read_from_a_calibration_of_this_class_of_machine(tmp_path: Path) -> None:
    flags = {"floor": str(calibration(tmp_path / "cal"))}
    floor = load_settings(flags, folder=tmp_path, env={}).run_limits().floor
    assert floor is not None
    assert (floor.run_id, floor.ear_ms, floor.browser_probe_ms, floor.bot_probe_ms) == ("cal", 121.3, 60.3, 55.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "BIASED"}, "says BIASED; only a floor that is CALIBRATED"),
        ({"interrupted": True}, "was interrupted"),
        ({"host": {"system": "Minix", "machine": "pdp11", "cpu_count": 1}}, "was measured on Minix pdp11, 1 cores"),
        ({"settings": [{"lane": "bot"}]}, "is no calibration.json"),
        ({"settings": []}, "holds no floor"),
    ],
)
def test_a_floor_that_says_nothing_of_this_machine_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    settings = load_settings({"floor": str(calibration(tmp_path / "cal", **changes))}, folder=tmp_path, env={})
    with pytest.raises(UsageError, match=message):
        settings.run_limits()


def test_a_calibration_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--floor nowhere: No such file.*earwitness calibrate"):
        load_settings({"floor": "nowhere"}, folder=tmp_path, env={}).run_limits()
    assert this_machine(None)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("EARWITNESS_LANES", "did you mean EARWITNESS_LANE"),
        ("EARWITNESS_LIVEKIT_URL", "did you mean LIVEKIT_URL"),
        ("EARWITNESS_COFFEE", "unset it"),
    ],
)
def test_a_variable_that_nothing_reads_is_an_error_and_not_ignored(name: str, meant: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{name}: nothing of this name is known; {meant}"):
        load_settings({}, folder=tmp_path, env={name: "bot"})


def test_variables_of_the_product_itself_empty_ones_and_secrets_are_no_settings(tmp_path: Path) -> None:
    known = ("CACHE", "CHROMIUM", "STATE", "CAPTURES", "ENGINES", "CONTROL_TOKEN", "OPUS_BITRATE", "MY_LLM_KEY")
    env = {f"EARWITNESS_{name}": "1" for name in known} | {"EARWITNESS_LANES": ""}
    load_settings({}, folder=tmp_path, env=env)


def test_every_variable_that_the_code_reads_is_known() -> None:
    import re

    from harness.options.sources import PRODUCTS_OWN, SECRETS

    root = Path(__file__).parents[2]
    sources = [path for part in ("harness", "runtime", "bots") for path in (root / part).rglob("*.py")]
    named = {name for path in sources for name in re.findall(r'"(EARWITNESS_[A-Z_]+)"', path.read_text())}
    assert {name for name in named if not name.endswith(SECRETS)} <= PRODUCTS_OWN | {"EARWITNESS_GATES"}
