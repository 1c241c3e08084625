"""`earwitness tts` on the embedded engine, as a user calls it. What depends on the machine's speed is not asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.commands.main import main

Command = Callable[..., subprocess.CompletedProcess[str]]
OF_THE_SOUND = (
    "tts_spoken",
    "tts_snr",
    "tts_determinism",
    "tts_duration",
    "tts_repeats",
    "tts_clipping",
    "tts_snr_expected",
)


@pytest.mark.usefixtures("no_process_left")
def test_the_embedded_engine_against_its_own_golden_baseline(earwitness: Command, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("- {id: a, fast: true, text: 'One moment, please.'}\n- {id: b, text: 'It is half past nine.'}\n")
    options = ("--sentences", str(mine), "--golden", str(tmp_path / "golden"), "--runs", str(tmp_path / "runs"))
    made = earwitness("tts", "--set-golden", *options)
    assert made.returncode in (0, 1), made.stderr
    assert sorted(path.name for path in (tmp_path / "golden").iterdir()) == ["a.wav", "b.wav", "golden.json"]
    again = earwitness("tts", "--fast", *options)
    assert again.returncode in (0, 1), again.stderr
    (record,) = [
        run for run in (json.loads(path.read_text()) for path in (tmp_path / "runs").glob("*/tts.json"))
        if run["form"] == "fast"
    ]  # fmt: skip
    assert {
        gate["gate_id"]: gate["status"] for gate in record["gates"] if gate["gate_id"] in OF_THE_SOUND
    } == dict.fromkeys(OF_THE_SOUND, "PASS")
    assert [len(sentence["runs"]) for sentence in record["sentences"]] == [3]
    other = earwitness("tts", "--fast", "--voice", "en-gb", *options)
    assert other.returncode == 2
    assert "voice 'en-us' → 'en-gb'" in other.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--fast", "--set-golden"), "--fast"),
        (("--replace",), "--set-golden"),
        (("--url", "http://127.0.0.1:9/speak"), "/tts/stream or /v1/audio/speech"),
        (("--url", "http://me:hunter2@127.0.0.1/tts/stream"), "without a password"),
        (("--sentences", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_a_wrong_option_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], says: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["earwitness", "tts", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    errors = capsys.readouterr().err
    assert ended.value.code == 2
    assert says in errors
    assert "hunter2" not in errors
