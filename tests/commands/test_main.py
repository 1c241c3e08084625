"""The command as a user meets it: exit statuses, one clear line for what is wrong, partial reports, two runs at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness.model.status import CaptureStatus
from harness.model.verdict import Summary
from tests.model import wavs

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
ENDS_TIMEOUT_S = 400.0  # a run on a busy host, with all that it starts
GONE_TIMEOUT_S = 60.0

GOOD = """\
id: mine
title: mine
tier: P0
speech:
  utterances:
    - parts: [{say: "Hello!"}]
"""


def summary_of(runs: Path) -> tuple[Path, Summary]:
    (folder,) = (path for path in runs.iterdir() if path.is_dir())  # beside it lies the history
    return folder, Summary.model_validate_json((folder / "summary.json").read_bytes())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "no_such_case"), "unknown case no_such_case"),
        (("run", "--user", "telephone"), "lane"),
        (("run", "--agent", "docker"), "--agent"),
        (("run", "--page", "http://localhost/"), "{token}"),
        (("run", "--cases", "nowhere"), "nowhere: no such file"),
        (("run", "--livekit-url", "ws://localhost:1"), "LIVEKIT_API_SECRET"),
        (("run", "--attempts", "many"), "attempts"),
        (("launch",), "launch"),
    ],
)
def test_a_wrong_command_line_is_explained_and_exits_with_2(
    earwitness: Run, arguments: tuple[str, ...], says: str
) -> None:
    done = earwitness(*arguments)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD.replace("tier: P0", "teir: P0"), "mine.yaml:3: unknown key 'teir'; did you mean 'tier'?"),
        (GOOD.replace("P0", "P7"), "mine.yaml:3: tier"),
        (GOOD + "gates_override: {max_gap: 500}\n", "gates_override.max_gap: 500 loosens"),
        (GOOD + "gates_override: {maxgap: 50}\n", "no gate of this name"),
        (GOOD.replace('[{say: "Hello!"}]', "[]"), "mine.yaml:6"),
        ("", "mine.yaml:1: is empty"),
        ("id: [", "mine.yaml:"),
        ("id: x\ntitle: x\ntier: P0\nspeech: {wav: nothing.wav}\n", "nothing.wav: no such file"),
        ("id: x\ntitle: x\ntier: P0\nspeech: {wav: empty.wav}\n", "empty.wav: is empty"),
        ("id: x\ntitle: x\ntier: P0\nspeech: {wav: text.wav}\n", "text.wav: not a readable WAV"),
        ("id: x\ntitle: x\ntier: P0\nspeech: {wav: cut.wav}\n", "cut.wav: is truncated"),
    ],
)
def test_a_wrong_case_file_is_told_with_file_and_line(earwitness: Run, tmp_path: Path, text: str, says: str) -> None:
    folder = tmp_path / "cases"
    folder.mkdir()
    (folder / "mine.yaml").write_text(text)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("this is no sound " * 40)
    whole = _wav_bytes()
    (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
    done = earwitness("run", "--cases", str(folder))
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def _wav_bytes() -> bytes:
    import io

    import numpy as np
    import soundfile

    buffer = io.BytesIO()
    tone = 0.1 * np.sin(np.arange(48_000) / 20)
    soundfile.write(buffer, tone, 48_000, format="WAV")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--gate=max_gab=200", "earwitness: --gate max_gab=200: no gate has the name 'max_gab'; did you mean max_gap?"),
        ("--limits=fields", "earwitness: setting limits = 'fields': Input should be 'shipped' or 'field'"),
        ("--attributes=gold", "earwitness: --attributes: not JSON"),
        ("--tag=billing", "earwitness: no case of the suite 'all' has the tag billing"),
    ],
)
def test_a_wrong_option_ends_with_2_and_one_line(earwitness: Run, option: str, said: str) -> None:
    done = earwitness("run", option)
    assert done.returncode == 2
    assert done.stderr.startswith(said), done.stderr
    assert done.stderr.count("\n") == 1


def test_every_verb_has_a_page_of_help(earwitness: Run) -> None:
    for verb in ("setup", "doctor", "run", "cases", "listen", "serve", "history", "baseline"):
        done = earwitness(verb, "--help")
        assert done.returncode == 0
        assert "Exit status" in done.stdout


def test_what_was_assumed_to_read_a_wav_is_listed_and_exported(earwitness: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("id: mine\ntitle: mine\ntier: P0\nspeech: {wav: mine.wav}\n")
    (tmp_path / "mine.wav").write_bytes(wavs.wav(size=2_000_000_000))
    done = earwitness("cases", "--cases", str(tmp_path), "--export", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    said = "mine.wav: its header says 2000000000 bytes of sound, as a writer leaves it that cannot know it"
    note = f"{said}: read to the end (0.7 s)"
    assert f"mine: {note}" in done.stdout
    assert note in (tmp_path / "out" / "mine.truth.json").read_text()


def test_cases_are_listed_and_exported(earwitness: Run, tmp_path: Path) -> None:
    done = earwitness("cases", "endpoint_short_hello", "--export", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "endpoint_short_hello" in done.stdout
    assert {p.suffix for p in (tmp_path / "out").iterdir()} == {".wav", ".json", ".png"}


@pytest.mark.live
def test_a_missing_chromium_is_an_error_of_the_harness(earwitness: Run, tmp_path: Path) -> None:
    done = earwitness("run", "endpoint_short_hello", env={"EARWITNESS_CHROMIUM": str(tmp_path / "chromium")})
    assert done.returncode == 3
    assert "EARWITNESS_CHROMIUM" in done.stdout + done.stderr
    folder, summary = summary_of(tmp_path / "runs")
    assert not summary.complete
    assert "PARTIAL" in (folder / "report.md").read_text()


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness.commands.main", "run", *arguments, "--runs", str(tmp_path / "runs")]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_file(process: subprocess.Popen[str], runs: Path, pattern: str, timeout_s: float = ENDS_TIMEOUT_S) -> Path:
    """Until a file of the run is there; another process has no event for us, so this looks again and again."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        for path in runs.glob(pattern):
            return path
        time.sleep(0.05)
    raise AssertionError(f"no {pattern}; the run said: {process.communicate()[0]}")


