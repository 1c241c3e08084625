"""YAML that people write, and YAML that nobody would: however its aliases are nested, it is read or refused at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.errors import CaseError
from harness.yaml_file import MOST_VALUES, read_yaml


def nested(levels: int, line: str) -> str:
    """Each level names the one before it twice: 2 ** levels values in a few lines."""
    rows = ["k0: &k0 {x: 1}"]
    return "\n".join([*rows, *(line.format(n=n, before=n - 1) for n in range(1, levels + 1))]) + "\n"


@pytest.mark.parametrize(
    "line", ["k{n}: &k{n} [*k{before}, *k{before}]", "k{n}: &k{n} {{<<: [*k{before}, *k{before}]}}"]
)
def test_aliases_that_expand_without_end_are_refused_at_once(tmp_path: Path, line: str) -> None:
    file = tmp_path / "bomb.yaml"
    file.write_text(nested(40, line))
    begin_s = time.monotonic()
    with pytest.raises(CaseError, match=rf"aliases.* more than {MOST_VALUES:,} values"):
        read_yaml(file, CaseError, "id")
    assert time.monotonic() - begin_s < 5


def test_aliases_that_people_write_are_read(tmp_path: Path) -> None:
    file = tmp_path / "case.yaml"
    file.write_text("voice: &voice {voice: en-gb, rate_wpm: 170}\nfirst: *voice\nsecond: {<<: *voice, rate_wpm: 200}\n")
    data, lines = read_yaml(file, CaseError, "id")
    assert data["first"] == {"voice": "en-gb", "rate_wpm": 170}
    assert data["second"] == {"voice": "en-gb", "rate_wpm": 200}
    assert lines.of(("second", "rate_wpm")) == 3
