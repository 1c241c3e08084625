"""Which cases are played: a suite that ships or one of one's own, tags, names; and what there is if none fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.errors import UsageError
from harness.run.cases import select_cases
from harness.run.plan import plan_in
from harness.settings import load_settings
from tests.judge.canned import case

CASES = [
    (Path("a.yaml"), case("a", suite=["mine"], tags=["billing"])),
    (Path("b.yaml"), case("b", suite=["mine", "fast"], tags=["refunds"])),
    (Path("c.yaml"), case("c", tier="P1", suite=["extended"], tags=["billing"])),
]


@pytest.mark.parametrize(
    ("suite", "tags", "names", "chosen"),
    [
        ("mine", (), (), "ab"),
        ("fast", (), (), "b"),
        ("all", (), (), "abc"),
        ("all", ("billing",), (), "ac"),
        ("mine", ("billing",), (), "a"),
        ("mine", ("billing", "refunds"), (), "ab"),
        ("mine", ("billing",), ("c", "b"), "cb"),
    ],
)
def test_cases_are_chosen_by_suite_tag_and_name(
    suite: str, tags: tuple[str, ...], names: tuple[str, ...], chosen: str
) -> None:
    assert "".join(found.id for _, found in select_cases(CASES, suite, names, tags)) == chosen


def test_what_no_case_has_is_refused_with_what_there_is() -> None:
    with pytest.raises(UsageError, match="suite 'mini'; suites of these cases: extended, fast, mine, and all"):
        select_cases(CASES, "mini", ())
    with pytest.raises(UsageError, match="of the suite 'mine' has the tag bills; tags there: billing, refunds"):
        select_cases(CASES, "mine", (), ["bills"])


def test_no_suite_is_called_all_and_none_has_a_blank_in_it() -> None:
    for name, why in (("all", "every case there is"), ("my suite", "no name of a suite")):
        with pytest.raises(ValidationError, match=why):
            case("x", suite=[name])


def test_tags_come_from_flag_environment_and_file_and_the_plan_names_them(tmp_path: Path) -> None:
    (tmp_path / "earwitness.toml").write_text('[earwitness]\nsuite = "mine"\ntag = ["a", "b"]\n')
    settings = load_settings({}, folder=tmp_path, env={})
    assert (settings.suite, settings.tag) == ("mine", ("a", "b"))
    assert plan_in(settings, (), "r", tmp_path).suite == "mine, tagged a or b"
    assert load_settings({}, folder=tmp_path, env={"EARWITNESS_TAG": "c, d"}).tag == ("c", "d")
    assert load_settings({"tag": ["e"]}, folder=tmp_path, env={"EARWITNESS_TAG": "c"}).tag == ("e",)
