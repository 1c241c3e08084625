"""What a case plays of a recorded call: which words, and what their starts hang on."""

from __future__ import annotations

from harness.speech.adopt import Plan, Words, id_from, plan


def words(*spans_ms: tuple[float, float]) -> list[Words]:
    return [Words(number, round(start * 48), round(end * 48)) for number, (start, end) in enumerate(spans_ms)]


def agent(*spans_ms: tuple[float, float]) -> list[tuple[int, int]]:
    return [(round(start * 48), round(end * 48)) for start, end in spans_ms]


def starts(found: Plan) -> list[tuple[str | None, float]]:
    return [(played.after, played.delay_ms) for played in found.played]


def test_words_after_a_reply_hang_on_its_end_and_words_into_it_on_its_beginning() -> None:
    said = words((1_000, 2_000), (6_000, 7_000), (9_000, 10_000))
    found = plan(said, agent((2_600, 3_500), (3_900, 5_200), (7_700, 9_400), (10_500, 12_000)))
    assert starts(found) == [(None, 500.0), ("reply_end", 800.0), ("reply_start", 1_300.0)]
    assert found.notes == ()


def test_a_reply_that_began_in_the_users_words_is_a_reply() -> None:
    found = plan(words((1_000, 2_000), (5_000, 6_000)), agent((1_800, 4_000)))
    assert starts(found)[1] == ("reply_end", 1_000.0)


def test_words_with_no_reply_between_them_are_one_utterance_with_its_pause() -> None:
    found = plan(words((1_000, 2_000), (4_500, 5_000)), agent((6_000, 7_000)))
    [played] = found.played
    assert [said.number for said in played.words] == [0, 1]
    assert "turn 2 follows turn 1 with no reply between" in found.notes[0]
    assert "2.5 s" in found.notes[0]


def test_a_word_over_an_agent_that_goes_on_is_no_turn_and_in_the_middle_is_left_out() -> None:
    told = agent((2_500, 9_000), (11_000, 12_000))
    last = plan(words((1_000, 2_000), (4_000, 4_400)), told)
    assert [played.is_turn for played in last.played] == [True, False]
    middle = plan(words((1_000, 2_000), (4_000, 4_400), (10_000, 10_500)), told)
    assert [played.words[0].number for played in middle.played] == [0, 2]
    assert "left out" in middle.notes[0]


def test_words_after_a_longer_wait_than_a_case_holds_come_sooner_and_it_is_said() -> None:
    held = plan(words((1_000, 2_000), (80_000, 81_000)), agent((2_600, 5_000)))
    assert starts(held)[1] == ("reply_end", 60_000.0)
    assert held.notes == (
        "turn 2 comes 60 s after the reply ended, the longest that a case waits (in the recording 75.0 s)",
    )
    into = plan(words((1_000, 2_000), (80_000, 82_000)), agent((2_600, 81_000)))
    assert starts(into)[1] == ("reply_start", 60_000.0)


def test_an_id_is_made_of_any_file_name() -> None:
    assert id_from("Anruf 12 (März)") == "Anruf_12_M_rz"
    assert id_from("---") == "call"
