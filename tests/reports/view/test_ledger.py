"""A reply's ledger as a strip, and in words."""

from __future__ import annotations

from harness.model.measurement import LedgerEntry, Turn
from reports.view.ledger import ledger_bands, ledger_words

SECOND = 48_000
ENTRIES = [
    LedgerEntry(kind="arrived", published=(0, SECOND), heard=(0, SECOND), likeness=0.9),
    LedgerEntry(kind="lost", published=(SECOND, 2 * SECOND), heard=(SECOND, SECOND), sound_ms=1_000),
    LedgerEntry(
        kind="foreign", published=(2 * SECOND, 2 * SECOND), heard=(SECOND, 2 * SECOND), sound_ms=780, detail="noise"
    ),
]


def test_the_strip_has_each_entry_at_its_place_in_the_cut_and_what_is_wrong_on_top() -> None:
    bands = ledger_bands(ENTRIES, zero=0, start_s=0.0, end_s=4.0)
    assert [(band.kind, band.left, band.width) for band in bands] == [
        ("arrived", "0.000", "25.000"),
        ("lost", "25.000", "0.400"),
        ("foreign", "25.000", "25.000"),
    ]
    assert bands[2].text == "not published, 1000 ms (noise)"


def test_what_lies_outside_of_the_cut_is_not_drawn() -> None:
    assert ledger_bands(ENTRIES, zero=0, start_s=3.0, end_s=4.0) == ()


def test_what_the_counters_explain_is_drawn_as_webrtcs_own_and_not_said() -> None:
    explained = [entry.model_copy(update={"explained": True}) for entry in ENTRIES[1:]]
    assert {band.kind for band in ledger_bands(explained, 0, 0.0, 4.0)} == {"concealed"}
    assert ledger_words(Turn(reply_seq=0, utterance=0, metrics={}, ledger={"ear": explained})) == ""


def test_the_words_say_how_much_and_where() -> None:
    said = ledger_words(Turn(reply_seq=0, utterance=0, metrics={}, ledger={"ear": ENTRIES}))
    assert said == (
        "1000 ms of what was published are heard nowhere at the ear, "
        "780 ms of sound at the ear that was not published (noise)"
    )
