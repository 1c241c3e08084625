"""The open-world benchmark: a change lies where it should, travels from pre to the ear, and is judged by what is due."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.changes.all_kinds import BY_ID
from benchmarks.changes.judged import UNLIKE, Fired, blame_of, fired_on, outcome_of, rows_of, why_wrong
from benchmarks.changes.laying import Call as CleanCall
from benchmarks.changes.laying import call_of, changed, places_of, unchanged
from benchmarks.changes.tables import clean_page, page
from benchmarks.open_world import kinds_named, main, reached, sources_in, usable
from harness.errors import UsageError
from harness.listen.measure import measure
from harness.listen.read.reading import read_capture
from tests.listen.captures import Call, Replied, Said, hole, simple_call, speech

TONE, TELEPHONE = BY_ID["tone_instead"], BY_ID["telephone_band"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two turns in the browser lane."""
    said = [Said(500, speech(700, 1)), Said(5_000, speech(700, 3))]
    replies = [Replied(1_650, speech(2_300, 12, -28)), Replied(6_150, speech(2_300, 14, -28))]
    made = Call(said=said, replies=replies, total_ms=9_800, pre_gap_ms=2_158)
    return made.write(tmp_path_factory.mktemp("capture") / "c")


@pytest.fixture(scope="module")
def call(folder: Path) -> CleanCall:
    return call_of(read_capture(folder), room_s=4.0)


def differing(here: np.ndarray, there: np.ndarray) -> bool:
    return not np.array_equal(here[: min(len(here), len(there))], there[: min(len(here), len(there))])


def test_a_change_in_pre_travels_to_every_listener_and_one_at_the_ear_stays_there(call: CleanCall) -> None:
    plain = unchanged(call)
    for place, touched in (("pre", {"pre_rtc", "post_rtc", "ear"}), ("post", {"post_rtc", "ear"}), ("ear", {"ear"})):
        heard, struck = changed(call, TONE, "severe", place)
        base = call.scene.capture.audio if place == "ear" else plain.audio
        assert struck == (0, 1)
        for ring in ("pre_rtc", "post_rtc", "ear"):
            before = plain.audio["ear"] if ring == "ear" else base[ring]
            assert differing(before.samples, heard.audio[ring].samples) == (ring in touched), (place, ring)


def test_the_same_change_is_laid_in_the_same_way_again(call: CleanCall) -> None:
    once, again = (changed(call, BY_ID["pink_noise_instead"], "mild", "post")[0] for _ in range(2))
    assert np.array_equal(once.audio["ear"].samples, again.audio["ear"].samples)


def test_a_reply_that_would_grow_into_the_next_is_left_as_it_is(call: CleanCall) -> None:
    heard, struck = changed(call, BY_ID["stereo_as_mono"], "severe", "pre")
    assert struck == (1,)
    told = {trace.reply_seq: trace for trace in heard.traces}
    was = {trace.reply_seq: trace for trace in call.scene.capture.traces}
    assert told[0] == was[0]
    assert told[1].pre_end_sample > was[1].pre_end_sample


def test_a_call_of_the_bot_lane_has_no_ear_to_change(tmp_path: Path) -> None:
    bot = call_of(read_capture(simple_call(lane="bot").write(tmp_path / "c")), room_s=2.0)
    assert places_of(bot) == ("pre", "post")


def test_a_call_without_pre_rtc_says_why_nothing_in_it_can_be_changed(tmp_path: Path) -> None:
    without = read_capture(simple_call(pre=False).write(tmp_path / "c"))
    with pytest.raises(ValueError, match="pre_rtc"):
        call_of(without)


