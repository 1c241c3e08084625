"""A fault is put down to the reply it was done to, also where a reply was broken in two, or said anew at once."""

from dataclasses import replace

from harness.prove.stream import Applied
from harness.prove.which_reply import by_reply


def at(reply: int, start_ms: float) -> Applied:
    return Applied(reply, at_ms=300, duration_ms=40, start_ms=start_ms)


def struck(applied: list[Applied], starts_ms: dict[int, float | None]) -> dict[int, int]:
    return {reply: items[0].reply for reply, items in by_reply(applied, starts_ms).items()}


def test_replies_are_paired_although_the_recording_began_later_and_each_flush_moves_it() -> None:
    applied = [at(n, 5_000 + 6_000 * n) for n in range(10)]
    assert struck(applied, {n: 1_000.0 + 5_920 * n for n in range(10)}) == {n: n for n in range(10)}


def test_a_reply_that_ran_dry_does_not_move_those_after_it() -> None:
    applied = [at(0, 0), at(1, 1_500), at(2, 6_000), at(3, 12_000)]  # the second is the rest of the first
    assert struck(applied, {4: 100.0, 5: 6_080.0, 6: 12_050.0}) == {4: 0, 5: 2, 6: 3}


def test_a_reply_that_was_said_anew_at_once_is_left_out() -> None:
    applied = [at(0, 0), at(1, 6_000), at(2, 12_000)]
    assert struck(applied, {0: 0.0, 1: 6_000.0, 2: 6_800.0, 3: 12_000.0}) == {0: 0, 1: 1, 3: 2}


def test_a_reply_that_nothing_was_done_to_and_one_without_a_place_are_left_out() -> None:
    applied = [at(0, 0), at(2, 12_000), at(3, 18_000)]
    assert struck(applied, {0: 0.0, 1: 6_000.0, 2: 12_000.0, 3: None}) == {0: 0, 2: 2}
    assert by_reply([], {0: 0.0}) == {}


def test_a_log_without_times_goes_by_count() -> None:
    applied = [replace(at(n, 0), start_ms=None) for n in range(2)]
    assert struck(applied, {3: 100.0, 5: 9_000.0, 6: 12_000.0}) == {3: 0, 5: 1}
