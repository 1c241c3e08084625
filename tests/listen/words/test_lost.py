"""Words that got lost on the way: understood as published, and not where they arrive."""

from __future__ import annotations

import pytest

from harness.listen.words.lost import found_of, lost_words

SAID = "Your table for two is booked at half past seven."


@pytest.mark.parametrize(
    ("published", "heard", "lost"),
    [
        (SAID, SAID, ()),
        (SAID, "your table for 2 is booked at half past 7", ()),
        (SAID, "Your table is booked at half past seven.", ("for", "2")),
        (SAID, "Your table for two is booked at past seven.", ("half",)),
        (SAID, "Your table for ten is booked at half past seven.", ("2",)),
        (SAID, "", ("your", "table", "for", "2", "is", "booked", "at", "half", "past", "7")),
        ("Your cable for two is booked at half past iron.", "Your gable for two is booked at half past eye.", ()),
        ("", SAID, ()),
    ],
    ids=[
        "all",
        "written otherwise",
        "two words",
        "one word",
        "another word",
        "all lost",
        "a bad voice",
        "not published",
    ],
)
def test_only_what_was_understood_as_published_can_be_lost(published: str, heard: str, lost: tuple[str, ...]) -> None:
    assert lost_words(SAID, [published], [heard]) == lost


def test_without_the_agents_text_the_published_words_are_those_that_can_be_lost() -> None:
    assert lost_words("", ["the bus leaves now"], ["the bus now"]) == ("leaves",)


def test_a_text_without_a_word_is_no_text() -> None:
    assert lost_words("\U0001f44d", ["the bus leaves now"], ["the bus now"]) == ("leaves",)


@pytest.mark.parametrize(
    ("one", "other"), [("a lighthouse keeper", "a light house keeper"), ("a web site", "a website")]
)
def test_a_word_that_is_written_apart_is_the_same(one: str, other: str) -> None:
    assert lost_words(one, [one], [other]) == ()


def test_a_digit_of_a_code_that_differs_loses_the_code() -> None:
    assert lost_words("Your code is 4271", ["your code is 4 2 7 1"], ["your code is 4 7 2 1"]) == ("4271",)


@pytest.mark.parametrize(
    ("published", "heard", "lost"),
    [
        (["the film lasts", "the film lasts"], ["the film asks", "the film ask"], ("lasts",)),
        (["the film lasts", "the film asks"], ["the film asks", "the film ask"], ()),
        (["the film lasts", "the film lasts"], ["the film asks", "the film lasts"], ()),
    ],
    ids=["never heard", "not sure as published", "heard once"],
)
def test_what_is_understood_by_chance_is_not_lost(
    published: list[str], heard: list[str], lost: tuple[str, ...]
) -> None:
    assert lost_words("The film lasts.", published, heard) == lost


def test_a_word_is_found_in_its_order() -> None:
    assert found_of(("a", "b", "c"), ("b", "a", "c")).count(True) == 2
