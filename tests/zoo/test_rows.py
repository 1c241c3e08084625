"""The zoo's rows: each names a file that is there, and the docs say what the rows say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.zoo.row import Row
from tests.zoo.table import DOCS, ROWS, docs_with_rows

HERE = Path(__file__).parent


def test_the_docs_have_the_tables_that_the_rows_make() -> None:
    text = DOCS.read_text()
    assert docs_with_rows(text) == text, "python -m tests.zoo --docs"


def test_no_two_strangers_have_one_name() -> None:
    assert [name for name, n in Counter(row.name for row in ROWS).items() if n > 1] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_a_row_names_is_there(row: Row) -> None:
    assert (HERE / "agents" / row.agent.split()[0]).is_file()
    for file in (row.page, row.script):
        assert file is None or (HERE / "pages" / file).is_file()
    cases = HERE.parents[1] / "cases"
    assert any((folder / f"{row.case}.yaml").is_file() for folder in (cases, HERE / "cases"))


def test_a_sentence_with_figures_in_it_is_found_in_the_report() -> None:
    row = next(row for row in ROWS if row.name == "talks_on")
    assert row.pattern.search("barge_in: the agent talked on 8.0 s after the interruption")
    assert not row.pattern.search("the agent talked on and on")
