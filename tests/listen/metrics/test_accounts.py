"""The ledger in a measurement: its metrics, its defects with their birth, its entries in the record."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.listen.measure import listen
from harness.listen.metrics.accounts import besides
from harness.model.measurement import Defect, Measurement, Turn
from tests.listen.captures import Samples, codec, ms, simple_call, speech


def with_a_tone(x: Samples) -> Samples:
    """300 ms of 1 kHz in place of the agent's words."""
    y = codec(x, 1)
    y[ms(600) : ms(900)] = 0.1 * np.sin(2 * np.pi * 1_000 * np.arange(ms(300)) / 48_000)
    return y


def turn_of(folder: Path, **changes: object) -> Turn:
    return listen(simple_call(450, sound=speech(1_800, 3), **changes).write(folder)).turns[0]


def test_a_tone_in_place_of_words_at_the_ear_is_foreign_there_and_its_place_is_told(tmp_path: Path) -> None:
    turn = turn_of(tmp_path / "c", at_ear=with_a_tone)
    assert turn.metrics["foreign_longest_ear_ms"].value is not None
    assert turn.metrics["foreign_longest_ear_ms"].value > 250
    assert turn.metrics["foreign_longest_ms"].value == 0
    (foreign,) = [entry for entry in turn.ledger["ear"] if entry.kind == "foreign"]
    assert foreign.detail.startswith("a tone of ")


def test_a_clean_reply_has_a_ledger_at_both_listeners_and_no_defect_from_it(tmp_path: Path) -> None:
    turn = turn_of(tmp_path / "c")
    assert set(turn.ledger) == {"ear", "post_rtc"}
    for suffix in ("", "_ear"):
        assert turn.metrics[f"lost{suffix}_ms"].value == turn.metrics[f"foreign{suffix}_ms"].value == 0
    assert not [d for d in turn.defects if d.kind in ("lost_sound", "foreign_sound", "moved")]


def test_a_record_without_ledgers_is_still_read(tmp_path: Path) -> None:
    measured = listen(simple_call(450).write(tmp_path / "c"))
    record = measured.model_dump()
    for turn in record["turns"]:
        del turn["ledger"]
    assert Measurement.model_validate(record).turns[0].ledger == {}


def test_a_defect_of_the_whole_reply_does_not_hide_the_piece_that_was_not_published(tmp_path: Path) -> None:
    turn = turn_of(tmp_path / "c", at_ear=with_a_tone)
    foreign = Defect(kind="foreign_sound", ring="ear", start_ms=1_000, duration_ms=300)
    (own,) = [d for d in turn.defects if d.kind == "foreign_sound"]
    assert "was not published: a tone" in own.detail
    whole = Defect(kind="bandwidth", ring="ear", start_ms=500, duration_ms=1_500)
    burst = Defect(kind="noise_burst", ring="ear", start_ms=1_000, duration_ms=20)
    same = Defect(kind="dropout", ring="ear", start_ms=990, duration_ms=330)
    assert besides([foreign], [whole, burst]) == [foreign]
    assert besides([foreign], [same]) == []


def test_another_reply_at_the_ear_is_not_the_agent_s_own_there(tmp_path: Path) -> None:
    clean = turn_of(tmp_path / "1")
    assert clean.metrics["audio_valid_ear"].value == 1
    other = turn_of(tmp_path / "2", at_ear=lambda x: codec(speech(1_800, 77), 1))
    assert other.metrics["audio_valid"].value == 1
    assert other.metrics["audio_valid_ear"].value == 0
    assert "not what the agent published" in other.metrics["audio_valid_ear"].reason
    (whole,) = [d for d in other.defects if d.kind == "foreign_sound"]
    assert (whole.ring, whole.born) == ("ear", "at_ear")
    assert whole.duration_ms > 1_500
