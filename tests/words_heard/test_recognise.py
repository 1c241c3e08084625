"""The recogniser after a call: what it is given, what is kept, and that nothing it does costs the measurement.

By a recogniser made here, and by the real one with the neural voice where the extra is installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from harness.listen.measure import listen
from harness.listen.place.scene import Scene
from harness.listen.read.reading import read_capture
from harness.model import capture
from harness.model.audio import Audio
from harness.model.heard_words import HeardWords
from harness.model.measurement import Measurement
from harness.model.plan import RecogniserSpec
from harness.speech.voices import RATE_HZ as VOICE_HZ
from harness.speech.voices import Speech, Voices
from harness.words_heard import recognise as room
from harness.words_heard.altered import ALTERED
from harness.words_heard.recogniser import (
    MOST_S,
    RATE_HZ,
    NoRecogniserError,
    at_16_khz,
    open_recogniser,
    parts_of,
)
from tests.listen.captures import Call, Replied, Said, codec, simple_call, speech
from tests.listen.metrics.test_reply_words import judged, publish

TEXT = "Your table for two is booked at half past seven."
SPEC = RecogniserSpec()


@dataclass
class Listener:
    """Says the next of `texts` for each sound, and keeps its length in ms."""

    texts: list[str]
    lengths_ms: list[float] = field(default_factory=list)
    name: str = "made"
    version: str = "1"
    language: str = "en"

    def text(self, sound: Audio) -> str:
        self.lengths_ms.append(1e3 * len(sound) / sound.rate_hz)
        return self.texts[len(self.lengths_ms) - 1]


def recorded(folder: Path) -> HeardWords:
    return HeardWords.model_validate_json((folder / capture.HEARD_WORDS).read_bytes())


def listened(folder: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> Measurement:
    monkeypatch.setattr(room, "open_recogniser", lambda spec: listener)
    return room.listen_to_call(folder, SPEC)


def test_each_reply_is_recognised_once_at_the_ear_and_as_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = simple_call().write(tmp_path / "c")
    publish(folder, TEXT)
    listener = Listener([TEXT, TEXT])
    measured = listened(folder, listener, monkeypatch)
    assert len(listener.lengths_ms) == 2
    assert all(1_600 < length < 2_000 for length in listener.lengths_ms), "the reply and a little around it"
    assert {(sound.recording, sound.text) for sound in recorded(folder).sounds} == {("ear", TEXT), ("pre_rtc", TEXT)}
    assert measured == listen(folder), "judged again it gives the same record, without the recogniser"
    assert measured.turns[0].metrics["words_lost_count_ear"].value == 0


def test_a_word_that_is_understood_when_heard_again_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = simple_call().write(tmp_path / "c")
    publish(folder, TEXT)
    cut, again = TEXT.replace("table", "cable"), len(ALTERED)
    listener = Listener([cut, TEXT, *[cut] * (again - 1), TEXT, *[TEXT] * again])
    measured = listened(folder, listener, monkeypatch)
    assert {sound.recording for sound in recorded(folder).sounds} == {"ear", "pre_rtc"}, "nobody else is asked"
    assert measured.turns[0].metrics["words_lost_count_ear"].value == 0
    assert measured.turns[0].metrics["reply_wer_ear"].value == pytest.approx(0.1)


def test_the_second_listener_is_asked_only_where_words_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = simple_call().write(tmp_path / "c")
    publish(folder, TEXT)
    cut, again = TEXT.replace(" for two", ""), len(ALTERED)
    listener = Listener([cut, TEXT, *[cut] * again, *[TEXT] * again, *[TEXT] * (1 + again)])
    measured = listened(folder, listener, monkeypatch)
    assert len(listener.lengths_ms) == len(listener.texts)
    assert measured == listen(folder)
    assert "lost at the ear (the second listener understood it)" in judged("words_lost", folder).reason


def test_a_capture_that_was_recognised_is_not_recognised_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = simple_call().write(tmp_path / "c")
    first = listened(folder, Listener([TEXT, TEXT]), monkeypatch)
    assert listened(folder, Listener([]), monkeypatch) == first


def test_no_recogniser_is_no_file(tmp_path: Path) -> None:
    folder = simple_call().write(tmp_path / "c")
    assert room.listen_to_call(folder, None) == listen(folder)
    assert not (folder / capture.HEARD_WORDS).exists()


def test_an_extra_that_is_not_installed_is_a_stated_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.words_heard.recogniser.find_spec", lambda name: None)
    open_recogniser.cache_clear()
    folder = simple_call().write(tmp_path / "c")
    assert room.listen_to_call(folder, SPEC) == listen(folder)
    assert "pip install 'earwitness[asr]'" in recorded(folder).skipped
    open_recogniser.cache_clear()


def test_a_recogniser_that_breaks_off_costs_only_the_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Listener):
        def text(self, sound: Audio) -> str:
            raise RuntimeError("bad allocation")

    folder = simple_call(case={"expect": {"reply_wer_max": 0.1}}).write(tmp_path / "c")
    publish(folder, TEXT)
    measured = listened(folder, Broken([]), monkeypatch)
    assert recorded(folder).skipped == "made broke off: bad allocation"
    assert measured.turns[0].metrics["reply_wer_ear"].reason == "made broke off: bad allocation"
    assert measured.turns[0].metrics["user_kpi_ms"].value == pytest.approx(450, abs=2)


def test_a_call_without_a_reply_asks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Call(said=[Said(500.0, speech(1_200, 1))]).write(tmp_path / "c")
    listened(folder, Listener([]), monkeypatch)
    assert recorded(folder).sounds == []


def test_a_long_reply_is_cut_where_it_is_quiet() -> None:
    sound = np.random.default_rng(1).standard_normal(40 * RATE_HZ).astype(np.float32)
    sound[20 * RATE_HZ : 20 * RATE_HZ + RATE_HZ // 5] = 0
    first, second = parts_of(sound)
    assert 20 <= len(first) / RATE_HZ <= 20.2
    assert len(first) + len(second) == len(sound)
    assert [len(part) for part in parts_of(sound[: int(MOST_S * RATE_HZ)])] == [int(MOST_S * RATE_HZ)]


@pytest.mark.parametrize("rate_hz", [48_000, 44_100, 22_050, 16_000])
def test_any_rate_becomes_the_recognisers(rate_hz: int) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz).astype(np.float32)
    found = at_16_khz(Audio(tone, rate_hz))
    assert len(found) == RATE_HZ
    assert np.argmax(np.abs(np.fft.rfft(found))) == 440


@pytest.mark.parametrize("alter", ALTERED, ids=lambda alter: alter.__name__)
def test_an_altered_sound_is_nearly_the_same(alter: Callable[[Audio], Audio]) -> None:
    sound = Audio(speech(1_500, 3), 48_000)
    found = alter(sound)
    assert found.rate_hz == 48_000
    assert 0.95 < len(found) / len(sound) < 1.2
    assert np.sqrt(np.sum(found.samples**2)) == pytest.approx(np.sqrt(np.sum(sound.samples**2)), rel=0.1)


# the real model, with the neural voice


@pytest.fixture(scope="module")
def voice() -> Voices:
    pytest.importorskip("ctranslate2", reason="needs the extra asr")
    with Voices() as voices:
        yield voices  # type: ignore[misc]


def at_48_khz(samples: np.ndarray) -> np.ndarray:
    return resample_poly(samples, 48_000 // 150, VOICE_HZ // 150).astype(np.float32)


def spoken_call(speech_: Speech, folder: Path, text: str, heard: np.ndarray | None = None, **changes: object) -> Path:
    """A call whose reply is `speech_`; at the ear `heard` arrives in its stead."""
    reply = Replied(
        2_150.0, at_48_khz(speech_.samples), at_ear=(lambda x: codec(x)) if heard is None else lambda x: heard
    )
    said = [Said(500.0, speech(1_200, 1))]
    made = Call(said=said, replies=[reply], total_ms=7_000.0, **changes).write(folder / "c")  # type: ignore[arg-type]
    publish(made, text)
    return made


def without(speech_: Speech, index: int) -> np.ndarray:
    word = speech_.words[index]
    samples = speech_.samples.copy()
    samples[word.start : word.end] = 0
    return at_48_khz(samples)


def test_a_neural_voice_is_understood_and_nothing_is_lost(tmp_path: Path, voice: Voices) -> None:
    folder = spoken_call(voice.speak(TEXT, "joe", 185), tmp_path, TEXT)
    turn = room.listen_to_call(folder, SPEC).turns[0]
    figures = {name: turn.metrics[name].value for name in ("reply_wer_pre", "reply_wer_ear", "words_lost_count_ear")}
    assert figures == {"reply_wer_pre": 0, "reply_wer_ear": 0, "words_lost_count_ear": 0}, turn.heard_as
    record = json.loads((folder / capture.HEARD_WORDS).read_text())
    assert (record["v"], record["model"], record["language"]) == (1, "Whisper tiny.en", "en")
    assert "ctranslate2" in record["version"]


def test_a_word_that_is_dropped_at_the_ear_is_named_and_blamed_on_it(tmp_path: Path, voice: Voices) -> None:
    spoken = voice.speak(TEXT, "joe", 185)
    folder = spoken_call(spoken, tmp_path, TEXT, heard=without(spoken, 1))
    room.listen_to_call(folder, SPEC)
    result = judged("words_lost", folder)
    assert result.reason.startswith("'table': lost at the ear (the second listener understood it)"), result.reason


@pytest.mark.parametrize(
    ("spoken", "text", "wrong"),
    [
        (TEXT, TEXT.replace("seven", "eleven"), "11 → 7"),
        ("Your code is four two seven one.", "Your code is 4721.", "4721 → 4271"),
    ],
    ids=["another word in the text", "two digits exchanged"],
)
def test_a_text_that_was_not_spoken_is_found_and_blamed_on_the_agent(
    tmp_path: Path, voice: Voices, spoken: str, text: str, wrong: str
) -> None:
    asked = {"expect": {"reply_wer_max": 0.0}}
    folder = spoken_call(voice.speak(spoken, "joe", 185), tmp_path, text, case=asked)
    room.listen_to_call(folder, SPEC)
    result = judged("reply_words", folder)
    assert result.status.value == "FAIL"
    assert wrong in result.reason
    assert "before RTC" in result.reason
    assert judged("words_lost", folder).status.value == "PASS"


def test_another_language_than_the_models_is_excluded_with_the_reason(tmp_path: Path, voice: Voices) -> None:
    folder = simple_call(case={"expect": {"reply_wer_max": 0.1}}).write(tmp_path / "c")
    publish(folder, "Der Tisch ist bestellt.")
    metrics = room.listen_to_call(folder, RecogniserSpec(language="de")).turns[0].metrics
    assert metrics["reply_wer_ear"].not_applicable
    assert "understands English alone, and the agent speaks de (--asr-language)" in metrics["reply_wer_ear"].reason


def test_a_folder_that_holds_no_model_is_told(tmp_path: Path, voice: Voices) -> None:
    with pytest.raises(NoRecogniserError, match=r"is no Whisper model in CTranslate2's form: it holds no model\.bin"):
        open_recogniser(RecogniserSpec(model=str(tmp_path)))
    (tmp_path / "model.bin").write_bytes(b"no model")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(NoRecogniserError, match=f"--asr-model {tmp_path}: "):
        open_recogniser(RecogniserSpec(model=str(tmp_path)))


def test_the_scene_that_was_recognised_is_that_of_the_capture(tmp_path: Path, voice: Voices) -> None:
    folder = spoken_call(voice.speak(TEXT, "joe", 185), tmp_path, TEXT)
    scene = Scene(read_capture(folder))
    record = room.recognise_call(scene, SPEC)
    (turn,) = listen(folder).turns
    at_ear = next(sound for sound in record.sounds if sound.recording == "ear")
    assert (at_ear.start, at_ear.end) == (turn.spans["ear"].start, turn.spans["ear"].end)
