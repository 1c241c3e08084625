"""The site of docs/ builds, refers to nothing that is not there, and loads nothing of anybody else's."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.docs_site.__main__ import CONFIG, DOCS, build
from scripts.docs_site.gates import with_facts
from scripts.docs_site.links import wrong_references
from tests.docs.blocks import PAGES, ROOT

LONGEST_PICTURE_BYTES = 150_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("site"))


def test_every_link_anchor_and_picture_of_the_site_is_there(site: Path) -> None:
    assert list(wrong_references(site)) == []


def test_every_page_stands_in_the_navigation() -> None:
    nav = tomllib.loads((DOCS / CONFIG).read_text(encoding="utf-8"))["project"]["nav"]

    def listed(entries: Any) -> Iterator[str]:
        if isinstance(entries, str):
            yield entries
        for entry in entries if isinstance(entries, list) else []:
            for below in entry.values():
                yield from listed(below)

    assert sorted(listed(nav)) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


def test_the_reference_has_every_verb_gate_and_file(site: Path) -> None:
    from harness.judge.table import TABLE
    from harness.model.capture import ARRIVALS, EAR, MANIFEST
    from scripts.docs_site.commands import all_commands

    pages = {name: (site / "reference" / f"{name}.html").read_text() for name in ("commands", "gates", "files")}
    assert all(f">{name}<" in pages["commands"] for name, _ in all_commands() if name != "earwitness")
    assert all(f'id="{gate.id}"' in pages["gates"] for gate in TABLE)
    assert all(name in pages["files"] for name in (ARRIVALS, EAR, MANIFEST))


def test_a_gate_without_a_definition_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no heading for .*'max_gap'.*no gate for \['nonsense'\]"):
        with_facts("### `nonsense`\n", DOCS)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ('<a href="other.html">', "other.html: no such page"),
        ('<a href="#nowhere">', "#nowhere: no such place on that page"),
        ('<img src="none.png">', "none.png: no such file"),
        ('<script src="https://cdn.example/x.js">', "loads https://cdn.example/x.js from elsewhere"),
        ('<link rel="stylesheet" href="//cdn.example/x.css">', "loads //cdn.example/x.css from elsewhere"),
    ],
)
def test_what_is_not_there_is_named_with_its_page(page: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(page)
    assert list(wrong_references(tmp_path)) == [f"a.html: {said}"]


def test_a_page_may_link_to_itself_to_others_and_to_the_world(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h2 id="x"></h2><a href="#x"></a><a href="b.html"></a><a href="https://example.com">'
    )
    (tmp_path / "b.html").write_text('<a href="a.html#x"></a>')
    assert list(wrong_references(tmp_path)) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == ROOT], ids=lambda page: page.name)
def test_a_page_at_the_top_links_to_files_that_there_are(page: Path) -> None:
    import re

    linked = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))]
    missing = [link for link in linked if link and "://" not in link and not (ROOT / link).exists()]
    assert not missing


def test_pictures_are_small_and_each_is_shown() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in (DOCS / "images").iterdir():
        assert picture.stat().st_size < LONGEST_PICTURE_BYTES, picture.name
        assert picture.name in text, f"{picture.name} is on no page"


def test_the_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 40
