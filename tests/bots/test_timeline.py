"""Two takes of one probe are put on one sample clock, to the sample, however late the event loop saw their frames."""

import numpy as np
import pytest

from bots.timeline import FRAME_SAMPLES, Take, place_on_one_clock


def take(who: str, signal: np.ndarray, start_ms: float, seed: int = 0, jitter_ms: float = 3.0) -> Take:
    """Frames of `signal`, pulled from `start_ms` on, each seen late by a random time (and some in time)."""
    rng = np.random.default_rng(seed)
    result = Take(who)
    for k in range(len(signal) // FRAME_SAMPLES):
        late_ms = rng.exponential(jitter_ms) if rng.random() < 0.7 else 0.05
        result.add(start_ms + 20.0 * k + 10.0 + late_ms, signal[k * FRAME_SAMPLES : (k + 1) * FRAME_SAMPLES])
    return result


@pytest.fixture
def signal() -> np.ndarray:
    return (np.random.default_rng(1).standard_normal(FRAME_SAMPLES * 100) * 3000).astype(np.int16)


def test_two_tracks_that_start_apart_are_aligned_to_the_sample(signal: np.ndarray) -> None:
    # one source heard on two tracks, the second subscribed 230 ms later
    late = signal[11_040:]
    late = late[: len(late) // FRAME_SAMPLES * FRAME_SAMPLES]
    recording = place_on_one_clock([take("agent", signal, 5_000.0), take("user", late, 5_230.0, seed=2)], "agent")
    agent, user = recording.audio["agent"], recording.audio["user"]
    assert len(agent) == len(user)
    assert np.array_equal(agent[11_040 : 11_040 + len(late)], user[11_040 : 11_040 + len(late)])
    assert recording.t0_mono_ms == pytest.approx(5_000.05, abs=0.1)
    assert recording.error_ms < 0.5


def test_a_track_that_comes_back_continues_at_its_time(signal: np.ndarray) -> None:
    first = take("agent", signal[: FRAME_SAMPLES * 20], 0.0)
    again = take("agent", signal[: FRAME_SAMPLES * 20], 1_000.0, seed=3)
    recording = place_on_one_clock([first, again], "agent")
    assert np.array_equal(recording.audio["agent"][48_000 : 48_000 + FRAME_SAMPLES * 20], signal[: FRAME_SAMPLES * 20])
    assert not recording.audio["agent"][FRAME_SAMPLES * 20 : 48_000].any()


def test_arrivals_carry_the_sample_of_each_frame_of_the_agent(signal: np.ndarray) -> None:
    recording = place_on_one_clock([take("agent", signal, 100.0), take("user", signal, 60.0, seed=4)], "agent")
    assert recording.arrivals.shape == (100, 2)
    assert recording.arrivals[0, 1] == 40 * 48
    assert np.all(np.diff(recording.arrivals[:, 1]) == FRAME_SAMPLES)


def test_nothing_recorded_is_no_error() -> None:
    recording = place_on_one_clock([Take("agent")], "agent")
    assert recording.audio == {}
    assert recording.t0_mono_ms is None


def test_two_tracks_of_one_participant_are_summed_and_kept_apart(signal: np.ndarray) -> None:
    voice, music = take("agent", signal, 0.0), take("agent", signal // 16, 200.0, seed=5)
    voice.sid, music.sid = "voice", "music"
    recording = place_on_one_clock([music, voice], "agent")
    at = 200 * 48
    assert np.array_equal(recording.audio["agent"][at : at + 9_600], signal[at : at + 9_600] + signal[:9_600] // 16)
    assert np.array_equal(recording.tracks["music"][at : at + 9_600], signal[:9_600] // 16)
    assert recording.voice == {"voice"}
    assert np.all(np.diff(recording.arrivals[:, 1]) == FRAME_SAMPLES)  # of the voice alone


def test_a_track_that_was_published_anew_is_the_voice_as_well(signal: np.ndarray) -> None:
    first, again = take("agent", signal[: FRAME_SAMPLES * 20], 0.0), take("agent", signal, 1_000.0, seed=6)
    first.sid, again.sid = "first", "again"
    recording = place_on_one_clock([first, again], "agent")
    assert recording.voice == {"first", "again"}
    assert len(recording.arrivals) == 120


def test_a_track_that_goes_on_in_silence_does_not_keep_the_new_one_from_being_the_voice(signal: np.ndarray) -> None:
    old = take("agent", np.concatenate([signal[: FRAME_SAMPLES * 20], np.zeros(FRAME_SAMPLES * 60, np.int16)]), 0.0)
    new = take("agent", signal, 1_000.0, seed=7)
    old.sid, new.sid = "old", "new"
    recording = place_on_one_clock([old, new], "agent")
    assert recording.voice == {"old", "new"}
    assert np.all(np.diff(recording.arrivals[:, 1]) > 0)  # each moment is one track's


def test_a_user_alone_in_the_room_is_recorded_all_the_same(signal: np.ndarray) -> None:
    recording = place_on_one_clock([take("user", signal, 0.0)], "agent")
    assert len(recording.audio["user"]) == len(signal)
    assert recording.voice == frozenset()
    assert recording.arrivals.shape == (0, 2)


@pytest.mark.parametrize("bed_dbfs", [None, -45.0])
def test_how_long_the_voice_had_been_quiet_when_its_last_frame_came(signal: np.ndarray, bed_dbfs: float | None) -> None:
    quiet = np.zeros(FRAME_SAMPLES * 15)
    if bed_dbfs is not None:
        quiet = np.random.default_rng(4).standard_normal(len(quiet)) * 32_768 * 10 ** (bed_dbfs / 20)
    heard = take("agent", np.concatenate([signal, quiet.astype(np.int16)]), 5_000.0)
    assert heard.quiet_before_ms(heard.n_samples) == 300.0
    assert heard.quiet_before_ms(len(signal) + 100 * 48) == 100.0, "what came later is not the agent's"
    assert heard.quiet_before_ms(len(signal)) == 0.0
    assert Take("agent").quiet_before_ms(0) == 0.0


def test_the_level_of_a_voice_is_that_of_its_words_however_seldom_it_speaks(signal: np.ndarray) -> None:
    once = take("agent", signal, 5_000.0)
    seldom = take("agent", np.concatenate([signal, np.zeros(40 * len(signal), np.int16)]), 5_000.0)
    assert seldom.level_dbfs == pytest.approx(once.level_dbfs)
    assert seldom.quiet_before_ms(seldom.n_samples) == pytest.approx(40 * len(signal) / 48, abs=20.0)


def test_music_that_ends_before_the_voice_begins_is_no_voice_if_its_track_says_so(signal: np.ndarray) -> None:
    music, voice = take("agent", signal[: FRAME_SAMPLES * 40], 0.0), take("agent", signal, 1_000.0, seed=8)
    music.sid, music.name, voice.sid, voice.name = "music", "background_audio", "voice", "agent"
    assert place_on_one_clock([music, voice], "agent").voice == {"voice"}
    assert place_on_one_clock([music], "agent").voice == {"music"}  # an agent may name its voice so
