"""Every turn is counted as far as it came, and every loss has a label."""

from __future__ import annotations

import stat
from pathlib import Path

from harness.model.events import AgentTurnTrace, Clock, ClockKind, ReplyCause, TurnTimes
from harness.model.funnel import count, table
from runtime.turn_log import add_turns, read_turns
from tests.runtime.call.test_conversation import conversation
from tests.runtime.virtual_call import Answers, Call, Tone

TIMES = ("vad_end", "stt_done", "llm_first_token", "llm_first_segment", "tts_first_pcm", "first_publish")


def turn(
    reached: int,
    cause: ReplyCause | None = None,
    cancelled: bool = False,
    says: str = "",
    seq: int | None = None,
) -> AgentTurnTrace:
    """A turn that came as far as the first `reached` of TIMES."""
    times = dict.fromkeys(TIMES[:reached], 1.0)
    return AgentTurnTrace(
        trace_id="t-1",
        clock=Clock(id="test", kind=ClockKind.MONOTONIC),
        t=TurnTimes(**times, cancel=2.0 if cancelled else None),
        cause=cause,
        reply_seq=seq,
        vad_hangover_ms=200.0,
        user_text="secret words",
        transitions=[(1.0, "LISTENING", says)] if says else [],
    )


def test_turns_are_counted_by_stage_and_losses_have_their_label() -> None:
    turns = [
        turn(6, ReplyCause.COMPLETED),
        turn(6, ReplyCause.INTERRUPTED, cancelled=True),  # it was published: what was cut off is no loss
        turn(2, cancelled=True),
        turn(2, says="no_reply"),
        turn(4, ReplyCause.ERROR),
        turn(4),
    ]
    funnel = count(turns)
    assert list(funnel.reached.items()) == [
        ("end of turn", 6), ("understood", 6), ("words found", 4), ("voice made", 2), ("published", 2),
    ]  # fmt: skip
    assert [(loss.after, loss.why) for loss in funnel.losses] == [
        ("understood", "cancelled"), ("understood", "empty"), ("words found", "error"), ("words found", "unexplained"),
    ]  # fmt: skip
    assert funnel.unexplained == 1
    assert table(funnel)[1] == ("understood", 6, "1 cancelled, 1 empty")


def test_a_reply_that_was_published_and_not_heard_is_a_loss_once_somebody_listened() -> None:
    turns = [turn(6, ReplyCause.COMPLETED, seq=0), turn(6, ReplyCause.COMPLETED, seq=1)]
    assert count(turns).losses == ()
    funnel = count(turns, heard={("t-1", 0)})
    assert funnel.reached["heard"] == 1
    assert [(loss.after, loss.why) for loss in funnel.losses] == [("published", "unexplained")]


def test_a_step_without_the_one_before_is_no_progress() -> None:
    times = TurnTimes(vad_end=1.0, first_publish=2.0)
    assert count([turn(1).model_copy(update={"t": times})]).reached["published"] == 0


def test_turns_of_the_real_conversation_have_no_unexplained_loss() -> None:
    async def good(one: Call) -> None:
        await one.say(600)
        await one.wait(6_000)

    for one in (
        conversation(good),
        conversation(good, llm=Answers(reply_text="")),
        conversation(good, tts=Tone(breaks=0)),
    ):
        funnel = count(one.talk.trace.lines(one.talk.control.history))
        assert funnel.reached["end of turn"] == 1
        assert funnel.unexplained == 0


def test_the_log_of_turns_adds_up_holds_no_words_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "turns.jsonl"
    add_turns(path, [turn(6), turn(2)], with_words=False)
    add_turns(path, [turn(4)], with_words=False)
    with path.open("a") as file:
        file.write('{"v": 1, "trace_id": "cut o')
    turns, broken = read_turns(path)
    assert (len(turns), broken) == (3, 1)
    assert "secret words" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    add_turns(path, [turn(1)], with_words=True)
    assert "secret words" in path.read_text()
