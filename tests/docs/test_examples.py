"""Every example file of the docs is one that the product takes: cases, networks, plans, settings, engines, code."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from harness.model.events import parse_event
from harness.network.profile import load_profile
from harness.nightly.plan_file import read_plan
from harness.settings import load_settings
from harness.speech.case_file import load_case
from runtime.engines.engine_file import read_engine_file
from tests.docs.blocks import Shown, blocks

OF_A_CASE, OF_A_NETWORK, OF_A_PLAN = {"id", "speech"}, {"both", "uplink"}, {"parts"}
HEAD = {"id": "shown", "title": "Shown", "tier": "P0"}  # of a case of which the page shows a part


@pytest.mark.parametrize("shown", list(blocks("yaml")), ids=str)
def test_a_yaml_example_is_a_case_a_network_a_plan_or_steps_of_a_workflow(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = yaml.safe_load(shown.text)
    if isinstance(data, list):  # steps of a workflow
        assert all({"run", "uses"} & step.keys() for step in data)
        return
    path = tmp_path / "shown.yaml"
    if {"speech", "dialogue"} & data.keys():
        path.write_text(shown.text if "id" in data else yaml.safe_dump({**HEAD, **data}), encoding="utf-8")
        soundfile.write(tmp_path / "greeting.wav", np.zeros(4_800), 48_000)
        load_case(path)
        return
    path.write_text(shown.text, encoding="utf-8")
    if OF_A_PLAN & data.keys():
        monkeypatch.chdir(tmp_path)  # a network of one's own is looked for from where one stands
        for part in data["parts"]:
            if "/" in (network := part.get("network", "")):
                (tmp_path / network).parent.mkdir()
                (tmp_path / network).write_text("both: {delay_ms: 50}\n")
        assert read_plan(path).parts
    else:
        assert OF_A_NETWORK & data.keys(), f"what is this? {sorted(data)}"
        load_profile(str(path))


@pytest.mark.parametrize("shown", list(blocks("toml")), ids=str)
def test_a_toml_example_is_read_as_settings_or_as_engines(shown: Shown, tmp_path: Path, calibrated: Path) -> None:
    path = tmp_path / "earwitness.toml"
    text = shown.text.replace("runs/20261129_…", str(calibrated))
    path.write_text(text, encoding="utf-8")
    data = tomllib.loads(text)
    if {"earwitness", "gates"} & data.keys():
        load_settings({}, folder=tmp_path, env={})
    else:
        path.write_text(_whole(text, data), encoding="utf-8")
        read_engine_file(path)


def _whole(text: str, data: dict[str, object]) -> str:
    """An excerpt with the table that it stands below."""
    for role in ("llm", "stt", "tts"):
        table = data.get(role)
        if isinstance(table, dict) and "kind" not in table:
            return (
                f'[{role}]\nkind = "openai"\nurl = "http://127.0.0.1:1/v1"\nmodel = "m"\nvoice = "v"\n'.replace(
                    'voice = "v"\n', 'voice = "v"\n' if role == "tts" else ""
                )
                + text
            )
    return text


@pytest.fixture
def calibrated(tmp_path: Path) -> Path:
    """Where the example's floor would lie; it is looked at when a run begins, not when settings are read."""
    return tmp_path / "calibration"


CHECKS: dict[str, Callable[[str], object]] = {"python": ast.parse, "json": lambda text: parse_event(text.encode())}


@pytest.mark.parametrize("shown", list(blocks(*CHECKS)), ids=str)
def test_an_example_of_code_or_of_an_event_is_well_formed(shown: Shown) -> None:
    if shown.text.lstrip().startswith("{"):
        json.loads(shown.text)
        CHECKS["json"](shown.text)
    else:
        CHECKS["python"](shown.text)
