"""A plan refuses, in one line with the case's file, what no call could play."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model.case import Truth
from harness.model.plan import BuiltCase
from harness.run.plan import make_plan
from harness.settings import load_settings
from harness.speech.case_file import load_case

DIALOGUE = """\
id: asks_twice
title: The user asks, and asks again
tier: P1
dialogue:
  steps:
    - say: What time is it
"""


@pytest.mark.parametrize(
    ("flags", "wrong"),
    [
        ({"no_room": True, "page": "http://127.0.0.1:1/"}, "--no-room: only a room tells the agent's words and tools"),
        ({"mic": "device"}, "--mic device plays a file and cannot hold a dialogue"),
    ],
)
def test_a_dialogue_that_no_call_could_hold_is_refused_before_any(
    tmp_path: Path, flags: dict[str, object], wrong: str
) -> None:
    path = tmp_path / "asks_twice.yaml"
    path.write_text(DIALOGUE)
    built = BuiltCase(load_case(path), tmp_path / "none.wav", Truth.model_construct(), path)
    settings = load_settings({"runs": tmp_path / "runs", "lane": "browser", **flags}, folder=tmp_path, env={})
    with pytest.raises(UsageError, match=r"asks_twice\.yaml: ") as refused:
        make_plan(settings, (built,))
    assert wrong in str(refused.value)
    assert not (tmp_path / "runs").exists()
