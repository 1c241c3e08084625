"""Where both speak, who began, and how long an agent talks on: arithmetic on spans."""

from __future__ import annotations

from harness.listen.check.overlap import LEAST_MS, find_overlaps, joined
from harness.listen.place.onset import Sound


def span(start_ms: float, end_ms: float) -> Sound:
    return Sound(round(start_ms * 48), round(end_ms * 48))


def test_who_starts_later_began_it() -> None:
    [by_user] = find_overlaps([span(1_000, 2_000)], [span(0, 1_500)])
    assert (by_user.began, by_user.talked_on_ms, by_user.yielded) == ("user", 500.0, True)
    [by_agent] = find_overlaps([span(1_000, 2_000)], [span(1_400, 3_000)])
    assert (by_agent.began, by_agent.talked_on_ms, by_agent.yielded) == ("agent", None, False)
    assert (by_agent.start, by_agent.end) == (1_400 * 48, 2_000 * 48)


def test_an_agent_that_outlasts_the_user_did_not_yield() -> None:
    [both] = find_overlaps([span(1_000, 1_400)], [span(0, 5_000)])
    assert (both.talked_on_ms, both.yielded) == (4_000.0, False)


def test_what_two_uncertain_edges_could_be_is_no_talk_over() -> None:
    assert find_overlaps([span(1_000, 2_000)], [span(0, 1_000 + LEAST_MS - 1)]) == []
    assert find_overlaps([span(1_000, 2_000)], [span(2_000, 3_000)]) == []


def test_pauses_within_speech_do_not_part_it() -> None:
    assert joined([span(0, 100), span(350, 500), span(1_000, 1_100)], 300) == [span(0, 500), span(1_000, 1_100)]
