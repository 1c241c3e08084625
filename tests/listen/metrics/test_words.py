"""The words of a turn are measured where the agent published them, and nothing is said of words where it did not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.judge.gates import evaluate, samples_of
from harness.judge.limits import of_case
from harness.judge.table import BY_ID
from harness.listen.measure import listen
from harness.listen.read.reading import read_capture
from harness.model import capture
from harness.model.case import Case, Truth
from harness.model.measurement import Measurement
from harness.model.status import Status
from tests.listen.captures import T0_MONO_MS, Said, simple_call, speech

EXPECTED: dict[str, Any] = {
    "says": ["table for two", "re:seven|7"],
    "never_says": ["I am sorry"],
    "understood": {"wer_max": 0.2},
}


def said_in(
    folder: Path, *lines: tuple[str, str], texts: tuple[str, ...] = ("a table for two at seven",)
) -> Measurement:
    """The capture heard with these words in it, (speaker, text), each after the turn's start; `texts`: the user's."""
    truth = Truth.model_validate_json((folder / capture.TRUTH).read_text())
    known = [
        utterance.model_copy(update={"text": text}) for utterance, text in zip(truth.utterances, texts, strict=True)
    ]
    (folder / capture.TRUTH).write_text(truth.model_copy(update={"utterances": known}).model_dump_json())
    rows = [
        {"way": "stream", "speaker": speaker, "segment_id": str(n), "text": words, "final": True,
         "t_first_mono_ms": T0_MONO_MS + 2_000 + n, "t_last_mono_ms": T0_MONO_MS + 2_000 + n}
        for n, (speaker, words) in enumerate(lines)
    ]  # fmt: skip
    if rows:
        (folder / capture.TRANSCRIPT).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return listen(folder)


def status_of(gate_id: str, folder: Path, measurement: Measurement) -> Status:
    case = read_capture(folder).case
    assert isinstance(case, Case)
    gate = of_case(BY_ID[gate_id], case)
    return evaluate(gate, samples_of(gate, case, measurement)).status


@pytest.mark.parametrize(
    ("understood", "said", "statuses"),
    [
        ("a table for 2 at 7", "Your table for two, at seven.", ("PASS", "PASS", "PASS")),
        ("a table for tea at eleven", "Your table for two, at seven.", ("PASS", "PASS", "FAIL")),
        ("a table for two at seven", "Your table for three at 7. I am sorry!", ("FAIL", "FAIL", "PASS")),
    ],
)
def test_a_case_gets_what_it_asks_of_the_words(
    tmp_path: Path, understood: str, said: str, statuses: tuple[str, str, str]
) -> None:
    folder = simple_call(case={"expect": EXPECTED}).write(tmp_path / "c")
    measurement = said_in(folder, ("user", understood), ("agent", said))
    assert (measurement.turns[0].understood, measurement.turns[0].said) == (understood, said)
    found = tuple(status_of(gate, folder, measurement).value for gate in ("says", "never_says", "understood"))
    assert found == statuses


@pytest.mark.parametrize(
    ("understood", "wer"),
    [
        (("a table for two at seven", "okay yes"), 0.0),
        (("a table for two at seven",), 0.0),
        (("a table for tea at seven", "okay yes"), 1 / 8),
        (("a table for two at seven", "okay no"), 1 / 8),
    ],
    ids=["published", "left out", "a wrong word", "the backchannel is wrong"],
)
def test_a_backchannel_that_the_agent_publishes_is_no_error(
    tmp_path: Path, understood: tuple[str, ...], wer: float
) -> None:
    call = simple_call(case={"expect": EXPECTED})
    call.said.append(Said(call.replies[0].at_ms + 500, speech(400, 77), is_turn=False))
    folder = call.write(tmp_path / "c")
    measurement = said_in(
        folder, *(("user", text) for text in understood), texts=("a table for two at seven", "OK, yes")
    )
    assert measurement.turns[0].metrics["user_wer"].value == pytest.approx(wer, abs=1e-4)


def test_an_error_is_named_by_its_words(tmp_path: Path) -> None:
    folder = simple_call(case={"expect": EXPECTED}).write(tmp_path / "c")
    metrics = said_in(folder, ("user", "a table for tea at seven"), ("agent", "A table for tea.")).turns[0].metrics
    assert metrics["user_wer"].value == pytest.approx(1 / 6, abs=1e-4)
    assert "2 → tea" in metrics["user_wer"].reason
    assert "'table for two', 're:seven|7' is not in the agent's own text" in metrics["phrases_missing_count"].reason


def test_an_agent_that_publishes_no_words_has_no_data_and_the_reason_says_so(tmp_path: Path) -> None:
    folder = simple_call(case={"expect": EXPECTED}).write(tmp_path / "c")
    measurement = said_in(folder)
    for gate in ("says", "never_says", "understood"):
        assert status_of(gate, folder, measurement) is Status.NO_DATA
    assert "published no words" in measurement.turns[0].metrics["user_wer"].reason


def test_words_that_nobody_asked_for_and_nobody_published_are_no_metric(tmp_path: Path) -> None:
    folder = simple_call().write(tmp_path / "c")
    assert not {"user_wer", "phrases_missing_count"} & set(listen(folder).turns[0].metrics)


def test_one_figure_is_allowed_for_all_turns_of_a_case() -> None:
    wanted = [{"understood": {"wer_max": 0.1}}, {"understood": {"wer_max": 0.2}}]
    with pytest.raises(ValueError, match="one figure for all turns"):
        Case.model_validate(
            {
                "id": "x",
                "title": "x",
                "tier": "P0",
                "expect": wanted,
                "speech": {"utterances": [{"parts": [{"say": "x"}]}]},
            }
        )


ENDLESS = "re:(o+)+$"


@pytest.mark.parametrize(
    ("expect", "statuses"),
    [
        ({"says": [ENDLESS], "never_says": [ENDLESS]}, ("NO_DATA", "NO_DATA")),
        ({"says": [ENDLESS, "hello"], "never_says": [ENDLESS, "so"]}, ("FAIL", "FAIL")),
    ],
    ids=["alone", "beside a phrase that decides"],
)
def test_a_pattern_without_an_end_is_ended_and_named(
    tmp_path: Path, expect: dict[str, Any], statuses: tuple[str, str]
) -> None:
    folder = simple_call(case={"expect": expect}).write(tmp_path / "c")
    measurement = said_in(folder, ("agent", f"S{'o' * 3_000} so!"))
    assert tuple(status_of(gate, folder, measurement).value for gate in ("says", "never_says")) == statuses
    for name in ("phrases_missing_count", "phrases_forbidden_count"):
        reason = measurement.turns[0].metrics[name].reason
        assert "the pattern '(o+)+$' found no end in 1 s of computing, on a text of 3005 characters" in reason


@pytest.mark.parametrize(
    "phrase", ["re:" + "(" * 300 + "a" + ")" * 90, "", "re:", "re:[", "  ", "…", "?!", "\U0001f44d"]
)
def test_a_phrase_without_a_word_and_a_broken_pattern_are_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match=r"phrase needs a word|has no word|no pattern"):
        Case.model_validate(
            {"id": "x", "title": "x", "tier": "P0", "expect": {"says": [phrase]},
             "speech": {"utterances": [{"parts": [{"say": "x"}]}]}}
        )  # fmt: skip
