"""Recordings that somebody else made: what they give, what they can never give, and what is wrong with a file."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.errors import UsageError
from harness.listen.measure import measure
from harness.listen.recordings import Recordings, find_utterances, read_recordings
from harness.model import capture
from harness.model.audio import Audio
from harness.model.channels import Channel
from harness.model.measurement import Measurement
from harness.model.status import CaptureStatus
from harness.speech.espeak_worker import EspeakWorker
from harness.speech.find import find_speech
from tests.listen.captures import RATE_HZ, Call, Replied, Said, hole, ms, silence, simple_call, speech
from tests.speech.noises import LEAD_MS, in_a_room, words

KPI_MS = 450.0


def recorded(tmp_path: Path, call: Call | None = None, *, pre: bool = False, post: bool = False) -> Recordings:
    """The WAVs of a call, as somebody else would have them: names of their own, nothing beside them."""
    folder = (call or simple_call(KPI_MS)).write(tmp_path / "call")
    names = {"ear": capture.EAR, "mic": capture.MIC}
    names |= {"pre": capture.PRE_RTC} if pre else {}
    names |= {"post": capture.POST_RTC} if post else {}
    files = {}
    for role, name in names.items():
        files[role] = tmp_path / f"my {role}.wav"
        (folder / name).rename(files[role])
    return Recordings(**files)


def heard(files: Recordings) -> Measurement:
    return measure(read_recordings(files))


def write(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


def test_ear_and_microphone_give_the_latency(tmp_path):
    found = heard(recorded(tmp_path))
    [turn] = found.turns
    assert turn.metrics["user_kpi_ms"].value == pytest.approx(KPI_MS, abs=12)
    assert turn.metrics["user_kpi_ms"].uncertainty == pytest.approx(12.75)
    assert found.capture_status == CaptureStatus.OK
    assert found.validity.ok
    assert "found by level in my mic.wav" in found.detail
    assert found.trace_id == "my_ear"


def test_a_truth_file_makes_it_exact(tmp_path):
    files = recorded(tmp_path)
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps([{"start_ms": 500, "end_ms": 1_700, "text": "hello"}]))
    found = heard(replace(files, truth=truth))
    assert found.turns[0].metrics["user_kpi_ms"].value == pytest.approx(KPI_MS, abs=2)
    assert found.turns[0].metrics["user_kpi_ms"].uncertainty < 3
    assert "by level" not in found.detail


def test_the_users_own_file_is_found_in_the_microphone(tmp_path):
    files = recorded(tmp_path)
    said = np.concatenate([silence(900), speech(1_200, 1), silence(200)])
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"utterances": [{"start_ms": 900, "end_ms": 2_100}]}))
    found = heard(replace(files, user=write(tmp_path / "said.wav", said), truth=truth))
    assert found.turns[0].metrics["user_kpi_ms"].value == pytest.approx(KPI_MS, abs=2)
    assert found.validity.ok


def test_words_that_are_not_in_the_microphone_are_not_believed(tmp_path):
    files = recorded(tmp_path)
    found = heard(replace(files, user=write(tmp_path / "said.wav", speech(1_500, 77))))
    assert not found.validity.ok
    assert "not found in mic.wav" in found.validity.reasons[0]


def test_with_the_agents_own_pcm_holes_are_found(tmp_path):
    call = simple_call(KPI_MS, at_ear=lambda x: hole(x, 700, 90))
    [turn] = heard(recorded(tmp_path, call, pre=True)).turns
    assert turn.metrics["dropout_count_ear"].value == 1
    assert turn.metrics["max_gap_ear_ms"].value == pytest.approx(90, abs=12)
    assert turn.metrics["identity"].value > 0.9


def test_a_second_listener_is_a_ring_too(tmp_path):
    call = simple_call(KPI_MS, at_probe=lambda x: hole(x, 700, 90))
    [turn] = heard(recorded(tmp_path, call, pre=True, post=True)).turns
    assert turn.metrics["dropout_count"].value == 1
    assert turn.metrics["dropout_count_ear"].value == 0


def test_the_ear_alone_gives_what_the_ear_can_give(tmp_path):
    files = recorded(tmp_path)
    found = heard(Recordings(files.ear))
    [turn] = found.turns
    assert turn.metrics["reply_ms"].value == pytest.approx(1_600, abs=5)
    assert turn.metrics["audio_valid"].value == 1
    assert turn.onset_sample == pytest.approx(ms(500 + 1_200 + KPI_MS), abs=ms(2))


@pytest.mark.parametrize("roles", [{}, {"pre": True}, {"pre": True, "post": True}])
def test_what_recordings_can_never_tell_is_not_applicable(tmp_path, roles):
    [turn] = heard(recorded(tmp_path, **roles)).turns
    lacking = {name: m for name, m in turn.metrics.items() if m.value is None and not m.not_applicable}
    assert set(lacking) == {"talk_over_ms"}  # nobody talked over anybody
    for name in ("rtt_ms", "inter_arrival_p95_ms", "fast_ttft_ms", "eot_to_first_audio_ms", "unexplained_ms"):
        assert turn.metrics[name].not_applicable
        assert turn.metrics[name].reason


def test_a_conversation_is_heard_turn_by_turn(tmp_path):
    said = [Said(500 + 4_500 * n, speech(900, n + 1)) for n in range(3)]
    replies = [Replied(item.end_ms + 300 + 100 * n, speech(1_500, 20 + n)) for n, item in enumerate(said)]
    found = heard(recorded(tmp_path, Call(said=said, replies=replies, total_ms=14_000)))
    kpis = [turn.metrics["user_kpi_ms"].value for turn in found.turns]
    assert kpis == pytest.approx([300, 400, 500], abs=12)


def test_utterances_are_parted_by_seven_tenths_of_a_second():
    x = np.concatenate([silence(300), speech(600, 1), silence(600), speech(600, 2), silence(900), speech(600, 3)])
    truth = find_utterances(Audio(np.concatenate([x, silence(300)]), RATE_HZ))
    assert truth is not None
    assert truth.source == "detected"
    assert [round(u.start_sample / 48, -2) for u in truth.utterances] == [300, 3_000]


# bad input


def bad_wav(path: Path, kind: str) -> Path:
    talk = np.concatenate([silence(200), speech(1_200, 3), silence(200)])
    match kind:
        case "no such file":
            pass
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("this is no sound " * 40)
        case "a folder":
            path.mkdir()
        case "truncated":
            write(path, talk)
            path.write_bytes(path.read_bytes()[:-20_001])
        case "NaN":
            talk[5_000] = np.nan
            write(path, talk, subtype="FLOAT")
        case "6 channels":
            write(path, np.stack([talk] * 6, axis=1))
        case "no samples":
            write(path, talk[:0])
        case "only a header":
            write(path, talk)
            path.write_bytes(path.read_bytes()[:20])
    return path


WRONG = {
    "no such file": "no such file",
    "empty": "is empty (0 bytes); record it again",
    "text": "is no sound file",
    "a folder": "is a folder",
    "truncated": "is truncated: 20001 bytes of its samples are missing; record or convert it again",
    "NaN": "holds samples that are not finite; record or convert it again",
    "6 channels": "has 6 channels, and nothing says who is on which; save the agent's and the user's as a mono file",
    "no samples": "holds no samples",
    "only a header": "is no sound file",
}


@pytest.mark.parametrize("role", ["ear", "mic", "user", "pre", "post"])
@pytest.mark.parametrize("kind", WRONG)
def test_a_file_that_cannot_be_used_is_named_with_what_to_do(tmp_path, kind, role):
    files = recorded(tmp_path, pre=True)
    path = bad_wav(tmp_path / "bad one.wav", kind)
    with pytest.raises(UsageError) as caught:
        read_recordings(replace(files, **{role: path}))
    assert str(caught.value).startswith(str(path))
    assert WRONG[kind] in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no json", "is no JSON"),
        ("[]x", "is no JSON"),
        ("7", "valid list"),
        ('[{"start_ms": 5}]', "0.end_ms: Field required"),
        ('[{"start_ms": 500, "end_ms": 400}]', "end_ms must be after start_ms"),
        ('[{"start_ms": 500, "end_ms": 99000}]', "does not fit the order, or my mic.wav (6000 ms)"),
        ('[{"start_ms": 900, "end_ms": 1700}, {"start_ms": 0, "end_ms": 100}]', "utterance 1: 0 to 100 ms"),
        ('{"n_samples": 5}', "case_id: Field required"),
    ],
)
def test_a_truth_that_does_not_fit_is_told(tmp_path, text, says):
    truth = tmp_path / "truth.json"
    truth.write_text(text)
    with pytest.raises(UsageError, match=r"truth\.json") as caught:
        read_recordings(replace(recorded(tmp_path), truth=truth))
    assert says in str(caught.value)


def test_a_second_listener_without_the_agents_own_pcm_is_an_error(tmp_path):
    files = recorded(tmp_path)
    with pytest.raises(UsageError, match="there is no --pre"):
        read_recordings(Recordings(files.ear, post=files.mic))


def test_a_truth_without_a_microphone_is_an_error(tmp_path):
    files = recorded(tmp_path)
    with pytest.raises(UsageError, match="there is no --mic"):
        read_recordings(Recordings(files.ear, truth=tmp_path / "truth.json"))


def test_silence_is_measured_as_no_reply(tmp_path):
    files = recorded(tmp_path)
    found = heard(replace(files, ear=write(tmp_path / "silent.wav", silence(6_000))))
    [turn] = found.turns
    assert turn.metrics["user_kpi_ms"].value is None
    assert turn.metrics["user_kpi_ms"].reason == "ear.wav holds no sound of the agent"
    assert turn.onset_sample is None
    assert found.metrics["unanswered_turn_count"].value == 1


@pytest.mark.parametrize("samples", [silence(6_000), silence(0.1)[:1], np.full(1, 0.5, np.float32)])
def test_a_microphone_without_speech_leaves_no_turn_to_be_timed(tmp_path, samples):
    files = recorded(tmp_path)
    found = heard(replace(files, mic=write(tmp_path / "mute.wav", samples)))
    assert [turn.utterance for turn in found.turns] == [None]
    assert found.metrics["expected_reply_count"].reason == "nobody is heard to speak in mute.wav"
    assert not found.metrics["expected_reply_count"].not_applicable


@pytest.mark.parametrize("samples", [silence(0.1)[:1], np.full(1, 0.9, np.float32)])
def test_one_sample_is_measured_as_nothing(tmp_path, samples):
    files = recorded(tmp_path, pre=True, post=True)
    one = write(tmp_path / "one.wav", samples)
    for role in ("ear", "pre", "post"):
        assert heard(replace(files, **{role: one})).turns
    assert heard(Recordings(one)).turns == []


def test_noise_that_is_nobody_speaking_gives_no_turn(tmp_path):
    noise = (0.003 * np.random.default_rng(0).standard_normal(ms(6_000))).astype(np.float32)
    found = heard(replace(recorded(tmp_path), mic=write(tmp_path / "noise.wav", noise)))
    assert found.metrics["expected_reply_count"].value is None


@pytest.mark.parametrize(
    ("subtype", "rate_hz", "channels", "note"),
    [
        ("PCM_U8", 48_000, 1, "8 bit: its own noise hides what is quiet"),
        ("PCM_24", 96_000, 1, "96 kHz made 48 kHz"),
        ("PCM_16", 44_100, 2, "2 channels averaged, 44.1 kHz made 48 kHz"),
        ("PCM_32", 8_000, 1, "8 kHz made 48 kHz"),
    ],
)
def test_other_depths_rates_and_channels_are_converted_and_it_is_said(tmp_path, subtype, rate_hz, channels, note):
    files = recorded(tmp_path)
    for path in (files.ear, files.mic):
        assert path is not None
        samples, _ = soundfile.read(path, dtype="float32")
        other = np.interp(np.arange(0, len(samples), RATE_HZ / rate_hz), np.arange(len(samples)), samples)
        write(path, np.stack([other] * channels, axis=1), rate_hz, subtype)
    found = heard(files)
    assert found.turns[0].metrics["user_kpi_ms"].value == pytest.approx(KPI_MS, abs=15)
    assert f"my ear.wav: {note}" in found.detail
    assert f"my mic.wav: {note}" in found.detail


@pytest.mark.parametrize(("role", "text"), [("ear", "ends 2.0 s before the mic"), ("mic", "ends 2.0 s before the ear")])
def test_recordings_of_different_lengths_are_measured_and_it_is_said(tmp_path, role, text):
    files = recorded(tmp_path)
    path = getattr(files, role)
    samples, _ = soundfile.read(path, dtype="float32")
    write(path, samples[: -ms(2_000)])
    found = heard(files)
    assert text in found.detail
    assert found.turns[0].metrics["user_kpi_ms"].value == pytest.approx(KPI_MS, abs=12)


# noise under the user


def in_noise(tmp_path: Path, below_peak_db: float) -> tuple[Recordings, float]:
    """A call whose user sits in pink noise; the true latency."""
    with EspeakWorker() as espeak:
        spoken = words(espeak, "What time is it in Tokyo", "en-gb")
        mic = in_a_room(spoken, "pink", below_peak_db, espeak).astype(np.float32)
    ear = np.zeros(len(mic), np.float32)
    answer = ms(LEAD_MS) + len(spoken) + ms(KPI_MS)
    ear[answer : answer + ms(1_600)] = speech(1_600, 4)
    return Recordings(ear=write(tmp_path / "e.wav", ear), mic=write(tmp_path / "m.wav", mic)), KPI_MS


@pytest.mark.parametrize("below_peak_db", [50, 45, 40, 35, 30])
def test_noise_in_the_microphone_costs_no_more_than_is_stated(tmp_path, below_peak_db):
    files, kpi_ms = in_noise(tmp_path, below_peak_db)
    found = measure(read_recordings(files, find_speech))
    kpi = found.turns[0].metrics["user_kpi_ms"]
    assert kpi.value == pytest.approx(kpi_ms, abs=kpi.uncertainty)
    assert 10 < kpi.uncertainty < 100
    assert "m.wav: noise " in found.detail
    assert "found by level" not in found.detail


def test_noise_that_hides_the_end_of_a_turn_leaves_no_latency(tmp_path):
    files, _ = in_noise(tmp_path, 12)
    found = measure(read_recordings(files, find_speech))
    reason = found.metrics["expected_reply_count"].reason
    assert reason.startswith("m.wav: noise ")
    assert "--truth says where the user speaks" in reason


def test_a_clean_microphone_is_heard_as_by_level_alone(tmp_path):
    files = recorded(tmp_path)
    assert measure(read_recordings(files, find_speech)) == heard(files)


# two channels


def stereo(tmp_path: Path) -> tuple[Path, float]:
    """A call in one file: the user left, the agent right."""
    files = recorded(tmp_path)
    assert files.mic is not None
    user, agent = (soundfile.read(path, dtype="float32")[0] for path in (files.mic, files.ear))
    length = min(len(user), len(agent))
    return write(tmp_path / "call.wav", np.stack([user[:length], agent[:length]], axis=1)), KPI_MS


def test_two_people_on_two_channels_are_asked_for(tmp_path):
    call, _ = stereo(tmp_path)
    with pytest.raises(UsageError, match=r"2 people speak in turn, each on a channel; .*--ear-channel left or right"):
        read_recordings(Recordings(call))


def test_a_call_in_one_file_is_heard_by_its_channels(tmp_path):
    call, kpi_ms = stereo(tmp_path)
    found = heard(Recordings(call, call, ear_channel=Channel.RIGHT, mic_channel=Channel.LEFT))
    assert found.turns[0].metrics["user_kpi_ms"].value == pytest.approx(kpi_ms, abs=12)
    assert "call.wav: its right channel" in found.detail


@pytest.mark.parametrize(
    ("right", "note"),
    [(lambda x: -x, "of opposite phase, and their mean would cancel"), (lambda x: 0 * x, "the right one is silent")],
)
def test_channels_whose_mean_would_be_wrong_are_not_averaged(tmp_path, right, note):
    files = recorded(tmp_path)
    samples = soundfile.read(files.ear, dtype="float32")[0]
    both = write(tmp_path / "both.wav", np.stack([samples, right(samples)], axis=1))
    found = heard(replace(files, ear=both))
    assert note in found.detail
    assert found.turns[0].metrics["user_kpi_ms"].value == heard(files).turns[0].metrics["user_kpi_ms"].value
