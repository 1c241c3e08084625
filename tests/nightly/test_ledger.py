"""The ledger against kills, torn lines and full disks."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.nightly.ledger import Ledger, Line, attempts_in, elapsed_s, parse_ledger
from harness.nightly.units import Unit, remaining, units_of

UNITS = units_of("part", ["a", "b"], 3)


def line(unit: Unit, session: int = 1, at_s: float = 1.0) -> Line:
    return Line(
        what="attempt", at="2026-01-01T00:00:00+00:00", session=session, session_s=at_s,
        part=unit.part, case=unit.case, number=unit.number,
    )  # fmt: skip


def test_cases_take_turns() -> None:
    assert [(unit.case, unit.number) for unit in UNITS[:3]] == [("a", 1), ("b", 1), ("a", 2)]


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "night.jsonl")
    for unit in UNITS:
        ledger.append(line(unit))
    assert attempts_in(ledger.read().lines) == set(UNITS)


def test_a_torn_last_line_is_cut_off_before_the_next_is_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "night.jsonl")
    ledger.append(line(UNITS[0]))
    with ledger.path.open("ab") as file:
        file.write(b'{"what":"attempt","par' * 400)  # longer than one look back
    ledger.append(line(UNITS[1]))
    read = ledger.read()
    assert [item.unit for item in read.lines] == UNITS[:2]
    assert read.damaged == ()


def test_a_line_in_the_middle_that_cannot_be_read_is_named_and_passed_over() -> None:
    whole = line(UNITS[0]).model_dump_json().encode()
    read = parse_ledger(whole + b"\n{garbage}\n" + whole + b"\n")
    assert read.damaged == (2,)
    assert len(read.lines) == 2


@given(cut=st.integers(0, 4000), sessions=st.integers(1, 3))
def test_whatever_prefix_a_kill_leaves_what_is_left_and_what_is_done_make_the_whole(cut: int, sessions: int) -> None:
    data = b"".join(
        line(unit, session=1 + n % sessions).model_dump_json().encode() + b"\n" for n, unit in enumerate(UNITS)
    )
    read = parse_ledger(data[:cut])
    done = [item.unit for item in read.lines]
    assert read.damaged == ()
    assert done + remaining(UNITS, done) == UNITS


def test_the_time_of_a_night_is_that_of_its_sessions_without_what_lay_between() -> None:
    lines = [line(UNITS[0], 1, 10.0), line(UNITS[1], 1, 25.0), line(UNITS[2], 2, 4.0)]
    assert elapsed_s(lines) == 29.0
