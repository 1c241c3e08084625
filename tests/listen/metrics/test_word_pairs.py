"""Pairs of sentences, what is said and what stands in a text, with the two figures that the report gives of them.

A pair is laid before both metrics: as the user's words and what the agent understood, and as the agent's text and what a
recogniser heard at the ear.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.listen.metrics.reply_words import TurnSound, Understood, reply_word_metrics
from harness.listen.metrics.words import word_metrics
from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard, list_turns
from harness.listen.read.reading import read_capture
from harness.listen.words.turns import TurnWords
from tests.listen.captures import simple_call

PAIRS = [  # said, in the text, wrong words of the first, of how many
    ("It is twenty percent off.", "it is 20 % off", 0, 4),
    ("It is twenty percent off.", "It is 20 off.", 1, 4),
    ("We open at seven thirty p.m.", "We open at 7.30 pm", 0, 5),
    ("We open at seven thirty p.m.", "We open at 7:30 a.m.", 1, 5),
    ("It is five kilometres away.", "It's 5 km away.", 0, 5),
    ("It is five kilometres away.", "It's 5 miles away.", 1, 5),
    ("It is twenty degrees today.", "It is 20 °C today.", 0, 5),
    ("It is twenty degrees today.", "It is -20 °C today.", 1, 5),
    ("That is five dollars.", "That is $5.", 0, 3),
    ("That is five dollars.", "That is €5.", 1, 3),
    ("That is three euros fifty.", "That is € 3.50.", 0, 3),
    ("That is three euros fifty.", "That is €350.", 1, 3),
    ("You are the first.", "You are the 1st.", 0, 4),
    ("You are the first.", "You are the one.", 1, 4),
    ("Ask the A.I. now.", "Ask the AI now.", 0, 4),
    ("Ask the A.I. now.", "Ask the API now.", 1, 4),
    ("On November thirtieth.", "On Nov 30th.", 0, 3),
    ("On November thirtieth.", "On Nov. 13.", 1, 3),
    ("Version five point one is out.", "Version 5.1 is out.", 0, 4),
    ("Version five point one is out.", "Version 51 is out.", 1, 4),
]


@pytest.fixture(scope="module")
def scene_and_turn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, TurnHeard]:
    scene = Scene(read_capture(simple_call().write(tmp_path_factory.mktemp("pairs") / "c")))
    return scene, next(turn for turn in list_turns(scene) if turn.utterance is not None)


@pytest.mark.parametrize(("said", "text", "wrong", "of"), PAIRS, ids=[f"{said} | {text}" for said, text, *_ in PAIRS])
def test_both_figures_of_a_pair_tell_its_words_from_its_spelling(
    scene_and_turn: tuple[Scene, TurnHeard], said: str, text: str, wrong: int, of: int
) -> None:
    scene, turn = scene_and_turn
    truth = scene.capture.truth
    assert truth is not None
    known = [one.model_copy(update={"text": said}) for one in truth.utterances]
    told = Scene(replace(scene.capture, truth=truth.model_copy(update={"utterances": known})))
    user = word_metrics(told, turn, TurnWords(understood=text), None, "")["user_wer"]
    found = Understood(said, {"ear": text})
    reply = reply_word_metrics(scene, turn, TurnSound({}, cut=False), found)["reply_wer_ear"]
    assert (user.value, reply.value) == (pytest.approx(wrong / of, abs=1e-4), pytest.approx(wrong / of, abs=1e-4))
