"""Recordings of people become cases with their words, their truth and a suite that fits their pauses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.errors import CaseError, UsageError
from harness.model.case import Recording
from harness.run.cases import build_cases, load_checked_cases, select_cases
from harness.speech.human_prompts import CALLERS
from harness.speech.human_suite import write_from_folder, write_from_prompts
from tests.listen.captures import speech

RATE_HZ = 48_000


def recording(path: Path, words: np.ndarray, *, quiet_ms: float = 300.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    quiet = 0.0004 * np.random.default_rng(1).standard_normal(round(quiet_ms * 48)).astype(np.float32)
    soundfile.write(path, np.concatenate([quiet, words, quiet]), RATE_HZ)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Two callers, one of whom pauses for 300 ms, and two replies."""
    folder = tmp_path / "own"
    recording(folder / "callers" / "Grüß Gott.wav", speech(1_200, 5))
    (folder / "callers" / "Grüß Gott.txt").write_text("Grüß\n  Gott, alle miteinander.", encoding="utf-8")
    two = np.concatenate([speech(900, 6), np.zeros(300 * 48, np.float32), speech(900, 7)])
    recording(folder / "callers" / "two_sentences.flac", two)
    recording(folder / "agents" / "one.wav", speech(1_500, 8))
    recording(folder / "agents" / "two.wav", speech(1_500, 9))
    return folder


@pytest.fixture
def into(tmp_path: Path) -> Path:
    place = tmp_path / "suite"
    place.mkdir()
    return place


def test_a_folder_of_ones_own_becomes_cases_and_replies(own: Path, into: Path) -> None:
    written = write_from_folder(own, into)
    assert (written.one_breath, written.with_pauses, written.replies) == (1, 1, 2)
    cases = {case.id: case for _, case in load_checked_cases([into / "cases"])}
    assert set(cases) == {"human_own_Gr---Gott", "human_own_two_sentences"}
    greeting = cases["human_own_Gr---Gott"]
    assert greeting.suite == ["human"]
    assert isinstance(greeting.speech, Recording)
    assert greeting.speech.truth is not None
    assert greeting.speech.truth[0].text == "Grüß Gott, alle miteinander."
    assert cases["human_own_two_sentences"].suite == ["human_pauses"]
    assert "longest pause is 297 ms" in cases["human_own_two_sentences"].about  # 300, by frames of 5 ms
    assert sorted(path.name for path in (into / "agents").iterdir()) == ["one.wav", "two.wav"]


def test_the_truth_is_where_the_words_are_in_the_wav_that_is_played(own: Path, into: Path, tmp_path: Path) -> None:
    write_from_folder(own, into)
    chosen = select_cases(load_checked_cases([into / "cases"]), "human", [])
    (built,) = build_cases(chosen, tmp_path / "built")
    samples, _ = soundfile.read(built.wav, dtype="float32")
    (said,) = built.truth.utterances
    assert built.truth.source == "annotation"
    assert (said.end_sample - said.start_sample) / 48 == pytest.approx(1_200, abs=12)
    assert said.start_sample / 48 == pytest.approx(530, abs=1)
    level = 20 * np.log10(np.sqrt(np.mean(samples[said.start_sample : said.end_sample] ** 2)))
    assert level == pytest.approx(-23, abs=0.6)
    assert not samples[: 499 * 48].any()
    assert not samples[-900 * 48 :].any()


def test_the_same_recordings_give_the_same_bytes(own: Path, tmp_path: Path) -> None:
    made = []
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
        write_from_folder(own, tmp_path / name)
        made.append(
            {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        )
    assert made[0] == made[1]


def test_of_debians_prompts_the_known_ones_call_and_the_others_answer(tmp_path: Path, into: Path) -> None:
    recordings = tmp_path / "recordings"
    known = next(iter(CALLERS))
    recording(recordings / "en" / f"{known}.flac", speech(1_400, 11))
    recording(recordings / "en" / "vm-goodbye-for-now.flac", speech(1_600, 12))
    recording(recordings / "en" / "digits-1.flac", speech(1_600, 13))
    recording(recordings / "en" / "too-short.flac", speech(400, 14), quiet_ms=100)
    recording(recordings / "fr" / "conf-full.flac", speech(1_400, 15))
    recording(recordings / "fr" / "vm-goodbye-for-now.flac", speech(1_400, 16))
    recording(recordings / "alsa" / "front-center.wav", speech(1_000, 17))
    (recordings / "licences").mkdir()
    written = write_from_prompts(recordings, into)
    cases = {case.id: case for _, case in load_checked_cases([into / "cases"])}
    assert set(cases) == {f"human_en_{known}", "human_fr_conf-full", "human_en_front-center"}
    assert cases["human_en_front-center"].title == "A person says: front center"
    assert cases["human_fr_conf-full"].tags == ["fr", "one_breath"]
    assert written.replies == 1
    assert [path.name for path in (into / "agents").iterdir()] == ["vm-goodbye-for-now.flac"]


def test_an_empty_folder_says_what_belongs_into_it(tmp_path: Path, into: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no recording in it; put what callers say into callers/"):
        write_from_folder(tmp_path, into)


def test_a_recording_that_cannot_be_read_is_named(own: Path, into: Path) -> None:
    (own / "callers" / "broken.wav").write_text("no sound")
    with pytest.raises(CaseError, match=r"broken.wav"):
        write_from_folder(own, into)


def test_two_recordings_of_one_name_are_refused(own: Path, into: Path) -> None:
    recording(own / "callers" / "two sentences.wav", speech(900, 5))
    recording(own / "callers" / "two-sentences.wav", speech(900, 6))
    with pytest.raises(UsageError, match="human_own_two-sentences: two recordings would have this name"):
        write_from_folder(own, into)
