"""What another machine wrote does not lead out of the folder that it is joined to."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from harness.model.inside import Inner, OneName, OutsideError, inside

OUTSIDE = ["../x", "captures/../../x", "/etc", "a\\..\\b", "a\0b", ".."]


@pytest.mark.parametrize("told", [*OUTSIDE, "", ".", None, 5, ["a"]])
def test_a_path_that_leads_out_is_refused(told: object) -> None:
    with pytest.raises(OutsideError):
        inside(Path("run"), told)


@pytest.mark.parametrize("told", ["captures/r1-hello-a1", "a..b", "..a", "parts/night/run"])
def test_a_path_within_is_joined(told: str) -> None:
    assert inside(Path("run"), told) == Path("run") / told
    assert TypeAdapter(Inner).validate_python(told) == told


@pytest.mark.parametrize("told", [*OUTSIDE, "a/b"])
def test_a_name_in_a_file_is_the_name_of_one_folder(told: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(OneName).validate_python(told)
