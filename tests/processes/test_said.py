"""What a child has said: lines whole whatever pieces they come in, those that nobody waits for kept apart, bytes after a line."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from harness.processes.said import LINE_BYTES, LINES_KEPT, Answers, Lines


def in_pieces(text: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(text) + 1) for cut in cuts} | {0, len(text)})
    return [text[begin:end] for begin, end in itertools.pairwise(places)]


def taken(said: Lines | Answers, *, over: bool) -> list[bytes]:
    return list(iter(lambda: said.take_line(over=over), b""))


@given(
    st.lists(st.sampled_from([b"{1}\n", b"{2}\n", b"noise\n", b"\n", b" {3}\n"]), max_size=20), st.lists(st.integers(0))
)
def test_lines_are_the_same_in_whatever_pieces_they_come(lines: list[bytes], cuts: list[int]) -> None:
    noted: list[bytes] = []
    said = Lines(b"{", noted.append)
    for piece in in_pieces(b"".join(lines), cuts):
        said.feed(piece)
    assert taken(said, over=False) == [line for line in lines if line.startswith(b"{")]
    assert b"".join(noted) == b"".join(line for line in lines if not line.startswith(b"{"))


@given(st.binary(max_size=400), st.lists(st.integers(0)), st.integers(0, 5))
def test_nothing_is_lost_of_what_is_said(text: bytes, cuts: list[int], before_letting_go: int) -> None:
    noted: list[bytes] = []
    said = Lines(b"a", noted.append)
    pieces = in_pieces(text, cuts)
    lines: list[bytes] = []
    for n, piece in enumerate(pieces):
        said.feed(piece)
        if n == before_letting_go:
            lines += taken(said, over=False)
            said.let_go()
    lines += taken(said, over=True)
    said.let_go()
    assert sorted(b"".join([*lines, *noted])) == sorted(text)


def test_a_line_that_is_too_long_is_for_the_log_with_all_of_it_and_the_next_one_is_whole() -> None:
    noted: list[bytes] = []
    said = Lines(b"", noted.append)
    long = b"z" * (3 * LINE_BYTES) + b"\n"
    for at in range(0, len(long), 10_000):
        said.feed(long[at : at + 10_000])
    said.feed(b"ready\n")
    assert taken(said, over=False) == [b"ready\n"]
    assert b"".join(noted) == long


def test_the_first_lines_wait_and_those_that_are_too_many_are_for_the_log() -> None:
    noted: list[bytes] = []
    said = Lines(b"", noted.append)
    said.feed(b"".join(b"%d\n" % n for n in range(LINES_KEPT + 2)))
    assert taken(said, over=False) == [b"%d\n" % n for n in range(LINES_KEPT)]
    assert noted == [b"%d\n" % LINES_KEPT, b"%d\n" % (LINES_KEPT + 1)]


def test_an_answer_is_a_line_and_any_bytes_after_it_newlines_among_them() -> None:
    said = Answers()
    said.feed(b'{"n": 4}\n\n\n')
    assert said.take_line(over=False) == b'{"n": 4}\n'
    assert said.take_bytes(4) == b""
    said.feed(b"\x00\nnext")
    assert said.take_bytes(4) == b"\n\n\x00\n"
    assert said.take_line(over=False) == b""
    assert said.take_line(over=True) == b"next"
