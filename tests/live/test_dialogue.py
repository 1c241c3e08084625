"""A dialogue in a call: lines start when they are due, and what was said is kept with its truth. A script plays the agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bots.probe_bot import mono_ms
from harness.errors import AttemptError
from harness.judge.verdict import status_of_capture
from harness.live.dialogue import DialogueCall, tells_of_tools, text_since, tools_since
from harness.model.case import Case, Tier, Truth
from harness.model.dialogue import Dialogue
from harness.model.events import EventType
from harness.model.plan import CallRules
from harness.model.status import CaptureStatus, Status
from harness.model.transcript import TranscriptLine
from harness.speech.build import samples_sha256
from harness.speech.spoken_lines import SpokenLine
from harness.speech.word_times import Word
from tests.live.made_call import PER_MS, MadeProbe, Script, held

LINE_MS = 1_000
ANSWER_MS = 1_200


def made_line(text: str, number: int) -> SpokenLine:
    """A second of one number."""
    return SpokenLine(text, np.full(LINE_MS * PER_MS, number, np.int16), (Word(text.split()[0], 480, 960),))


@dataclass
class Published:
    """The texts of the call."""

    lines: list[TranscriptLine] = field(default_factory=list)

    @property
    def changes(self) -> int:
        return len(self.lines)

    def so_far(self) -> list[TranscriptLine]:
        return self.lines

    def add(self, text: str, complete: bool = True) -> None:
        now = mono_ms()
        self.lines.append(
            TranscriptLine(
                way="stream", speaker="agent", segment_id=str(len(self.lines)), text=text, final=True,
                complete=complete, t_first_mono_ms=now, t_last_mono_ms=now,
            )
        )  # fmt: skip


class Probe(MadeProbe):
    """The audio clock of a made call runs faster than the host's, so a line counts from when it was handed over."""

    def __init__(self) -> None:
        super().__init__()
        self.transcripts, self.seen = Published(), list[Any]()


class Call(DialogueCall):
    async def _started(self, start: int) -> None:
        self._since_ms = mono_ms()


def a_call(
    script: Script,
    steps: list[dict[str, Any]],
    answers: Callable[[int, float], None],
    made: type[DialogueCall] | None = None,
    **keys: Any,
) -> DialogueCall:
    """`answers(n, end_ms)` plays what the agent does about line n, which ends then."""
    script.probe = Probe()
    script.on_said = answers
    dialogue = Dialogue.model_validate({"steps": steps, **keys})
    case = Case(id="x", title="x", tier=Tier.P0, dialogue=dialogue, reply_timeout_ms=3_000, max_reply_ms=8_000)
    lines = Truth(case_id="x", n_samples=9, sha256="9", source="dialogue", utterances=[], lines_sha256="all")
    rules = CallRules(greeting="none", turn_quiet_ms=1_500)
    parts: Any = (case, lines, np.zeros(9, np.int16), script, script.probe, False)
    spoken = {text: made_line(text, number) for number, text in enumerate(dialogue.lines, 1)}
    return (made or Call)(*parts, rules=rules, dialogue=dialogue, lines=spoken)


def speaking(script: Script) -> Callable[[int, float], None]:
    """It answers, and publishes no words of it."""
    return lambda n, end_ms: script.play(end_ms + 500, ANSWER_MS)


def answering(script: Script, *texts: str, for_ms: float = ANSWER_MS) -> Callable[[int, float], None]:
    """Half a second after the user, with the text when it begins to speak. An empty text: no answer."""

    def answer(n: int, end_ms: float) -> None:
        text = texts[n] if n < len(texts) else "yes"
        if text:
            script.play(end_ms + 500, for_ms)
            script.at_ms[end_ms + 500] = lambda: script.probe.transcripts.add(text)  # type: ignore[attr-defined]

    return answer


IF_FULL = {"if": {"agent_says": "full"}, "say": "then eight", "else_say": "thank you"}


