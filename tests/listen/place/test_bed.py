"""Beds under an agent's voice: noise and music that never stop, and what must not be taken for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.listen.measure import listen
from harness.listen.place.bed import Bed, find_bed
from harness.listen.place.onset import level_db
from harness.model.audio import Audio
from harness.model.capture import AgentTrack, read_manifest, write_manifest
from tests.listen.captures import RATE_HZ, Call, Replied, Samples, codec, silence, speech
from tests.listen.place.test_turns import ANSWER, QUESTION, call, value


def noise(duration_ms: float, dbfs: float, seed: int = 9) -> Samples:
    n = round(duration_ms * RATE_HZ / 1e3)
    return (10 ** (dbfs / 20) * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def music(duration_ms: float, dbfs: float) -> Samples:
    """Chords of half a second that swell and fade, never to silence."""
    t = np.arange(round(duration_ms * RATE_HZ / 1e3)) / RATE_HZ
    root = np.array([220, 262, 196, 247])[(t / 0.5).astype(int) % 4]
    wave = sum(np.sin(2 * np.pi * root * k * t) / k for k in (1, 1.25, 1.5, 2)) * (0.7 + 0.3 * np.sin(4 * np.pi * t))
    return (10 ** (dbfs / 20) * wave / np.sqrt(np.mean(wave**2))).astype(np.float32)


BEDS = {"noise": noise, "music": music}


def bed_of(samples: Samples) -> Bed | None:
    return find_bed(level_db(Audio(samples, RATE_HZ)))


def under(sound: Samples, bed: Samples) -> Samples:
    """`bed` to the end of the call, `sound` over its beginning."""
    out = bed.copy()
    out[: len(sound)] += sound
    return out


@pytest.mark.parametrize("kind", BEDS)
@pytest.mark.parametrize("dbfs", [-55.0, -45.0, -38.0])
def test_a_bed_is_measured_where_it_sounds_alone(kind: str, dbfs: float) -> None:
    bed = BEDS[kind](9_000, dbfs)
    bed[96_000 : 96_000 + 86_400] += speech(1_800, 2)
    found = bed_of(np.concatenate([silence(4_000), bed]))
    assert found is not None
    assert found.level_dbfs == pytest.approx(dbfs, abs=2.5)


@pytest.mark.parametrize(
    "made",
    [
        lambda: np.concatenate([silence(1_000), speech(1_800, 2), silence(1_500)]),
        lambda: np.concatenate([silence(1_000), speech(9_000, 2)]),  # it is cut off in mid-reply
        lambda: np.concatenate([silence(1_000), speech(9_000, 2, level_dbfs=-35.0)]),
        lambda: np.concatenate([silence(500), noise(9_000, -20.0)]),  # too loud to be a background: it never stops
        lambda: np.concatenate([speech(1_000, 2), silence(900), noise(800, -45.0), silence(900), speech(900, 3)]),
        lambda: noise(9_000, -80.0),
        lambda: silence(5_000),
        lambda: silence(50),
    ],
)
def test_what_is_no_bed(made: object) -> None:
    assert callable(made)
    assert bed_of(made()) is None


@pytest.mark.parametrize("kind", BEDS)
@pytest.mark.parametrize("dbfs", [-60.0, -45.0, -38.0, -32.0])
def test_speech_over_a_bed_begins_and_ends(tmp_path: Path, kind: str, dbfs: float) -> None:
    at_ms = 1_500.0
    length_ms = 14_000 - at_ms
    bed, greeting, answer = BEDS[kind](length_ms, dbfs), speech(1_500, 3), speech(1_600, 2)
    first = round((ANSWER.at_ms - at_ms) * 48)
    sound = under(np.concatenate([greeting, silence(0)]), bed)
    sound[first : first + len(answer)] += answer
    measurement = listen(call(Replied(at_ms, sound)).write(tmp_path / "capture"))
    turn, hello = measurement.turns
    kpi = turn.metrics["user_kpi_ms"]
    assert kpi.uncertainty is not None
    assert kpi.value == pytest.approx(ANSWER.at_ms - QUESTION.end_ms, abs=kpi.uncertainty)
    assert value(turn, "reply_ms") == pytest.approx(1_600, abs=30 if dbfs < -35 else 200)
    assert hello.utterance is None
    assert measurement.metrics["replies_complete_after_final_eot"].value == 1


def test_without_a_bed_every_number_is_as_without_looking_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = call(Replied(300, speech(1_500, 3)), ANSWER).write(tmp_path / "capture")
    looked = listen(folder)
    monkeypatch.setattr("harness.listen.place.ring.find_bed", lambda levels: None)
    assert listen(folder) == looked


def with_tracks(folder: Path, made: Call, voice: Samples, background: Samples) -> Path:
    """A capture whose agent has two tracks: `voice` and `background`, as the second listener recorded each."""
    made.write(folder)
    for number, samples in enumerate((voice, background), 1):
        soundfile.write(folder / f"post_rtc_track{number}.wav", samples, RATE_HZ, subtype="PCM_16")
    tracks = [
        AgentTrack(sid="a", voice=True, file="post_rtc_track1.wav"),
        AgentTrack(sid="b", voice=False, file="post_rtc_track2.wav"),
    ]
    write_manifest(folder, read_manifest(folder).model_copy(update={"agent_tracks": tracks}))
    return folder


@pytest.mark.parametrize("lane", ["browser", "bot"])
@pytest.mark.parametrize("kind", ["typing", "music", "silence"])
def test_the_voice_is_told_from_a_track_beside_it(tmp_path: Path, lane: str, kind: str) -> None:
    """Typing of −30 dBFS while the agent thinks begins 350 ms ahead of its answer, and is none."""
    late = silence(30)  # the second listener's clock, see Call.probe_lag_ms
    background = silence(14_000.0)
    if kind == "typing":
        for at_ms in np.arange(QUESTION.end_ms + 250, QUESTION.end_ms + 1_300, 90):
            click = noise(45, -30.0)
            background[round(at_ms * 48) :][: len(click)] = click
    elif kind == "music":
        background = music(14_000.0, -40.0)
    voice = silence(14_000.0)
    sound = codec(ANSWER.sound, 1)
    voice[round(ANSWER.at_ms * 48) :][: len(sound)] = sound
    made = call(ANSWER, Replied(0, background), lane=lane)
    folder = with_tracks(tmp_path / "c", made, np.concatenate([late, voice]), np.concatenate([late, background]))
    measurement = listen(folder)
    (turn,) = measurement.turns
    for metric in ("user_kpi_ms", "eot_to_first_audio_ms"):
        if metric == "eot_to_first_audio_ms" or lane == "browser":
            assert value(turn, metric) == pytest.approx(600, abs=3)
    assert value(turn, "reply_ms") == pytest.approx(1_600, abs=10)
    assert value(turn, "audio_valid") == 1
    assert measurement.metrics["reply_count"].value == 1
    if kind == "music":
        assert measurement.metrics["bed_dbfs"].value == pytest.approx(-40, abs=2)
