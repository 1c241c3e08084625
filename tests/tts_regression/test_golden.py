"""A golden baseline judges what it was made of, and refuses everything else by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.errors import UsageError
from harness.model.tts import Pin
from harness.tts_regression.golden import check_fits, differences, read_golden, write_golden
from harness.tts_regression.sentences import Sentence, read_sentences
from harness.tts_regression.spoken import Spoken

PIN = Pin(engine="e", version="1", model=None, voice="v", rate_hz=24_000, parameters={"rate_wpm": 205})
SENTENCE = Sentence(id="short_01", text="Hello.")


def made(folder: Path, pin: Pin = PIN) -> Path:
    spoken = Spoken(np.arange(-500, 500, dtype=np.int16), 24_000, (), 0.1)
    write_golden(folder, "2026-01-01", pin, {SENTENCE: spoken})
    return folder


def test_what_was_kept_is_given_back_to_the_sample(tmp_path: Path) -> None:
    golden = read_golden(made(tmp_path / "golden"))
    assert golden is not None
    assert np.array_equal(golden.samples["short_01"], np.arange(-500, 500))
    assert differences(golden, PIN, (SENTENCE,)) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "golden"], "nothing of the making is left"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"engine": "f"}, "engine 'e' → 'f'"),
        ({"version": "2"}, "version '1' → '2'"),
        ({"model": "large"}, "model None → 'large'"),
        ({"voice": "w"}, "voice 'v' → 'w'"),
        ({"rate_hz": 22_050}, "rate_hz 24000 → 22050"),
        ({"parameters": {"rate_wpm": 180}}, "rate_wpm 205.0 → 180.0"),
        ({"parameters": {"rate_wpm": 205, "seed": 1}}, "seed None → 1.0"),
    ],
)
def test_another_engine_is_refused_with_the_difference_by_name(
    tmp_path: Path, changed: dict[str, object], says: str
) -> None:
    golden = read_golden(made(tmp_path / "golden"))
    assert golden is not None
    with pytest.raises(UsageError) as refused:
        check_fits(golden, Pin.model_validate({**PIN.model_dump(), **changed}), (SENTENCE,))
    assert says in str(refused.value)


def test_other_words_are_refused(tmp_path: Path) -> None:
    golden = read_golden(made(tmp_path / "golden"))
    assert golden is not None
    assert differences(golden, PIN, (Sentence(id="short_01", text="Hallo."),)) == ["the words of short_01"]
    assert differences(golden, PIN, (Sentence(id="long_01", text="x"),)) == ["it has no sentence long_01"]


def test_a_damaged_one_judges_nothing(tmp_path: Path) -> None:
    folder = made(tmp_path / "golden")
    soundfile.write(folder / "short_01.wav", np.zeros(1_000, np.int16), 24_000)
    with pytest.raises(UsageError, match="not the sound"):
        read_golden(folder)
    (folder / "golden.json").write_text("{}")
    with pytest.raises(UsageError, match="no golden baseline"):
        read_golden(folder)


def test_one_that_is_there_is_replaced_only_on_demand(tmp_path: Path) -> None:
    folder = made(tmp_path / "golden")
    with pytest.raises(UsageError, match="--replace"):
        made(folder)
    spoken = Spoken(np.ones(10, np.int16), 24_000, (), 0.1)
    write_golden(folder, "2026-01-02", PIN, {SENTENCE: spoken}, replace=True)
    golden = read_golden(folder)
    assert golden is not None
    assert len(golden.samples["short_01"]) == 10


def test_the_shipped_sentences_have_a_fast_form_and_long_ones_in_it() -> None:
    sentences = read_sentences()
    fast = [sentence for sentence in sentences if sentence.fast]
    assert {"short_01", "long_03"} <= {sentence.id for sentence in fast}
    assert any(sentence.long for sentence in fast)
    assert 3 * len(fast) >= 20, "enough for a P95"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- {id: a, text: x}\n- {id: a, text: y}", "two sentences are named a"),
        ("[]", "no sentence"),
        ("- {id: a}", "text"),
        ("- {id: [", "not valid YAML"),
    ],
)
def test_a_wrong_file_of_sentences_is_told_so(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=says):
        read_sentences(path)
