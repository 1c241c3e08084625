"""What the agent's leaving means is told by when it leaves. No call is made: a script plays the agent."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import AttemptError
from harness.live import presence
from harness.live.attendance import Attendance
from harness.live.presence import Presence
from harness.model.plan import CallRules
from harness.model.status import CaptureStatus
from tests.live.made_call import Script, held, made_talk


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "RECOUNT_S", 0.001)


async def played(script: Script, turns: int = 1, attendance: Attendance | None = None, **kept: Any) -> tuple[Any, Any]:
    talk = made_talk(script, turns, **kept)
    watch = Presence(talk, script.probe, attendance or Attendance(), script.hearing).watch()  # type: ignore[arg-type]
    script.probe.agent_present.set()
    return talk, await held(script, talk, also=watch)


def leave(script: Script) -> None:
    script.probe.agent_present.clear()
    script.probe.agent_gone.set()


async def test_leaving_after_the_last_reply_is_a_hang_up() -> None:
    script = Script()

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_000)
        script.at_ms[end_ms + 2_000] = lambda: leave(script)

    script.on_said = on_said
    talk, error = await played(script)
    assert error is None
    assert [h.kind for h in talk.happenings] == ["hung_up"]


async def test_deleting_the_room_after_the_last_reply_is_a_hang_up_too_and_the_leaving_follows_from_it() -> None:
    script = Script()

    def deleted() -> None:
        leave(script)
        script.probe.room_ended.set()

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_000)
        script.at_ms[end_ms + 2_000] = deleted

    script.on_said = on_said
    talk, error = await played(script)
    assert error is None
    assert "deleted the room" in talk.happenings[0].detail


async def test_a_user_who_left_the_room_is_not_owed_a_reply() -> None:
    script = Script()
    script.on_said = lambda n, end_ms: setattr(script.probe, "user_left", "client_initiated")
    with pytest.raises(AttemptError, match="left the room in the middle of the call") as caught:
        await held(script, made_talk(script))
    assert caught.value.status is CaptureStatus.PAGE_ERROR


@pytest.mark.parametrize(("after_ms", "where"), [(300, "while its reply was due"), (900, "in the middle of its reply")])
async def test_leaving_in_mid_turn_is_a_crash(after_ms: float, where: str) -> None:
    script = Script()

    def gone() -> None:
        leave(script)
        script._played.clear()

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_000)
        script.at_ms[end_ms + after_ms] = gone

    script.on_said = on_said
    _, error = await played(script)
    assert isinstance(error, AttemptError)
    assert error.status is CaptureStatus.AGENT_CRASH
    assert where in error.detail


@pytest.mark.parametrize(("quiet_ms", "crash"), [(400.0, False), (40.0, True), (None, True)])
async def test_a_reply_that_a_late_ear_still_hears_was_not_cut_off_if_silence_followed_it(
    quiet_ms: float | None, crash: bool
) -> None:
    script = Script()
    script.probe.quiet_ms = quiet_ms

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_000)
        script.at_ms[end_ms + 1_300] = lambda: leave(script)

    script.on_said = on_said
    talk, error = await played(script)
    if crash:
        assert isinstance(error, AttemptError)
        assert error.status is CaptureStatus.AGENT_CRASH
    else:
        assert error is None
        assert [h.kind for h in talk.happenings] == ["hung_up"]


async def test_the_silence_that_follows_a_cut_off_word_is_not_the_agents() -> None:
    """WebRTC goes on with frames of silence for most of a second after the last packet."""
    script = Script()

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_000)
        script.at_ms[end_ms + 1_300] = lambda: leave(script)
        script.at_ms[end_ms + 1_400] = lambda: setattr(script.probe, "quiet_ms", 800.0)

    script.on_said = on_said
    _, error = await played(script)
    assert isinstance(error, AttemptError)
    assert error.status is CaptureStatus.AGENT_CRASH


async def test_who_comes_back_between_two_turns_is_waited_for() -> None:
    script = Script()

    def back() -> None:
        script.probe.agent_gone.clear()
        script.probe.agent_present.set()

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_000)
        if n == 0:
            script.at_ms[end_ms + 2_000] = lambda: leave(script)
            script.at_ms[end_ms + 6_000] = back

    script.on_said = on_said
    talk, error = await played(script, turns=2)
    assert error is None
    assert [h.kind for h in talk.happenings] == ["came_back"]
    assert script.said_ms[1][0] >= script.said_ms[0][1] + 6_000


async def test_another_one_may_come_in_its_place() -> None:
    script = Script()
    roster = script.probe.roster
    roster.came("agent")
    roster.sounded("agent", 1_000)

    def next_one() -> None:
        roster.came("agent-two", is_agent_kind=True)
        script.probe.agent_gone.clear()
        script.probe.agent_present.set()

    def gone() -> None:
        roster.left("agent")
        leave(script)

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_000)
        if n == 0:
            script.at_ms[end_ms + 2_000] = gone
            script.at_ms[end_ms + 6_000] = next_one

    script.on_said = on_said
    talk, error = await played(script, turns=2)
    assert error is None
    assert (
        "the agent left the room before the user's next turn, and agent-two came in its place after"
        in talk.happenings[0].detail
    )


async def test_the_one_that_comes_in_its_place_may_greet_first() -> None:
    script = Script()

    def back() -> None:
        script.probe.agent_gone.clear()
        script.probe.agent_present.set()
        script.play(script.now_ms + 1_500, 2_000)

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_000)
        if n == 0:
            script.at_ms[end_ms + 2_000] = lambda: leave(script)
            script.at_ms[end_ms + 6_000] = back

    script.on_said = on_said
    talk, error = await played(script, turns=2, rules=CallRules(greeting_window_ms=3_000, turn_quiet_ms=1_500))
    assert error is None
    assert [h.kind for h in talk.happenings] == ["came_back", "greeting"]
    assert script.said_ms[1][0] >= script.said_ms[0][1] + 6_000 + 3_500


async def test_who_stays_away_with_turns_still_to_come_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "COME_BACK_S", 0.2)
    script = Script()

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_000)
        script.at_ms[end_ms + 2_000] = lambda: leave(script)

    script.on_said = on_said
    _, error = await played(script, turns=2)
    assert error.status is CaptureStatus.AGENT_LEFT
    assert "before the user's next turn" in error.detail


@pytest.mark.parametrize(("code", "status"), [(0, None), (-9, CaptureStatus.AGENT_CRASH)])
async def test_a_process_that_ends_in_order_after_its_last_reply_has_hung_up_and_one_that_dies_has_not(
    code: int, status: CaptureStatus | None
) -> None:
    script, attendance = Script(), Attendance()

    def ended() -> None:
        attendance.exit_code, attendance.lost_why = code, f"its process ended with {code}"
        attendance.lost.set()

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_000)
        script.at_ms[end_ms + 2_000] = ended

    script.on_said = on_said
    _, error = await played(script, attendance=attendance)
    assert (error.status if error is not None else None) is status


async def test_two_who_speak_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "HANDOVER_S", 0.0)  # the call's audio is faster than the host's clock
    script = Script()
    for identity in ("a", "b"):
        script.probe.roster.came(identity)
        script.probe.roster.sounded(identity, 1_000)
    script.at_ms[500.0] = script.probe.second_agent.set
    _, error = await played(script)
    assert error.status is CaptureStatus.TWO_AGENTS
    assert "a, b" in error.detail


def handing_over(script: Script) -> None:
    """One speaks while the other is still there."""
    for identity in ("desk", "specialist"):
        script.probe.roster.came(identity)
        script.probe.roster.sounded(identity, 1_000)
    script.probe.second_agent.set()


async def test_one_that_takes_over_before_the_first_has_left_is_no_second_agent() -> None:
    script = Script()

    def left() -> None:
        script.probe.roster.left("desk")
        script.probe.second_agent.clear()  # as the probe does

    def on_said(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_000)
        script.at_ms[end_ms + 600] = lambda: handing_over(script)
        script.at_ms[end_ms + 900] = left

    script.on_said = on_said
    talk, error = await played(script)
    assert error is None
    assert [h.detail for h in talk.happenings] == ["desk handed over to specialist, and left"]
    await Presence(talk, script.probe, Attendance(), script.hearing).outlived()  # type: ignore[arg-type]


async def test_a_second_one_that_speaks_as_the_call_ends_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "HANDOVER_S", 0.0)
    script = Script()
    handing_over(script)
    watch = Presence(made_talk(script), script.probe, Attendance(), script.hearing)  # type: ignore[arg-type]
    with pytest.raises(AttemptError, match="two agents are in the room: desk, specialist"):
        await watch.outlived()