@pytest.mark.live
def test_an_interrupted_run_reports_what_there_is_and_leaves_nothing_behind(tmp_path: Path) -> None:
    process = start(tmp_path, "--user", "bot", "long_reply_story", "endpoint_short_hello")
    wait_for_file(process, tmp_path / "runs", "*/captures/*/said.wav")
    children = psutil.Process(process.pid).children(recursive=True)
    time.sleep(2.0)  # somewhere into the call; where exactly does not matter
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=ENDS_TIMEOUT_S)
    assert process.returncode == 130, output
    folder, summary = summary_of(tmp_path / "runs")
    assert not summary.complete
    assert summary.cases[0].attempts[0].capture_status is CaptureStatus.INTERRUPTED
    assert "PARTIAL" in (folder / "report.md").read_text().splitlines()[0]
    _, alive = psutil.wait_procs(children, timeout=GONE_TIMEOUT_S)
    assert not alive


@pytest.mark.live
def test_a_killed_run_leaves_no_process_and_no_half_file(tmp_path: Path) -> None:
    process = start(tmp_path, "--user", "bot", "long_reply_story")
    wait_for_file(process, tmp_path / "runs", "*/captures/*/said.wav")
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.kill()
    process.communicate(timeout=GONE_TIMEOUT_S)
    _, alive = psutil.wait_procs(children, timeout=GONE_TIMEOUT_S)
    assert not alive, [child.name() for child in alive]
    assert not list((tmp_path / "runs").glob("*/captures/*/*.tmp"))


@pytest.mark.live
def test_two_runs_at_once_in_one_checkout_do_not_meet(tmp_path: Path, patient_cases: Callable[..., Path]) -> None:
    cases = str(patient_cases("endpoint_short_hello"))
    both = [start(tmp_path, "--user", "bot", "--cases", cases, "endpoint_short_hello") for _ in range(2)]
    outputs = [process.communicate(timeout=ENDS_TIMEOUT_S)[0] for process in both]
    runs = sorted(path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    assert len(runs) == 2, outputs
    for folder in runs:
        summary = Summary.model_validate_json((folder / "summary.json").read_bytes())
        assert summary.complete, outputs
        assert summary.cases[0].attempts[0].capture_status is CaptureStatus.OK
        assert (folder / "report.md").is_file()


@pytest.mark.live
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare(1) for a small disk of its own")
def test_a_full_disk_names_itself_and_keeps_what_was_written(
    tmp_path: Path, patient_cases: Callable[..., Path]
) -> None:
    cases = patient_cases("long_reply_story")
    runs = tmp_path / "runs"
    runs.mkdir()
    kept = tmp_path / "kept"
    command = f"{sys.executable} -m harness.commands.main run --user bot --cases {cases} --runs {runs}"
    script = f"mount -t tmpfs -o size=2500k tmpfs {runs} && {{ {command}; code=$?; cp -r {runs} {kept}; exit $code; }}"
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    done = subprocess.run(
        [*namespace, "sh", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=ENDS_TIMEOUT_S
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")
    assert done.returncode == 3, done.stdout + done.stderr
    (folder,) = (path for path in kept.iterdir() if path.is_dir())
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["cases"][0]["attempts"][0]["capture_status"] == "CAPTURE_WRITE_ERROR"
    (capture,) = (folder / "captures").iterdir()
    assert "No space left" in (capture / "manifest.json").read_text()
    assert (capture / "said.wav").is_file()
