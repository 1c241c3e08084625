"""Speech from espeak-ng in a process of its own; the same request always gives the same samples.

A context manager; the process starts at the first request and ends with the context.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from types import TracebackType

import numpy as np
import numpy.typing as npt

from harness.errors import HarnessError, UsageError
from harness.processes.piped_child import end_child


class UnknownVoiceError(UsageError):
    """espeak-ng has no voice of that name."""


class EspeakWorker:
    """`speak` gives int16 samples, shape (n,), at `rate_hz`."""

    rate_hz = 22_050

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> EspeakWorker:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    @staticmethod
    def version() -> str:
        """Of the wheel that brings the library. Raises HarnessError if it is not installed."""
        try:
            return importlib.metadata.version("espeakng-loader")
        except importlib.metadata.PackageNotFoundError as error:
            raise HarnessError("cases are spoken by espeak-ng: pip install 'earwitness[speech]'") from error

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self.version()
            argv = [sys.executable, "-P", "-m", "harness.speech.espeak_process"]
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._process

    def speak(self, text: str, voice: str, rate_wpm: int) -> npt.NDArray[np.int16]:
        """Raises UnknownVoiceError, HarnessError (the process died)."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        request = json.dumps({"text": text, "voice": voice, "rate_wpm": rate_wpm})
        try:
            process.stdin.write(request.encode() + b"\n")
            process.stdin.flush()
            header = json.loads(process.stdout.readline() or b"null")
        except (BrokenPipeError, ValueError) as error:
            raise HarnessError(f"the espeak-ng process ended while speaking {text[:40]!r}") from error
        if header is None:
            raise HarnessError(f"the espeak-ng process ended while speaking {text[:40]!r}")
        if "no_voice" in header:
            raise UnknownVoiceError(
                f"espeak-ng has no voice {voice!r}; en-us, en-gb, cmn, de, fr-fr and others are there"
            )
        if "failed" in header:
            raise HarnessError(f"espeak-ng broke off while speaking {text[:40]!r} ({header['failed']})")
        self.rate_hz = header["rate_hz"]
        raw = process.stdout.read(2 * header["n_samples"])
        if len(raw) < 2 * header["n_samples"]:
            raise HarnessError(f"the espeak-ng process ended while speaking {text[:40]!r}")
        return np.frombuffer(raw, "<i2").astype(np.int16)

    def close(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        end_child(process)
