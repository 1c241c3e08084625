"""A dialogue goes on by what was heard, and always comes to an end. No call is made: the agent's words are made here."""

from __future__ import annotations

from typing import Any

import pytest

from harness.model.course import Ask, GaveUpError, Heard, Say, Wait, course_of, holds, questions_in
from harness.model.dialogue import MOST_LINES, AgentAsks, AgentSays, AgentSilent, Dialogue, ToolReturned

ASKS = {"agent_asks": "what time"}
BOOKED = {"agent_says": "booked"}


def played(steps: list[dict[str, Any]], *answers: str) -> list[str]:
    """What the user says to an agent that answers line n with `answers[n]`, and with silence from then on."""
    course, said, text = course_of(Dialogue.model_validate({"steps": steps})), list[str](), ""
    answer: bool | None = None
    while True:
        try:
            move = course.send(answer)
        except StopIteration:
            return said
        except GaveUpError as error:
            return [*said, f"{error.step}: {error}"]
        answer = None
        if isinstance(move, Say):
            text = answers[len(said)] if len(said) < len(answers) else ""
            said.append(move.text)
        else:
            answer = holds(move.condition, Heard(text, silent_ms=0.0 if text else 60_000.0))


BOOKS = [
    {"say": "a table please"},
    {"wait_for": ASKS, "give_up_after_ms": 4_000},
    {"say": "at seven"},
    {
        "if": {"agent_says": "re:full|sorry"},
        "steps": [{"say": "then at eight"}, {"wait_for": BOOKED}],
        "else_say": "thank you",
    },
]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (["For what time?", "It is booked."], ["a table please", "at seven", "thank you"]),
        (["For what time?", "Sorry, no.", "Booked."], ["a table please", "at seven", "then at eight"]),
        (
            ["At what time."],
            ["a table please", "steps.1: a question with the words 'what time' did not come within 4 s"],
        ),
        (
            ["What time?", "Sorry.", "Sorry."],
            [
                *("a table please", "at seven", "then at eight"),
                "steps.3.steps.1: the agent's words 'booked' did not come within 20 s",
            ],
        ),
    ],
)
def test_the_same_agent_words_lead_the_same_way(answers: list[str], said: list[str]) -> None:
    assert played(BOOKS, *answers) == said


def test_a_wait_in_vain_may_have_its_own_line() -> None:
    steps = [{"say": "hello"}, {"wait_for": BOOKED, "else_say": "are you there"}, {"say": "bye"}]
    assert played(steps, "It is booked.") == ["hello", "bye"]
    assert played(steps, "One moment.") == ["hello", "are you there", "bye"]


def test_a_loop_ends_when_it_holds_and_gives_up_after_its_rounds() -> None:
    loop = {"repeat": [{"say": "pardon"}], "times": 3, "until": BOOKED}
    assert played([loop, {"say": "bye"}], "What?", "It is booked.") == ["pardon", "pardon", "bye"]
    gave_up = "steps.0: the agent's words 'booked' did not come in 3 rounds"
    assert played([loop, {"say": "bye"}], "What?") == ["pardon"] * 3 + [gave_up]
    assert played([{"repeat": [{"say": "x"}], "times": 2}, {"say": "bye"}]) == ["x", "x", "bye"]


def test_a_line_behind_a_silence_waits_for_no_reply() -> None:
    steps = [
        {"say": "hello"},
        {"wait_for": {"silence_ms": 3_000}},
        {"if": BOOKED, "say": "good", "else_say": "hello?"},
        {"say": "bye"},
    ]
    course = course_of(Dialogue.model_validate({"steps": steps}))
    moves = [course.send(None), course.send(None), course.send(True), course.send(False), course.send(None)]
    assert [type(move) for move in moves] == [Say, Wait, Ask, Say, Say]
    assert [getattr(move, "at_once", None) for move in moves] == [False, None, True, True, False]
    assert [move.step for move in moves] == ["steps.0", "steps.1", "steps.2", "steps.2.else_say.0", "steps.3"]


@pytest.mark.parametrize(
    ("condition", "heard", "held"),
    [
        (AgentSays(agent_says="table for 2"), Heard("a table for two"), True),
        (AgentSays(agent_says="table for 2"), Heard("a table for four"), False),
        (AgentAsks(agent_asks=True), Heard("Fine. What time? I wait."), True),
        (AgentAsks(agent_asks=True), Heard("Tell me what time."), False),
        (AgentAsks(agent_asks="what time"), Heard("What time? And for how many?"), True),
        (AgentAsks(agent_asks="what time"), Heard("I know what time. For how many?"), False),
        (AgentAsks(agent_asks="几点"), Heard("好的。几点？"), True),
        (ToolReturned(tool="book"), Heard(tools=frozenset({"book"})), True),
        (ToolReturned(tool="book"), Heard("book"), False),
        (AgentSilent(silence_ms=800), Heard(silent_ms=800), True),
        (AgentSilent(silence_ms=800), Heard(silent_ms=799), False),
    ],
)
def test_what_is_asked_for_holds_or_not(condition: Any, heard: Heard, held: bool) -> None:
    assert holds(condition, heard) is held


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ("Do you mean 7 p.m. or 8 p.m.?", ["Do you mean 7 p.m. or 8 p.m.?"]),
        ("We close at 7 p.m. Would you like a table?", ["Would you like a table?"]),
        ("Shall I book it for 7 p.m. Monday?", ["Shall I book it for 7 p.m. Monday?"]),
        ("Is 9 a.m. EST fine?", ["Is 9 a.m. EST fine?"]),
        ("Would you like to see Dr. Smith?", ["Would you like to see Dr. Smith?"]),
        ("I asked Dr. Smith. When can you come?", ["When can you come?"]),
        ("Is a side dish, e.g. Rice or bread, all right?", ["Is a side dish, e.g. Rice or bread, all right?"]),
        ("Do you want no. 5 or no. 6?", ["Do you want no. 5 or no. 6?"]),
        ("No. What time?", ["What time?"]),
        ("Is Nov. 30 fine?", ["Is Nov. 30 fine?"]),
        ("Is it for J. R. Smith?", ["Is it for J. R. Smith?"]),
        ("It is plan B. What do you think?", ["What do you think?"]),
        ("So do I. Anything else?", ["Anything else?"]),
        ("It is on Main St. Do you know it?", ["Do you know it?"]),
        ("Is it near St. Mary's?", ["Is it near St. Mary's?"]),
        ("Do you live in the U.S. or elsewhere?", ["Do you live in the U.S. or elsewhere?"]),
        ("We deliver in the U.S. Is that fine?", ["Is that fine?"]),
        ('She said "yes." Is that fine?', ["Is that fine?"]),
        ("Drinks, nuts etc. are free.\nAnything else?", ["Anything else?"]),
    ],
)
def test_a_short_form_ends_no_question(text: str, questions: list[str]) -> None:
    assert questions_in(text) == questions


def test_a_question_is_a_sentence_with_its_mark() -> None:
    assert questions_in("At 7.30? No! Why?! 好吗？ Yes.") == ["At 7.30?", "Why?!", "好吗？"]


def test_the_longest_way_has_at_most_so_many_lines() -> None:
    loop = {"repeat": [{"say": "x"}, {"if": BOOKED, "say": "y", "else_steps": [{"say": "z"}] * 4}], "times": 20}
    assert MOST_LINES == 5 * 20
    assert len(played([loop])) == MOST_LINES
    with pytest.raises(ValueError, match="a call may come to 101 lines; 100 are the most"):
        Dialogue.model_validate({"steps": [loop, {"say": "x"}]})
