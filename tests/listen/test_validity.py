"""When a number is not to be believed, and what a folder that is not whole still gives."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.errors import UsageError
from harness.listen.measure import listen, write_measurement
from harness.model import capture
from harness.model.capture import AgentUnderTest
from harness.model.measurement import Measurement
from harness.model.status import CaptureStatus
from tests.listen.captures import RATE_HZ, T0_MONO_MS, Call, Replied, Said, simple_call, speech

FOREIGN = AgentUnderTest(kind="room")


def test_a_latency_below_the_hangover_is_invalid(tmp_path):
    metrics = listen(simple_call(120).write(tmp_path / "c")).turns[0].metrics
    for name in ("user_kpi_raw_ms", "user_kpi_ms", "eot_to_first_audio_ms"):
        assert metrics[name].invalid
        assert "hangover of 200 ms" in metrics[name].reason
    assert metrics["kpi_plausible"].value == 0


def test_a_speculative_agent_may_be_faster_than_its_hangover(tmp_path):
    agent = AgentUnderTest(kind="dispatch", vad_hangover_ms=200, speculative=True)
    call = simple_call(120, agent=agent, pre=False, trace=False)
    metrics = listen(call.write(tmp_path / "c")).turns[0].metrics
    assert metrics["user_kpi_raw_ms"].value == pytest.approx(120, abs=2)
    assert not metrics["user_kpi_raw_ms"].invalid


def test_loop_lag_makes_the_arrival_times_invalid(tmp_path):
    good = listen(simple_call().write(tmp_path / "good")).turns[0].metrics["inter_arrival_p95_ms"]
    bad = listen(simple_call(loop_lag_ms=14).write(tmp_path / "bad")).turns[0].metrics["inter_arrival_p95_ms"]
    assert 19 < good.value < 25
    assert not good.invalid
    assert bad.invalid
    assert bad.value == good.value
    assert "14.0 ms" in bad.reason


def test_an_overloaded_host_makes_the_measurement_invalid(tmp_path):
    assert listen(simple_call(loop_lag_ms=60, cpu_percent=70).write(tmp_path / "a")).validity.ok
    validity = listen(simple_call(loop_lag_ms=60, cpu_percent=100).write(tmp_path / "b")).validity
    assert not validity.ok
    assert "overloaded" in validity.reasons[0]


@pytest.mark.parametrize(("cpu_percent", "lag_ms", "believed"), [(100, 60, False), (70, 60, True), (100, 20, True)])
def test_an_answer_that_a_starved_host_was_waited_for_in_vain_on_is_not_believed_to_be_missing(
    tmp_path, cpu_percent, lag_ms, believed
):
    call = Call(
        said=[Said(500, speech(900, 1))], status=CaptureStatus.REPLY_TIMEOUT, total_ms=8_000,
        cpu_percent=cpu_percent, loop_lag_ms=lag_ms,
    )  # fmt: skip
    validity = listen(call.write(tmp_path / "c")).validity
    assert validity.ok == believed, validity.reasons
    assert believed or validity.reasons == [f"the host was overloaded: CPU 100 %, event loop up to {lag_ms} ms late"]


@pytest.mark.parametrize(("waiting", "leaving"), [((100, 60), (5, 1)), ((20, 1), (100, 400))])
def test_what_the_host_does_behind_the_call_says_nothing_of_what_was_awaited_in_it(tmp_path, waiting, leaving):
    call = Call(said=[Said(500, speech(900, 1))], status=CaptureStatus.REPLY_TIMEOUT, total_ms=8_000)
    folder = call.write(tmp_path / "c")
    path = folder / capture.HOST_LOAD
    lines = [
        {"t_mono_ms": T0_MONO_MS + t, "cpu_percent": cpu, "loop_lag_ms": lag}
        for t in range(0, 40_000, 500)
        for cpu, lag in [waiting if t <= 8_000 else leaving]
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert listen(folder).validity.ok == (waiting[0] < 100)


def load_lines(folder: Path, change) -> None:
    path = folder / capture.HOST_LOAD
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(change(line)) + "\n" for line in lines))


def test_a_turn_beside_a_launch_is_not_believed_whatever_it_measured(tmp_path):
    folder = simple_call().write(tmp_path / "c")
    load_lines(folder, lambda line: line | {"launching": 0})
    quiet = listen(folder).turns[0].metrics
    load_lines(folder, lambda line: line | {"launching": 1})
    measurement = listen(folder)
    metrics = measurement.turns[0].metrics
    for name in ("user_kpi_raw_ms", "eot_to_first_audio_ms", "max_gap_ms"):
        assert not quiet[name].invalid
        assert metrics[name].invalid
        assert metrics[name].value == quiet[name].value
        assert "another session was launched" in metrics[name].reason
    assert measurement.validity.ok, "other turns of the call may be in order"
    assert not metrics["host_cpu_ratio"].invalid


def test_a_launch_before_the_turn_does_it_no_harm(tmp_path):
    folder = simple_call().write(tmp_path / "c")
    load_lines(folder, lambda line: line | {"launching": int(line["t_mono_ms"] <= T0_MONO_MS + 1_000)})
    assert not listen(folder).turns[0].metrics["user_kpi_raw_ms"].invalid  # the user falls silent at 1,700 ms


def test_side_by_side_a_turn_is_not_believed_if_no_core_was_free_while_it_was_answered(tmp_path):
    folder = simple_call().write(tmp_path / "c")

    def full(begin_ms, end_ms, **more):
        def change(line):
            cpu = 99 if begin_ms <= line["t_mono_ms"] - T0_MONO_MS <= end_ms else 40
            return {key: line[key] for key in ("t_mono_ms", "loop_lag_ms")} | {"cpu_percent": cpu} | more

        load_lines(folder, change)
        return listen(folder).turns[0].metrics["user_kpi_raw_ms"]

    side_by_side = {"launching": 0}
    answered = (500, 3_000)  # the user falls silent at 1,700 ms and is answered from 2,150 ms on
    metric = full(*answered, **side_by_side)
    assert metric.invalid
    assert "no core was free while the agent answered (CPU 99 %)" in metric.reason
    assert not full(*answered).invalid, "alone, nobody else's session took it"
    assert not full(3_000, 9_000, **side_by_side).invalid, "it was answered before"


def test_an_overloaded_turn_of_a_call_that_was_not_is_not_believed(tmp_path):
    folder = simple_call().write(tmp_path / "c")

    def overloaded_at_the_end(line):
        late = line["t_mono_ms"] > T0_MONO_MS + 1_700
        return line | ({"cpu_percent": 100, "loop_lag_ms": 60} if late else {"cpu_percent": 20})

    load_lines(folder, overloaded_at_the_end)
    measurement = listen(folder)
    assert measurement.validity.ok
    metric = measurement.turns[0].metrics["user_kpi_raw_ms"]
    assert metric.invalid
    assert "overloaded in this turn" in metric.reason


def test_lost_capture_samples_make_the_measurement_invalid(tmp_path):
    validity = listen(simple_call(timeline={"lost_samples": 4_800}).write(tmp_path / "c")).validity
    assert validity.reasons == ["capture underrun: 100 ms never arrived from the browser's tap"]


def test_what_a_full_processor_spoilt_says_so(tmp_path):
    call = simple_call(timeline={"lost_samples": 4_800}, loop_lag_ms=1, cpu_percent=100)
    reason = listen(call.write(tmp_path / "c")).validity.reasons[0]
    assert reason == "capture underrun: 100 ms never arrived from the browser's tap: the host was overloaded, CPU 100 %"


def test_a_clock_that_is_hardly_known_makes_the_measurement_invalid(tmp_path):
    assert not listen(simple_call(timeline={"error_ms": 25.0}).write(tmp_path / "c")).validity.ok


def test_an_utterance_outside_its_window_makes_the_measurement_invalid(tmp_path):
    call = simple_call(spoken={"in_window": False, "achieved_delay_ms": 4_000.0})
    assert "outside the case's window" in listen(call.write(tmp_path / "c")).validity.reasons[0]


@pytest.mark.parametrize(("window_ms", "ok"), [((500.0, 2_000.0), True), ((0.0, 500.0), False)])
def test_the_device_microphones_achieved_start_is_held_to_the_window(tmp_path, window_ms, ok):
    call = Call(
        said=[
            Said(500, speech(1_200, 1)),
            Said(3_500, speech(700, 4), after="reply_start", window_ms=window_ms),
        ],
        replies=[Replied(2_200, speech(4_000, 5), cut_ms=1_700), Replied(4_700, speech(900, 6))],
        mic_mode="device",
        hints=False,
    )
    validity = listen(call.write(tmp_path / "c")).validity
    assert validity.ok is ok
    assert ok or "1300 ms after the reply_start" in validity.reasons[0]


# partial captures


@pytest.mark.parametrize(
    "name", ["said.wav", "truth.json", "case.json", "events.jsonl", "agent_trace.jsonl", "pre_rtc.wav", "post_rtc.wav",
             "post_user.wav", "ear.wav", "mic.wav", "arrivals.npy", "host_load.jsonl"],
)  # fmt: skip
def test_a_capture_without_one_file_is_still_measured(tmp_path, name):
    folder = simple_call(450).write(tmp_path / "c")
    (folder / name).unlink()
    measurement = listen(folder)
    for turn in measurement.turns:
        for metric in turn.metrics.values():
            assert metric.value is not None or metric.reason
    if name == "truth.json":  # nothing tells what the user said, so nothing tells what a reply answers
        assert measurement.metrics["talk_over_count"].value is None
        assert measurement.turns[0].utterance is None
        return
    kpi = measurement.turns[0].metrics["user_kpi_raw_ms"]
    if name in ("said.wav", "ear.wav", "mic.wav"):
        assert kpi.value is None
        assert name in kpi.reason
    else:
        assert kpi.value == pytest.approx(450, abs=2)


@pytest.mark.parametrize("name", ["pre_rtc.wav", "post_rtc.wav", "ear.wav", "mic.wav", "said.wav", "post_user.wav"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "not a wav", "header alone", "nan", "no samples"])
def test_a_damaged_recording_is_named_and_not_used(tmp_path, name, damage):
    path = simple_call(450).write(tmp_path / "c") / name
    whole = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(whole[: len(whole) * 2 // 3])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "not a wav":
        path.write_bytes(b"these are words" * 100)
    elif damage == "header alone":
        path.write_bytes(whole[:20])
    elif damage == "nan":
        soundfile.write(path, np.full(4_800, np.nan, np.float32), RATE_HZ, subtype="FLOAT")
    else:
        soundfile.write(path, np.zeros(0, np.float32), RATE_HZ, subtype="PCM_16")
    measurement = listen(path.parent)
    assert name in measurement.model_dump_json()
    for metric in measurement.turns[0].metrics.values():
        assert metric.value is not None or metric.reason


def test_recordings_of_one_sample_or_of_silence_are_measured(tmp_path):
    folder = simple_call(450).write(tmp_path / "c")
    for name in ("ear.wav", "post_rtc.wav", "pre_rtc.wav"):
        soundfile.write(folder / name, np.zeros(1, np.float32), RATE_HZ, subtype="FLOAT")
    assert listen(folder).turns[0].metrics["user_kpi_raw_ms"].value is None


def test_other_rates_and_channels_are_converted(tmp_path):
    folder = simple_call(450).write(tmp_path / "c")
    ear, _ = soundfile.read(folder / "ear.wav", dtype="float32")
    stereo = np.stack([ear[::2], ear[::2]], axis=1)
    soundfile.write(folder / "ear.wav", stereo, RATE_HZ // 2, subtype="PCM_24")
    assert listen(folder).turns[0].metrics["user_kpi_raw_ms"].value == pytest.approx(450, abs=3)


def test_torn_lines_are_left_out_and_the_rest_is_read(tmp_path):
    folder = simple_call(450).write(tmp_path / "c")
    for name in ("events.jsonl", "host_load.jsonl"):
        with (folder / name).open("a") as file:
            file.write('{"t_mono_ms": 12')
    assert listen(folder).turns[0].metrics["user_kpi_raw_ms"].value == pytest.approx(450, abs=2)


def test_a_folder_that_is_no_capture_is_an_error_in_one_line(tmp_path):
    with pytest.raises(UsageError, match="not a capture folder"):
        listen(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 99}', "no json"])
def test_a_manifest_of_another_schema_is_an_error_in_one_line(tmp_path, text):
    (tmp_path / capture.MANIFEST).write_text(text)
    with pytest.raises(UsageError) as error:
        listen(tmp_path)
    assert "\n" not in str(error.value)
    assert capture.MANIFEST in str(error.value)


def test_a_manifest_with_a_field_missing_names_it(tmp_path):
    folder = simple_call().write(tmp_path / "c")
    manifest = json.loads((folder / capture.MANIFEST).read_text())
    del manifest["trace_id"]
    (folder / capture.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="trace_id"):
        listen(folder)


# status


def test_a_good_capture_stays_ok(tmp_path):
    assert listen(simple_call().write(tmp_path / "c")).capture_status == CaptureStatus.OK


def test_silence_at_the_probe_is_post_silent(tmp_path):
    measurement = listen(simple_call(at_probe=lambda x: x * 0, at_ear=lambda x: x * 0).write(tmp_path / "c"))
    assert measurement.capture_status == CaptureStatus.POST_SILENT
    assert measurement.turns[0].metrics["audio_valid"].value == 0


def test_silence_at_the_ear_alone_leaves_no_reply(tmp_path):
    measurement = listen(simple_call(at_ear=lambda x: x * 0).write(tmp_path / "c"))
    assert measurement.metrics["reply_count"].value == 0
    assert "no sound" in measurement.turns[0].metrics["user_kpi_raw_ms"].reason
    assert measurement.turns[0].metrics["eot_to_first_audio_ms"].value == pytest.approx(450, abs=2)


def test_pre_missing_is_said_of_instrumented_agents_alone(tmp_path):
    instrumented = listen(simple_call(pre=False).write(tmp_path / "a"))
    foreign = listen(simple_call(pre=False, trace=False, agent=FOREIGN).write(tmp_path / "b"))
    assert instrumented.capture_status == CaptureStatus.PRE_MISSING
    assert instrumented.turns[0].metrics["max_gap_ms"].value is None
    assert not instrumented.turns[0].metrics["max_gap_ms"].not_applicable
    assert foreign.capture_status == CaptureStatus.OK
    assert foreign.turns[0].metrics["max_gap_ms"].not_applicable


def test_a_silent_pre_is_pre_silent(tmp_path):
    folder = simple_call().write(tmp_path / "c")
    soundfile.write(folder / "pre_rtc.wav", np.zeros(RATE_HZ * 3, np.float32), RATE_HZ, subtype="PCM_16")
    assert listen(folder).capture_status == CaptureStatus.PRE_SILENT


def test_a_reply_that_is_nowhere_while_something_else_sounds_is_a_slice_error(tmp_path):
    folder = simple_call().write(tmp_path / "c")
    post, _ = soundfile.read(folder / "post_rtc.wav", dtype="float32")
    post[:] = 0
    post[: RATE_HZ // 2] = speech(500, 50)
    soundfile.write(folder / "post_rtc.wav", post, RATE_HZ, subtype="PCM_16")
    assert listen(folder).capture_status == CaptureStatus.SLICE_ERROR


def test_a_missing_probe_recording_is_post_missing(tmp_path):
    folder = simple_call().write(tmp_path / "c")
    (folder / "post_rtc.wav").unlink()
    assert listen(folder).capture_status == CaptureStatus.POST_MISSING


def test_what_the_live_half_said_stands(tmp_path):
    call = Call(said=[Said(500, speech(900, 1))], status=CaptureStatus.AGENT_CRASH)
    assert listen(call.write(tmp_path / "c")).capture_status == CaptureStatus.AGENT_CRASH


def test_a_foreign_agent_has_the_numbers_of_the_ear_and_a_line_how_to_get_the_rest(tmp_path):
    metrics = listen(simple_call(450, pre=False, trace=False, agent=FOREIGN).write(tmp_path / "c")).turns[0].metrics
    assert metrics["user_kpi_raw_ms"].value == pytest.approx(450, abs=2)
    assert metrics["eot_to_first_audio_ms"].value == pytest.approx(450, abs=2)
    assert metrics["audio_valid"].value == 1
    for name in ("fast_ttft_ms", "tts_first_to_publish_ms", "identity", "dropout_count", "unexplained_ms"):
        assert metrics[name].not_applicable
        assert "agent_trace.jsonl" in metrics[name].reason


# the record


def test_the_same_folder_gives_the_same_bytes(tmp_path):
    folder = simple_call(450).write(tmp_path / "c")
    write_measurement(folder, listen(folder))
    first = (folder / capture.MEASUREMENT).read_bytes()
    write_measurement(folder, listen(folder))
    assert (folder / capture.MEASUREMENT).read_bytes() == first
    assert Measurement.model_validate_json(first) == listen(folder)


def test_listening_writes_nothing(tmp_path):
    folder = simple_call(450).write(tmp_path / "c")
    before = {path.name: path.stat().st_mtime_ns for path in Path(folder).iterdir()}
    listen(folder)
    assert {path.name: path.stat().st_mtime_ns for path in Path(folder).iterdir()} == before