def test_a_hole_that_the_ears_know_is_noticed_where_it_was_made(call: CleanCall) -> None:
    """`gated` leaves holes: what the ears of every version can tell."""
    case, before = call.scene.capture.case, measure(unchanged(call))
    usually = fired_on(case, before)
    heard, struck = changed(call, BY_ID["gated"], "severe", "ear")
    rows = rows_of(BY_ID["gated"], "severe", "ear", "made", case, measure(heard), struck, (before, usually))
    assert [row.reply for row in rows] == [0, 1]
    assert all(row.due and row.outcome in ("blocked", "warned") for row in rows)
    assert all(row.place == "ear" and "at_ear" in row.born for row in rows)


def test_what_notices_most_decides_the_outcome() -> None:
    assert outcome_of(Fired()) == "silent"
    assert outcome_of(Fired(warning=frozenset({"clicks"}))) == "warned"
    assert outcome_of(Fired(warning=frozenset({"clicks"}), lacking=frozenset({"max_gap"}))) == "not measured"
    assert outcome_of(Fired(blocking=frozenset({"max_gap"}), lacking=frozenset({"replies"}))) == "blocked"


def test_a_gate_that_fires_without_the_change_shows_nothing() -> None:
    usual = Fired(blocking=frozenset({"eot_to_first_audio"}))
    assert Fired(blocking=frozenset({"eot_to_first_audio"})).without(usual) == Fired()


def test_the_blame_is_right_only_if_it_names_the_one_place() -> None:
    assert blame_of(["at_ear"], "ear") == "right"
    assert blame_of(["at_ear", "unknown"], "ear") == "right"
    assert blame_of(["at_ear", "in_rtc"], "ear") == "mixed"
    assert blame_of(["in_rtc"], "pre") == "wrong"
    assert blame_of(["unknown"], "pre") == "none"
    assert blame_of([], "post") == "none"


def test_what_is_due_must_block_with_the_right_blame_and_no_strange_name() -> None:
    blocked, nothing = Fired(blocking=frozenset({"max_gap"})), Fired()
    assert why_wrong(TONE, True, "blocked", "right", blocked, UNLIKE) == ""
    assert why_wrong(TONE, True, "blocked", "right", blocked, "boom") == "called boom"
    assert why_wrong(TONE, True, "blocked", "mixed", blocked, UNLIKE) == "blame mixed"
    assert why_wrong(TONE, True, "warned", "right", nothing, UNLIKE) == "only a warning"
    assert why_wrong(TONE, True, "silent", "none", nothing, UNLIKE) == "passed silently"


def test_what_is_tolerated_may_be_named_but_not_as_a_click() -> None:
    assert why_wrong(TELEPHONE, False, "silent", "none", Fired(), UNLIKE) == ""
    assert why_wrong(TELEPHONE, False, "warned", "none", Fired(warning=frozenset({"bandwidth"})), "low_pass") == ""
    assert (
        why_wrong(TELEPHONE, False, "warned", "none", Fired(warning=frozenset({"clicks"})), "click") == "called clicks"
    )


def test_the_command_writes_every_row_and_fails_where_something_passes_silently(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [f"made={folder}", "--kinds", "polarity", "--places", "ear", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["open_world.py", *arguments])
    assert main() == 1  # nothing was due, so no blame was right
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert len(lines) == 4  # two replies, two severities
    text = (tmp_path / "open_world.md").read_text()
    assert "| polarity | 0.5 share | ear | no | 2 |" in text


def test_a_call_that_is_not_clean_is_left_out_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holed = simple_call(sound=hole(speech(1_600, 2), 500, 120)).write(tmp_path / "c")
    assert usable([("made", holed)], clean=True) == []
    assert "it is not clean (published_dropout" in capsys.readouterr().err
    assert usable([("made", holed)], clean=False) == [("made", holed)]


def test_the_pages_of_nothing_are_still_pages() -> None:
    assert page([]).startswith("| voice |")
    assert clean_page([]).startswith("| voice |")
    assert not reached([])


def test_a_folder_without_a_capture_and_an_unknown_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no capture is in it"):
        sources_in([str(tmp_path)])
    with pytest.raises(UsageError, match="unknown yodel"):
        kinds_named("yodel")
