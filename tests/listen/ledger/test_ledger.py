"""The ledger of a reply accounts for every sample on both sides, and shows what does not belong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.listen.ledger.elsewhere import named
from harness.listen.ledger.entries import Entry, Ledger, imbalance
from harness.listen.ledger.explained import Counted, explain
from harness.listen.ledger.keep import keep
from harness.listen.place.delay import track_delay
from harness.listen.place.pair import make_pair
from harness.listen.place.ring import Ring
from harness.model.audio import Audio
from tests.listen.captures import Samples, codec, ms, silence, speech, stretch

LAG_MS = 120.0
AT_MS = 600.0
Change = Callable[[Samples], Samples]


def ledger(change: Change, seed: int = 3, pauses: tuple[tuple[float, float], ...] = ()) -> Ledger:
    """A reply of 2 s; `change` is done to what the listener hears of it. 0.5 s of silence lie on either side."""
    said = speech(2_000, seed, pauses=pauses)
    published = np.concatenate([silence(500), said, silence(500)])
    heard = np.concatenate([silence(500 + LAG_MS), change(codec(said, 1)), silence(500)])
    pre, ring = Ring("pre_rtc", Audio(published, 48_000)), Ring("ear", Audio(heard.astype(np.float32), 48_000))
    span = (ms(500), ms(2_500))
    track = track_delay(pre.band, (span[0] // 6, span[1] // 6), ring.band, LAG_MS * 8)
    kept = keep(make_pair(pre, span, ring, track), span, (ring.sounds[0].start, ring.sounds[-1].end))
    entries = named(kept.entries, pre, ring, span, None)
    return Ledger(kept.ring, kept.reference, kept.p, kept.y, entries, kept.likeness_min)


def replaced(length_ms: float, by: Samples) -> Change:
    def change(x: Samples) -> Samples:
        y = x.copy()
        part = y[ms(AT_MS) : ms(AT_MS + length_ms)]
        level = np.sqrt(np.mean(part**2) / np.mean(by[: len(part)] ** 2))
        part[:] = level * by[: len(part)]
        return y

    return change


def cut(length_ms: float) -> Change:
    return lambda x: np.concatenate([x[: ms(AT_MS)], x[ms(AT_MS + length_ms) :]])


def inserted(sound: Samples) -> Change:
    return lambda x: np.concatenate([x[: ms(AT_MS)], sound, x[ms(AT_MS) :]])


def tone(length_ms: float) -> Samples:
    return (0.1 * np.sin(2 * np.pi * 1_000 * np.arange(ms(length_ms)) / 48_000)).astype(np.float32)


def noise(length_ms: float) -> Samples:
    return (0.1 * np.random.default_rng(4).standard_normal(ms(length_ms))).astype(np.float32)


def longest(kept: Ledger, *kinds: str) -> float:
    return max((entry.sound_ms for entry in kept.entries if entry.kind in kinds), default=0.0)


def test_what_arrives_as_it_was_published_has_nothing_lost_and_nothing_foreign() -> None:
    kept = ledger(lambda x: x)
    assert {entry.kind for entry in kept.entries} <= {"arrived", "silence"}
    assert kept.likeness_min is not None
    assert kept.likeness_min > 0.85


@pytest.mark.parametrize("by", [tone(60), noise(60), speech(1_000, 77), speech(2_000, 3)[ms(1_400) :]])
def test_60_ms_that_something_else_replaced_are_lost_and_foreign(by: Samples) -> None:
    kept = ledger(replaced(60, by))
    assert longest(kept, "lost") >= 35
    assert longest(kept, "foreign", "repeated", "moved") >= 35


@pytest.mark.parametrize("length_ms", [20, 40, 80, 300])
def test_a_piece_that_was_cut_out_and_joined_is_lost_to_the_ms(length_ms: float) -> None:
    kept = ledger(cut(length_ms))
    (lost,) = [entry for entry in kept.entries if entry.kind == "lost"]
    assert lost.p_ms - sum(e.y_ms for e in kept.of("foreign", "repeated")) == pytest.approx(length_ms, abs=1.0)
    assert (lost.p_start - kept.p[0]) / 48 == pytest.approx(AT_MS, abs=15)


@pytest.mark.parametrize("sound", [tone(40), noise(40), tone(300)])
def test_sound_that_was_put_in_is_foreign_and_nothing_is_lost(sound: Samples) -> None:
    kept = ledger(inserted(sound))
    assert longest(kept, "foreign") == pytest.approx(len(sound) / 48, abs=6)
    assert longest(kept, "lost") < 17


def test_a_piece_that_is_heard_twice_is_repeated_and_the_ledger_says_where_it_was_published() -> None:
    kept = ledger(lambda x: np.concatenate([x[: ms(700)], x[ms(600) :]]))
    (again,) = kept.of("repeated")
    assert again.y_ms == pytest.approx(100, abs=6)
    assert "of the reply" in again.detail


def test_two_pieces_that_changed_places_are_out_of_order() -> None:
    def swapped(x: Samples) -> Samples:
        return np.concatenate([x[: ms(500)], x[ms(700) : ms(900)], x[ms(500) : ms(700)], x[ms(900) :]])

    assert longest(ledger(swapped), "moved") == pytest.approx(200, abs=10)


def test_300_ms_said_backwards_are_not_what_was_published() -> None:
    def backwards(x: Samples) -> Samples:
        return np.concatenate([x[: ms(500)], x[ms(500) : ms(800)][::-1], x[ms(800) :]])

    kept = ledger(backwards)
    assert longest(kept, "lost") > 100
    assert longest(kept, "foreign", "moved", "repeated") > 100


@pytest.mark.parametrize("by_ms", [8, 12, 15, -5, -9, -12])
def test_a_step_of_the_jitter_buffer_is_its_own_and_no_loss(by_ms: float) -> None:
    kept = ledger(lambda x: stretch(x, AT_MS, by_ms))
    assert longest(kept, "lost", "foreign") < 17
    moved_ms = sum(e.y_ms - e.p_ms for e in kept.entries if e.kind in ("stretched", "compressed"))
    faded_ms = 0 if by_ms > 0 else 3  # two pieces that overlap in the cross-fade
    assert moved_ms == pytest.approx(by_ms - faded_ms, abs=2)


def test_a_pause_that_was_lengthened_or_shortened_is_silence() -> None:
    pause = ((800.0, 1_100.0),)
    longer = ledger(lambda x: np.concatenate([x[: ms(950)], silence(120), x[ms(950) :]]), pauses=pause)
    shorter = ledger(lambda x: np.concatenate([x[: ms(900)], x[ms(1_000) :]]), pauses=pause)
    assert longest(longer, "lost", "foreign") == longest(shorter, "lost", "foreign") == 0


@pytest.mark.parametrize("gain_db", [-9, 6])
def test_another_level_and_a_narrower_band_are_no_foreign_sound(gain_db: float) -> None:
    kept = ledger(lambda x: (x * 10 ** (gain_db / 20)).astype(np.float32))
    assert longest(kept, "lost", "foreign") == 0


CHANGES: list[Change] = [
    lambda x: x, cut(37), inserted(tone(111)), replaced(60, noise(60)), lambda x: stretch(x, 600, 12),
    lambda x: x[ms(150) :], lambda x: x[: -ms(230)], lambda x: np.concatenate([x, x[ms(900) :]]),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_the_entries_of_either_side_add_up_to_its_length_to_the_sample(change: Change) -> None:
    kept = ledger(change)
    assert imbalance(kept.p, kept.y, kept.entries) == ""
    assert sum(e.p_end - e.p_start for e in kept.entries) == kept.p[1] - kept.p[0]
    assert sum(e.y_end - e.y_start for e in kept.entries) == kept.y[1] - kept.y[0]
    lost = sum(e.p_end - e.p_start for e in kept.entries) - sum(
        min(e.p_end - e.p_start, e.y_end - e.y_start) for e in kept.entries
    )
    put_in = sum(max(0, e.y_end - e.y_start - (e.p_end - e.p_start)) for e in kept.entries)
    assert kept.y[1] - kept.y[0] == kept.p[1] - kept.p[0] - lost + put_in


def test_a_ledger_that_does_not_add_up_says_where() -> None:
    half = Entry("arrived", 0, 100, 0, 100)
    assert imbalance((0, 200), (0, 200), [half]) == "the entries end at 100, 100, the recordings at 200, 200"
    assert "begins at 120" in imbalance((0, 200), (0, 200), [half, Entry("arrived", 120, 200, 100, 200)])


def entries_of(lost_ms: float, made_ms: float) -> list[Entry]:
    lost = Entry("lost", 0, round(48 * lost_ms), 0, 0, lost_ms)
    made = Entry("foreign", lost.p_end, lost.p_end, 0, round(48 * made_ms), made_ms)
    return [entry for entry in (lost, made) if entry.p_ms or entry.y_ms]


def test_the_counters_explain_what_they_cover_and_no_more() -> None:
    made = entries_of(60, 60)
    assert all(e.explained for e in explain(made, Counted(60, 0, 0)))
    assert [e.kind for e in explain(made, Counted(60, 0, 0))] == ["lost", "concealed"]
    assert not any(e.explained for e in explain(made, Counted(0, 0, 0)))
    assert not any(e.explained for e in explain(made, Counted(20, 300, 0)))


def test_a_joined_cut_is_explained_by_samples_that_were_taken_out_but_never_80_ms() -> None:
    assert explain(entries_of(28, 0), Counted(0, 30, 0))[0].explained
    assert not explain(entries_of(20, 0), Counted(0, 0, 0))[0].explained
    assert not explain(entries_of(80, 0), Counted(500, 500, 0))[0].explained


def test_a_listener_that_counts_nothing_is_doubted_up_to_60_ms() -> None:
    assert explain(entries_of(40, 30), None)[0].explained
    assert not explain(entries_of(64, 64), None)[0].explained