@pytest.mark.parametrize(("answer", "second"), [("We are full.", "then eight"), ("Booked.", "thank you")])
async def test_a_branch_is_taken_when_the_turn_is_over_and_the_line_comes_after_it(answer: str, second: str) -> None:
    script = Script()
    talk = a_call(script, [{"say": "a table"}, IF_FULL], answering(script, answer))
    await held(script, talk)
    assert [u.text for u in talk.truth.utterances] == ["a table", second]
    over = script.said_ms[0][1] + 500 + ANSWER_MS
    assert over + 1_500 <= script.said_ms[1][0] <= over + 1_700, "the quiet that ends the agent's turn"
    assert [(r.step, r.did, r.held) for r in talk.record] == [
        ("steps.0", "said", None),
        ("steps.1", "asked", second == "then eight"),
        (f"steps.1.{'say' if second == 'then eight' else 'else_say'}.0", "said", None),
    ]


async def test_a_line_that_was_handed_over_when_the_page_stopped_answering_was_said() -> None:
    class Broken(Call):
        async def _started(self, start: int) -> None:
            raise AttemptError(CaptureStatus.PAGE_ERROR, "the page gave no answer")

    script = Script()
    talk = a_call(script, [{"say": "a table"}], answering(script), made=Broken)
    with pytest.raises(AttemptError, match="gave no answer"):
        await held(script, talk)
    assert [u.text for u in talk.truth.utterances] == ["a table"]
    assert [said.utterance for said in talk.spoken] == [0]


async def test_what_was_said_is_an_utterance_with_its_truth_to_the_sample() -> None:
    script = Script()
    talk = a_call(script, [{"say": "a table"}, {"say": "at seven", "after_ms": 900}], answering(script))
    await held(script, talk)
    truth = talk.truth
    assert (truth.n_samples, truth.sha256, truth.lines_sha256) == (len(talk.said), samples_sha256(talk.said), "all")
    for number, utterance in enumerate(truth.utterances, start=1):
        piece = talk.said[utterance.start_sample : utterance.end_sample]
        assert len(piece) == LINE_MS * PER_MS
        assert (piece == number).all()
        assert utterance.words[0].start_sample == utterance.start_sample + 480
    first, second = truth.utterances
    assert (first.after, second.after, second.delay_ms) == (None, "reply_end", 900)
    starts = [spoken.mic_sample for spoken in talk.spoken]
    assert starts == [round(start * PER_MS) for start, _ in script.said_ms]


async def test_a_line_goes_into_the_reply_at_its_time() -> None:
    script = Script()
    steps = [{"say": "tell me"}, {"say": "stop", "interrupt_after_ms": 1_500}]
    talk = a_call(script, steps, answering(script, for_ms=2_000))
    await held(script, talk)
    assert script.said_ms[1][0] == pytest.approx(script.said_ms[0][1] + 500 + 1_500, abs=20)
    assert talk.spoken[1].achieved_delay_ms == pytest.approx(1_500, abs=20)


async def test_a_wait_ends_as_soon_as_it_is_said_and_a_line_behind_it_waits_for_the_end() -> None:
    script = Script()
    steps = [{"say": "a table"}, {"wait_for": {"agent_asks": True}}, {"say": "at seven"}]

    def answer(n: int, end_ms: float) -> None:
        script.play(end_ms + 500, 1_000)
        script.at_ms[end_ms + 500] = lambda: script.probe.transcripts.add("One moment.")  # type: ignore[attr-defined]
        if n == 0:
            script.play(end_ms + 4_500, 1_000)
            script.at_ms[end_ms + 4_700] = lambda: script.probe.transcripts.add("When?")  # type: ignore[attr-defined]

    talk = a_call(script, steps, answer)
    await held(script, talk)
    assert script.said_ms[1][0] >= script.said_ms[0][1] + 5_500


