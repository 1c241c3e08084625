"""Files of a capture: complete or not at all, also when two write the same one."""

from __future__ import annotations

import threading
from pathlib import Path

from harness.model import capture
from harness.model.capture import write_atomic


def test_what_is_written_is_read_back_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.json", b"one")
    write_atomic(tmp_path / "a.json", b"two")
    assert (tmp_path / "a.json").read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_two_writers_of_one_file_never_mix(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Both hold their file open at the same time, as two runs that build the same case do."""
    both_open = threading.Barrier(2, timeout=10)
    sync = capture.os.fsync

    def meet(descriptor: int) -> None:
        both_open.wait()
        sync(descriptor)

    monkeypatch.setattr(capture.os, "fsync", meet)
    path, errors = tmp_path / "said.wav", []
    contents = [bytes([k]) * 100_000 for k in (1, 2)]

    def write(data: bytes) -> None:
        try:
            write_atomic(path, data)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(data,)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert errors == []
    assert path.read_bytes() in contents
    assert [found.name for found in tmp_path.iterdir()] == ["said.wav"]
