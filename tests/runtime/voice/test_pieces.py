"""What is too long to be encoded at once is cut where a speaker could breathe."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.voice.pieces import MOST_PHONEMES, pieces

WORD = "nˈaɪn"


def test_what_a_reply_begins_with_is_one_piece() -> None:
    assert list(pieces("həlˈoʊ! hˌaʊ kæn aɪ")) == ["həlˈoʊ! hˌaʊ kæn aɪ"]


def test_it_is_cut_after_a_clause() -> None:
    clause = " ".join([WORD] * 10) + ","
    assert list(pieces(f"{clause} {clause} {clause}")) == [clause, clause, clause]


def test_without_a_clause_it_is_cut_between_words() -> None:
    found = list(pieces(" ".join([WORD] * 40)))
    assert all(part.split(" ") == [WORD] * len(part.split(" ")) for part in found)
    assert all(len(part) <= MOST_PHONEMES for part in found)


def test_a_word_without_an_end_is_cut_anyhow() -> None:
    assert [len(part) for part in pieces("a" * 250, most=100)] == [100, 100, 50]


@given(st.text(alphabet="aˈ ,.", max_size=400))
def test_no_phoneme_is_lost(sentence: str) -> None:
    found = list(pieces(sentence))
    assert "".join(found).replace(" ", "") == sentence.replace(" ", "")
    assert all(len(part) <= MOST_PHONEMES for part in found)