async def test_after_a_silence_the_line_waits_for_nobody() -> None:
    script = Script()
    steps = [{"say": "hello"}, {"wait_for": {"silence_ms": 2_000}}, {"say": "are you there"}]
    talk = a_call(script, steps, answering(script, "", "Yes."))
    await held(script, talk)
    assert script.said_ms[1][0] == pytest.approx(script.said_ms[0][1] + 2_000, abs=150)
    assert talk.truth.utterances[1].after is None


async def test_who_waits_in_vain_says_something_else_and_does_not_talk_over_the_agent() -> None:
    script = Script()
    wait = {"wait_for": {"agent_says": "booked"}, "give_up_after_ms": 1_000, "else_say": "well"}
    talk = a_call(script, [{"say": "a table"}, wait], answering(script, "One moment.", for_ms=3_000))
    await held(script, talk)
    assert script.said_ms[1][0] >= script.said_ms[0][1] + 3_500


@pytest.mark.parametrize(
    ("steps", "answer", "why"),
    [
        (
            [{"say": "a"}, {"wait_for": {"agent_says": "booked"}, "give_up_after_ms": 2_500}],
            "Never.",
            r"dialogue\.steps\.1: the agent's words 'booked' did not come within 2\.5 s; .* it said 'Never\.'",
        ),
        (
            [{"say": "a"}, {"wait_for": {"tool": "book"}, "give_up_after_ms": 2_500}],
            "",
            r"dialogue\.steps\.1: the end of the tool call 'book' did not come .* published no words of its own speech",
        ),
        (
            [{"repeat": [{"say": "a"}], "times": 2, "until": {"agent_asks": True}}],
            "No.",
            r"dialogue\.steps\.0: a question did not come in 2 rounds",
        ),
        ([{"say": "a"}] * 9, "No.", r"dialogue\.steps\.\d: the dialogue was not over after 9 s"),
        (
            [{"say": "a"}, {"wait_for": {"agent_asks": True}, "give_up_after_ms": 60_000}],
            "No.",
            r"dialogue\.steps\.1: the dialogue was not over after 9 s",
        ),
    ],
)
async def test_a_dialogue_that_does_not_go_on_ends_with_what_it_waited_for(
    steps: list[dict[str, Any]], answer: str, why: str
) -> None:
    script = Script()
    talk = a_call(script, steps, answering(script, *[answer] * 9), give_up_after_ms=9_000)
    with pytest.raises(AttemptError, match=why) as caught:
        await held(script, talk)
    assert caught.value.status is CaptureStatus.DIALOGUE_GAVE_UP
    assert talk.record[-1].did == "gave_up"
    assert len(talk.truth.utterances) == len(script.said_ms), "what was said until then is kept"


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (IF_FULL, "the agent's words 'full' cannot be known of: .* published no words of its own speech"),
        (
            {"wait_for": {"agent_asks": True}, "give_up_after_ms": 5_000, "else_say": "well"},
            "a question cannot be known of: .* published no words of its own speech",
        ),
        (
            {"repeat": [{"say": "b"}], "times": 3, "until": {"tool": "book"}},
            "the end of the tool call 'book' cannot be known of: .* published no tool calls",
        ),
    ],
)
async def test_what_an_agent_does_not_tell_of_is_no_fault_of_its_own_and_no_branch_is_taken(
    step: dict[str, Any], why: str
) -> None:
    script = Script()
    talk = a_call(script, [{"say": "a"}, step], speaking(script))
    with pytest.raises(AttemptError, match=rf"dialogue\.steps\.1: {why}") as caught:
        await held(script, talk)
    assert caught.value.status is CaptureStatus.DIALOGUE_UNTOLD
    assert status_of_capture(caught.value.status) is Status.NO_DATA
    assert "well" not in [u.text for u in talk.truth.utterances]


