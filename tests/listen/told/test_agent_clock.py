"""The agent's clock: this host's where causality allows it, another's with what is known of it, or none."""

from __future__ import annotations

import pytest

from harness.listen.told.agent_clock import Exchange, agent_clock
from harness.listen.told.livekit import livekit_replies
from tests.listen.told_spans import OFFSET_MS, Spans

EXCHANGES = [Exchange(1_640.0, 2_590.0), Exchange(6_640.0, 7_590.0)]


def two_turns(clock_ms: float = 0.0) -> Spans:
    spans = Spans(clock_ms=clock_ms)
    spans.livekit_turn(500, 1_700, 2_500, claimed_s=0.8)
    spans.livekit_turn(5_500, 6_700, 7_500, claimed_s=0.8)
    return spans


def test_an_agent_on_this_host_has_its_clock_to_a_millisecond() -> None:
    spans = two_turns()
    clock = agent_clock(spans.lines, livekit_replies(spans.lines), EXCHANGES)
    assert clock.offset_ms == pytest.approx(OFFSET_MS, abs=0.01)
    assert clock.error_ms == pytest.approx(0.5, abs=0.01)
    assert "this host's" in clock.how


@pytest.mark.parametrize("clock_ms", [300_000.0, 1_500.0, -1_500.0, -300_000.0])
def test_another_hosts_clock_is_found_by_what_must_precede_what(clock_ms: float) -> None:
    spans = two_turns(clock_ms)
    clock = agent_clock(spans.lines, livekit_replies(spans.lines), EXCHANGES)
    assert clock.offset_ms is not None
    assert clock.error_ms is not None
    assert clock.offset_ms == pytest.approx(OFFSET_MS + clock_ms, abs=clock.error_ms)
    assert clock.error_ms < 300
    assert "another host's" in clock.how


def test_another_hosts_clock_is_not_known_where_nothing_ties_it_to_ours() -> None:
    spans = two_turns(300_000.0)
    clock = agent_clock(spans.lines, livekit_replies(spans.lines), EXCHANGES[:1])
    assert (clock.offset_ms, clock.error_ms) == (None, None)
    assert clock.mono_ms(OFFSET_MS) is None
    assert "nothing in the call ties it" in clock.how


def test_a_reply_too_many_beside_one_that_is_missing_makes_no_other_host() -> None:
    """The agent was ended before its last reply was sent, and its first turn had two."""
    spans = Spans()
    spans.livekit_turn(500, 1_700, 2_500, claimed_s=0.8)
    spans.livekit_turn(500, 1_700, 4_400, claimed_s=2.7)
    spans.livekit_turn(5_500, 6_700, 7_500, claimed_s=0.8)
    replies, exchanges = livekit_replies(spans.lines), [*EXCHANGES, Exchange(11_640.0, 12_590.0)]
    assert len(replies) == len(exchanges), "by their order they would be paired wrongly"
    clock = agent_clock(spans.lines, replies, exchanges)
    assert "this host's" in clock.how


def test_another_host_s_clock_is_not_taken_for_ours_where_the_replies_are_not_those_that_were_heard() -> None:
    """It is slow, so that its spans seem to have come late only; and there is one reply more than was heard."""
    spans = two_turns(-20_000.0)
    clock = agent_clock(spans.lines, livekit_replies(spans.lines), EXCHANGES[:1])
    assert (clock.offset_ms, clock.error_ms) == (None, None)


def test_a_reply_that_was_given_up_unheard_does_not_hide_another_host_s_clock() -> None:
    spans = two_turns(300_000.0)
    spans.add("agent_turn", 1_750, 1_800)  # a preemptive generation, cancelled
    clock = agent_clock(spans.lines, livekit_replies(spans.lines), EXCHANGES)
    assert clock.offset_ms == pytest.approx(OFFSET_MS + 300_000.0, abs=clock.error_ms)


def test_a_wall_clock_that_was_set_in_the_call_widens_the_error() -> None:
    spans = two_turns()
    last = spans.lines[-1]
    spans.lines[-1] = last.model_copy(update={"arrived_unix_ns": last.arrived_unix_ns + 30_000_000})
    clock = agent_clock(spans.lines, livekit_replies(spans.lines), EXCHANGES)
    assert clock.error_ms == pytest.approx(15.5, abs=0.01)
