"""`earwitness listen` as a user meets it: what it prints and writes, its exit statuses, one clear line for bad input."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import soundfile

from harness.commands.main import main
from harness.listen.measure import listen, write_measurement
from harness.model import capture
from harness.model.measurement import Measurement
from harness.model.status import CaptureStatus
from tests.listen.captures import RATE_HZ, hole, silence, simple_call, speech


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def ew(monkeypatch, capsys) -> Callable[..., Done]:
    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["earwitness", "listen", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as caught:
            main()
        return Done(caught.value.code, *capsys.readouterr())

    return run


def test_a_capture_is_measured_and_written_to_the_byte_as_a_run_writes_it(ew, tmp_path):
    folder = simple_call(at_ear=lambda x: hole(x, 700, 90)).write(tmp_path / "c")
    write_measurement(folder, listen(folder))
    by_the_run = (folder / capture.MEASUREMENT).read_bytes()
    (folder / capture.MEASUREMENT).unlink()
    done = ew(folder)
    assert done.code == 0, done.err
    assert (folder / capture.MEASUREMENT).read_bytes() == by_the_run
    for shown in ("user_kpi_ms", "450 ms", "dropout", "the measurement is to be believed", "expected_reply_count"):
        assert shown in done.out


def test_json_prints_what_is_written(ew, tmp_path):
    folder = simple_call().write(tmp_path / "c")
    done = ew(folder, "--json")
    assert done.code == 0
    assert done.out == (folder / capture.MEASUREMENT).read_text() + "\n"


def test_a_run_folder_gives_all_its_captures(ew, tmp_path):
    run = tmp_path / "run"
    for name in ("a", "b"):
        simple_call().write(run / "captures" / name)
    for given in (run, run / "captures"):
        done = ew(given, "--json")
        assert done.code == 0
        assert len(json.loads(done.out)) == 2
    assert all((run / "captures" / name / capture.MEASUREMENT).exists() for name in ("a", "b"))


def test_a_capture_that_may_not_be_written_is_written_elsewhere(ew, tmp_path):
    folder = simple_call().write(tmp_path / "c")
    done = ew(folder, "--out", tmp_path / "out")
    assert done.code == 0
    assert not (folder / capture.MEASUREMENT).exists()
    written = tmp_path / "out" / "t-made-a1" / capture.MEASUREMENT
    assert written.read_text() == listen(folder).model_dump_json(indent=2)


def test_where_nothing_can_be_written_the_way_out_is_named(ew, tmp_path):
    folder = simple_call().write(tmp_path / "c")
    (tmp_path / "out").write_text("a file")
    done = ew(folder, "--out", tmp_path / "out")
    assert done.code == 2
    assert "cannot be written" in done.err
    assert "--out DIR" in done.err
    assert "user_kpi_ms" in done.out


def test_one_bad_capture_does_not_keep_the_others_from_being_measured(ew, tmp_path):
    run = tmp_path / "run"
    for name in ("a", "b", "c"):
        simple_call().write(run / "captures" / name)
    (run / "captures" / "a" / capture.MANIFEST).write_text("{")
    done = ew(run, "--json")
    assert done.code == 2
    assert len(json.loads(done.out)) == 2
    assert "manifest.json: not a capture's manifest" in done.err


@pytest.mark.parametrize(
    "call",
    [
        simple_call(status=CaptureStatus.AGENT_ABSENT),
        simple_call(timeline={"lost_samples": 48_000}),
        simple_call(sound=silence(1_600)),
    ],
    ids=["the call broke off", "not to be believed", "nothing to be heard"],
)
def test_what_could_not_be_measured_exits_with_3(ew, tmp_path, call):
    folder = call.write(tmp_path / "c")
    assert ew(folder).code == 3
    assert Measurement.model_validate_json((folder / capture.MEASUREMENT).read_bytes())


def test_a_latency_that_is_not_to_be_believed_exits_with_3_and_is_not_called_believed(ew, tmp_path):
    done = ew(simple_call(450, heard_as=speech(1_500, 99)).write(tmp_path / "c"))
    assert done.code == 3
    assert "NOT TO BE BELIEVED: user_kpi_ms of reply 0:" in done.out
    assert "the measurement is to be believed" not in done.out


def test_it_says_which_recordings_the_figures_come_from(ew, tmp_path):
    folder = simple_call().write(tmp_path / "c")
    done = ew(folder)
    assert "user_kpi_ms: from the user's last sound in mic.wav to the answer's first in ear.wav" in done.out
    assert "sound: ear.wav and post_rtc.wav compared with pre_rtc.wav" in done.out
    alone = ew("--ear", folder / capture.EAR, "--mic", folder / capture.MIC)
    assert "sound: ear.wav compared with nothing that was published" in alone.out


def damaged(folder: Path, how: str) -> Path:
    manifest = folder / capture.MANIFEST
    match how:
        case "missing":
            shutil.rmtree(folder)
        case "a file":
            return folder / capture.EAR
        case "no capture":
            manifest.unlink()
        case "older schema":
            manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema_version": 0}))
        case "newer field":
            manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"smell": 3}))
    return folder


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("missing", "c: no such folder; give a capture or a run"),
        ("a file", "ear.wav: is a file, not a capture folder; a recording of your own is given with --ear"),
        ("no capture", "c: holds no capture (manifest.json)"),
        ("older schema", "manifest.json: capture schema 0, this version reads 1; record the capture again"),
        ("newer field", "manifest.json: smell: Extra inputs are not permitted"),
    ],
)
def test_what_is_no_capture_is_told_in_one_line_and_exits_with_2(ew, tmp_path, how, says):
    done = ew(damaged(simple_call().write(tmp_path / "c"), how))
    assert done.code == 2
    assert says in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("name", [capture.EAR, capture.MIC, capture.SAID, capture.POST_RTC])
@pytest.mark.parametrize("content", [b"", b"no sound at all", b"RIFF"])
def test_a_damaged_recording_in_a_capture_is_a_status_not_an_error(ew, tmp_path, name, content):
    folder = simple_call().write(tmp_path / "c")
    (folder / name).write_bytes(content)
    done = ew(folder)
    assert done.code == 3, done.out
    assert name in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing to listen to; give capture folders"),
        (["--mic", "m.wav"], "--mic needs --ear"),
        (["c", "--ear", "e.wav"], "either capture folders, or --ear"),
        (["--ear", "nowhere.wav"], "nowhere.wav: no such file"),
    ],
)
def test_a_wrong_command_line_exits_with_2(ew, arguments, says):
    done = ew(*arguments)
    assert done.code == 2
    assert says in done.err


def test_recordings_of_ones_own_are_printed_and_written_only_where_asked(ew, tmp_path):
    folder = simple_call().write(tmp_path / "c")
    ear, mic = folder / capture.EAR, folder / capture.MIC
    before = sorted(folder.iterdir())
    done = ew("--ear", ear, "--mic", mic)
    assert done.code == 0
    assert "found by level in mic.wav" in done.out
    assert sorted(folder.iterdir()) == before
    done = ew("--ear", ear, "--mic", mic, "--out", tmp_path / "out", "--json")
    assert done.out == (tmp_path / "out" / "ear" / capture.MEASUREMENT).read_text() + "\n"


@pytest.mark.parametrize("ear_is_silent", [True, False])
def test_recordings_without_any_sound_exit_with_3(ew, tmp_path, ear_is_silent):
    folder = simple_call().write(tmp_path / "c")
    soundfile.write(tmp_path / "silent.wav", silence(6_000), RATE_HZ)
    mic = folder / capture.MIC if ear_is_silent else tmp_path / "silent.wav"
    done = ew("--ear", tmp_path / "silent.wav", "--mic", mic)
    assert done.code == 3
    assert "user_kpi_ms" in done.out or "no turn" in done.out


def test_quality_without_its_extra_is_not_applicable_and_says_how_to_get_it(ew, tmp_path, monkeypatch):
    for package in ("visqol", "speechmos"):
        monkeypatch.setitem(sys.modules, package, None)
    from harness.listen.metrics import quality

    quality._visqol.cache_clear()
    quality._dnsmos.cache_clear()
    folder = simple_call().write(tmp_path / "c")
    done = ew(folder, "--quality")
    assert done.code == 0
    assert "pip install 'earwitness[quality]'" in done.out
    metrics = listen(folder, quality=True).turns[0].metrics
    assert metrics["visqol_mos"].not_applicable
    assert "visqol_mos" not in listen(folder).turns[0].metrics
    quality._visqol.cache_clear()
    quality._dnsmos.cache_clear()


def test_a_stored_measurement_is_listened_against(ew, tmp_path):
    folder = simple_call().write(tmp_path / "c")
    assert ew(folder).code == 0
    code, out, _ = ew(folder, "--against", folder)
    assert code == 0
    assert "spectral_distance_ear_db" in out
    code, _, err = ew(folder, "--against", tmp_path / "nothing.json")
    assert code == 2
    assert "nothing.json" in err
    (tmp_path / "other.json").write_text("{}")
    code, _, err = ew(folder, "--against", tmp_path / "other.json")
    assert code == 2
    assert "is no measurement" in err


def test_a_capture_whose_name_leads_elsewhere_writes_nothing_there(ew, tmp_path):
    folder = simple_call().write(tmp_path / "c")
    told = json.loads((folder / capture.MANIFEST).read_text())
    (folder / capture.MANIFEST).write_text(json.dumps(told | {"trace_id": "../../elsewhere"}))
    done = ew(folder, "--out", tmp_path / "a" / "out")
    assert done.code == 2
    assert "no name of one folder" in done.err
    assert not (tmp_path / "elsewhere").exists()


def test_a_fault_of_ours_in_one_capture_shows_its_trace_and_the_others_are_heard(ew, tmp_path, monkeypatch):
    hard, good = (simple_call().write(tmp_path / name) for name in ("a", "b"))

    def hear(folder, **options):
        if folder == hard:
            raise ValueError("zero-size array")
        return listen(folder, **options)

    monkeypatch.setattr("harness.listen.measure.listen", hear)
    done = ew(hard, good)
    assert done.code == 3
    assert f"a fault of Earwitness while hearing {hard}: ValueError: zero-size array" in done.err
    assert "in hear" in done.err
    assert "user_kpi_ms" in done.out
    assert (good / capture.MEASUREMENT).is_file()


def streamed(path: Path, size: int) -> Path:
    """As a recorder leaves it whose output is a pipe, or that was killed: the size in its data chunk is none."""
    data = path.read_bytes()
    at = data.index(b"data") + 4
    path.write_bytes(data[:at] + size.to_bytes(4, "little") + data[at + 4 :])
    return path


@pytest.mark.parametrize("size", [0x7FFFFFFF, 0x7FFFF000, 0x80000000, 2_000_000_000, 0xFFFFFFFF - 36, 0xFFFFFFFF, 0])
def test_a_recording_whose_header_cannot_be_true_is_measured_like_the_whole_one_with_a_note(ew, tmp_path, size):
    folder = simple_call().write(tmp_path / "c")
    ear, mic = folder / capture.EAR, folder / capture.MIC
    whole = json.loads(ew("--ear", ear, "--mic", mic, "--json").out)
    done = ew("--ear", streamed(ear, size), "--mic", mic, "--json")
    told = json.loads(done.out)
    note = f"ear.wav: its header says {size} bytes of sound, as a writer leaves it that"
    assert note in told.pop("detail")
    whole.pop("detail")
    assert told == whole
    assert note in " ".join(ew("--ear", ear, "--mic", mic).out.split())


def test_a_capture_whose_agent_was_killed_is_heard_whole_and_says_so(ew, tmp_path):
    folder = simple_call().write(tmp_path / "c")
    whole = json.loads(ew(folder, "--json").out)
    streamed(folder / capture.PRE_RTC, 0)
    told = json.loads(ew(folder, "--json").out)
    assert told.pop("detail").startswith("pre_rtc.wav: its header says 0 bytes of sound")
    whole.pop("detail")
    assert told == whole


def test_a_recording_that_was_cut_in_half_stays_an_error(ew, tmp_path):
    folder = simple_call().write(tmp_path / "c")
    ear = folder / capture.EAR
    ear.write_bytes(ear.read_bytes()[: ear.stat().st_size // 2])
    done = ew("--ear", ear)
    assert done.code == 2
    assert "is truncated" in done.err