@pytest.mark.parametrize(
    "step", [{"wait_for": {"agent_says": "re:(o+)+$"}}, {"if": {"agent_asks": "re:(o+)+$"}, "say": "b"}]
)
async def test_a_pattern_without_an_end_ends_the_call_and_is_named(step: dict[str, Any]) -> None:
    script = Script()
    talk = a_call(script, [{"say": "a"}, step], answering(script, f"S{'o' * 3_000} so?"))
    with pytest.raises(AttemptError, match=r"dialogue\.steps\.1: the pattern '.*' found no end in 1 s") as caught:
        await held(script, talk)
    assert caught.value.status is CaptureStatus.DIALOGUE_UNTOLD


async def test_before_the_first_line_a_silence_counts_from_when_the_user_might_speak() -> None:
    script = Script(varies=True)
    script.play(0, 1_000)  # a greeting; it is over after 1.5 s of quiet
    talk = a_call(script, [{"wait_for": {"silence_ms": 4_000}}, {"say": "hello"}], answering(script))
    talk.rules = replace(talk.rules, greeting="auto")
    await held(script, talk)
    assert script.said_ms[0][0] == pytest.approx(1_000 + 1_500 + 4_000, abs=150)


async def test_a_line_whose_turn_never_came_is_not_kept_as_said() -> None:
    script = Script()
    talk = a_call(script, [{"say": "a table"}, {"say": "at seven"}], answering(script, ""))
    with pytest.raises(AttemptError, match="nothing was heard of the agent"):
        await held(script, talk)
    assert [u.text for u in talk.truth.utterances] == ["a table"]
    assert talk.truth.sha256 == samples_sha256(talk.said)


async def test_an_agent_that_does_not_answer_a_line_is_named_for_that() -> None:
    script = Script()
    talk = a_call(script, [{"say": "a table"}, IF_FULL], answering(script, ""))
    with pytest.raises(AttemptError) as caught:
        await held(script, talk)
    assert caught.value.status is CaptureStatus.REPLY_TIMEOUT


def test_words_of_an_earlier_reply_do_not_count() -> None:
    published = Published()
    published.add("Booked.")
    since = published.lines[0].t_first_mono_ms + 0.5
    later = replace_times(published.lines[0], since + 10, "When?", complete=False)
    assert text_since([published.lines[0], later], since) == ("When?", False)
    assert text_since([published.lines[0]], since) == ("", True)


def test_words_that_came_as_an_event_may_be_corrected_until_they_are_final() -> None:
    published = Published()
    published.add("We are")
    event = published.lines[0].model_copy(update={"way": "event", "final": False})
    whole = event.model_copy(update={"text": "We are full.", "final": True, "t_last_mono_ms": event.t_last_mono_ms + 1})
    assert text_since([event], 0.0) == ("We are", False)
    assert text_since([event, whole], 0.0) == ("We are full.", True)


def replace_times(line: TranscriptLine, t_ms: float, text: str, *, complete: bool) -> TranscriptLine:
    update = {"text": text, "segment_id": "b", "complete": complete, "t_first_mono_ms": t_ms, "t_last_mono_ms": t_ms}
    return line.model_copy(update=update)


def test_a_tool_counts_when_it_has_succeeded() -> None:
    def event(kind: EventType, t_ms: float, **data: Any) -> Any:
        return SimpleNamespace(event=SimpleNamespace(type=kind, data=data), t_mono_ms=t_ms)

    assert not tells_of_tools([event(EventType.TRACE_ACK, 0)])
    assert tells_of_tools([event(EventType.TRACE_ACK, 0, tools=True)])
    seen = [
        event(EventType.TOOL_START, 1, id="1", name="look_up"),
        event(EventType.TOOL_START, 2, id="2", name="book"),
        event(EventType.TOOL_END, 11, id="1", result="x", error=""),
        event(EventType.TOOL_END, 12, id="2", error="no table"),
        event(EventType.TOOL_END, 13, id="9"),
    ]
    assert tools_since(seen, 10) == {"look_up"}
    assert tools_since(seen, 11.5) == frozenset()
