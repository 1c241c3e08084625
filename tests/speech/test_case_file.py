"""Case files: every mistake is one line that names the file, the line, the key and what is allowed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import CaseError
from harness.model.case import Case
from harness.speech.case_file import load_case, load_cases

HEAD = "id: x\ntitle: x\ntier: P0\n"  # lines 1 to 3
HELLO = "speech: {utterances: [{parts: [{say: hello}]}]}\n"  # line 4
TALK = HEAD + "dialogue:\n  steps:\n    - say: hello\n"  # lines 4 to 6


def complaint(folder: Path, text: str | bytes) -> str:
    path = folder / "x.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(CaseError) as caught:
        load_case(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:")
    assert "\n" not in message
    return message.removeprefix(f"{path}:")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD, "1: key 'speech' is missing"),
        (HEAD.replace("P0", "P9") + HELLO, "3: tier: must be 'P0' or 'P1', not 'P9'"),
        (HEAD + "tier: P0\n" + HELLO, "4: key 'tier' stands twice (first in line 3)"),
        (HEAD + HELLO + "suit: [fast]\n", "5: unknown key 'suit'; did you mean 'suite'?"),
        (HEAD + HELLO + "greeting: {within: 2000}\n", "5: unknown key 'greeting.within'; did you mean 'within_ms'?"),
        (HEAD + HELLO + "greeting: {within_ms: 0}\n", "5: greeting.within_ms: must be greater than 0, not 0"),
        (HEAD + HELLO + "greeting: {says: ['re:[']}\n", "5: greeting.says.0: 're:[' is no pattern"),
        (HEAD + HELLO + "greeting: {lost_head: true}\n", "5: greeting.lost_head: false asks that the first word is heard"),
        (HEAD + HELLO + "greeting: {}\n", "5: greeting: needs one of within_ms, says and lost_head"),
        (HEAD + HELLO + "greeting: soon\n", "5: greeting: must be auto, none, required, or a mapping of within_ms, says"),
        (HEAD + HELLO + "greeting: [required]\n", "5: greeting: must be auto, none, required, or a mapping"),
        (HEAD + HELLO + "colour: red\n", "5: unknown key 'colour'; known here: id, title, tier"),
        (HEAD + HELLO + "suite: [my suite]\n", "5: suite.0: 'my suite' is no name of a suite"),
        (HEAD + HELLO + "suite: [mine, all]\n", "5: suite.1: all is every case there is"),
        (HEAD + HELLO + "min_reply_ms: soon\n", "5: min_reply_ms: must be a valid number"),
        (HEAD + HELLO + "min_reply_ms: .nan\n", "5: min_reply_ms: must be a finite number"),
        (HEAD + HELLO + "gates_override: {max_gap: .nan}\n", "5: gates_override.max_gap: must be a finite number"),
        (HEAD + HELLO + "expected_silence:\n  - {start_ms: 9, end_ms: 2, where: user}\n", "6: expected_silence.0: end_ms"),
        (HEAD + "speech: loud\n", "4: speech: must be a mapping of keys"),
        (HEAD + "speech:\n  wave: a.wav\n", "5: unknown key 'speech.wave'; did you mean 'wav'?"),
        (HEAD + "speech:\n  wav: a.wav\n  tail_ms: 900\n", "6: unknown key 'speech.tail_ms'; known here: wav, truth"),
        (HEAD + "speech:\n  noise: {kind: pink, snr_db: 3}\nexpect_reply: false\n", "4: speech: noise.snr_db"),
        (HEAD + "speech:\n  total_ms: 900\n", "4: speech: nobody says anything that is a turn; add"),
        (HEAD + "speech:\n  utterances:\n    - parts:\n        - say: hi\n          vioce: cmn\n",
         "8: unknown key 'speech.utterances.0.parts.0.vioce'; did you mean 'voice'?"),
        (HEAD + "speech:\n  utterances:\n    - parts:\n        - sey: hi\n",
         "7: speech.utterances.0.parts.0: needs one of the keys say, pause_ms"),
        (HEAD + "speech:\n  utterances:\n    - parts: [{say: hi}]\n      start: {after: reply_end, delay_ms: 9}\n",
         "7: key 'speech.utterances.0.start.nominal_ms' is missing"),
        (HEAD + HELLO + "dialogue: {steps: [{say: hello}]}\n", "1: has both speech and dialogue; a case is one of them"),
        (HEAD + "dialogue: hello\n", "4: dialogue: must be a mapping of keys, not 'hello'"),
        (HEAD + "dialogue: {steps: []}\n", "4: dialogue.steps: List should have at least 1 item"),
        (TALK + "    - sey: hi\n", "7: dialogue.steps.1: needs one of the keys if, wait_for, repeat, say, has sey"),
        (TALK + "      after: 200\n", "7: unknown key 'dialogue.steps.0.after'; did you mean 'after_ms'?"),
        (TALK + "    - wait_for: {says: hi}\n", "7: dialogue.steps.1.wait_for: needs one of the keys agent_says, agent_asks"),
        (TALK + "    - wait_for: {silence_ms: 900}\n      give_up_after_ms: 500\n",
         "7: dialogue.steps.1: give_up_after_ms (500) is shorter than the silence (900), which can never come"),
        (TALK + "    - if: {silence_ms: 900}\n      say: hi\n", "7: dialogue.steps.1.if: needs one of the keys agent_says"),
        (TALK + "    - if: {agent_says: hi}\n", "7: dialogue.steps.1: nothing hangs on it: give say, steps"),
        (TALK + "    - if: {agent_says: 're:['}\n      say: hi\n", "7: dialogue.steps.1.if.agent_says: 're:[' is no pattern"),
        (TALK + "    - if: {agent_asks: no}\n      say: hi\n", "7: dialogue.steps.1.if.agent_asks: must be true (any question)"),
        (TALK + "    - if: {agent_says: a}\n      say: b\n      steps: [{say: c}]\n",
         "7: dialogue.steps.1: has both say and steps; a branch is one of them"),
        (TALK + "    - if: {agent_says: a}\n      say: b\n      else_sa: c\n",
         "9: unknown key 'dialogue.steps.1.else_sa'; did you mean 'else_say'?"),
        (TALK + "    - say: yes\n", "7: dialogue.steps.1.say: must be words: put them in quotes"),
        (TALK + "    - repeat: [{say: hi}]\n", "7: dialogue.steps.1: a loop without times can go on for ever: give times, 20"),
        (TALK + "    - repeat: [{say: hi}]\n      times: 21\n", "8: dialogue.steps.1.times: must be less than or equal to 20"),
        (TALK + "    - repeat: [{repeat: [{say: hi}], times: 20}]\n      times: 20\n",
         "4: dialogue: a call may come to 401 lines; 100 are the most"),
        (HEAD + "dialogue: {steps: [{if: {agent_says: hi}, say: hi}]}\n",
         "4: dialogue: a call may pass in which the user says nothing"),
        (HEAD + "dialogue:\n  steps: " + "[{times: 1, repeat: " * 11 + "[{say: x}]" + "}]" * 11 + "\n",
         "4: dialogue: steps stand in steps more than 10 levels deep"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_line_and_key_and_what_is_allowed(tmp_path: Path, text: str, says: str) -> None:
    assert complaint(tmp_path, text).startswith(says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("# a comment alone\n", "is empty"),
        ("- a list\n", "must be a mapping"),
        ("\ttier: P0\n", "not valid YAML"),
        ("id: [\n", "not valid YAML"),
        ("id: 2024-99-99\n", "put the value in quotes"),
        ("a: &a [*a]\n", "an alias refers to itself"),
        (b"id: caf\xe9\n", "is not UTF-8 text (byte 7)"),
    ],
)
def test_what_is_no_case_file_at_all_is_told(tmp_path: Path, text: str | bytes, says: str) -> None:
    assert says in complaint(tmp_path, text)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load_case(tmp_path / "nowhere.yaml")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").mkdir()
    with pytest.raises(CaseError, match=r"x\.yaml: cannot be read: Is a directory"):
        load_case(tmp_path / "x.yaml")


def test_an_id_may_stand_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(HEAD + HELLO)
    with pytest.raises(CaseError, match=r"b\.yaml:1: id 'x' is already used in .*a\.yaml"):
        load_cases(tmp_path)


def test_cases_come_sorted_by_name_whatever_the_folder_says(tmp_path: Path) -> None:
    for name in ("c", "a", "b"):
        (tmp_path / f"{name}.yaml").write_text(HEAD.replace("id: x", f"id: {name}") + HELLO)
    assert [case.id for _, case in load_cases(tmp_path)] == ["a", "b", "c"]


@settings(max_examples=150, deadline=None)
@given(text=st.one_of(st.text(max_size=60), st.text("ab:[]{}-&*!|> \n#'\"0_.", max_size=40)))
def test_any_text_is_a_case_or_one_clear_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes((HEAD + HELLO + text).encode("utf-8", "surrogatepass"))
    with contextlib.suppress(CaseError):  # any other exception fails
        load_case(path)


def test_a_case_survives_being_written_into_a_capture(shipped_cases: list[tuple[Path, Case]]) -> None:
    for _, case in shipped_cases:
        assert Case.model_validate_json(case.model_dump_json()) == case


def test_a_dialogue_survives_being_written_into_a_capture(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        TALK + "    - if: {agent_asks: true}\n      say: 'yes'\n    - {repeat: [{wait_for: {tool: t}}], times: 2}\n"
    )
    case = load_case(tmp_path / "x.yaml")
    assert Case.model_validate_json(case.model_dump_json()) == case
