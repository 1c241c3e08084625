"""Speech from espeak-ng in a process of its own; the same request always gives the same samples.

A context manager; the process starts at the first request and ends with the context.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import HarnessError, UsageError
from harness.processes.child import NoAnswerError
from harness.processes.piped_child import PipedChild
from harness.processes.spec import BY_STDIN, ChildSpec

ARGV = [sys.executable, "-P", "-m", "harness.speech.espeak_process"]
ANSWER_TIMEOUT_S = 60.0  # the process gives up after half of that


class UnknownVoiceError(UsageError):
    """espeak-ng has no voice of that name."""


class EspeakWorker:
    """`speak` gives int16 samples, shape (n,), at `rate_hz`; `phonemes` what a neural voice needs."""

    rate_hz = 22_050

    def __init__(self) -> None:
        self._process = PipedChild(ChildSpec("the espeak-ng process", ARGV, stdout="answers", ending=BY_STDIN))

    def __enter__(self) -> EspeakWorker:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    @staticmethod
    def version() -> str:
        """The version of the library's wheel. Raises HarnessError if it is not installed."""
        try:
            return importlib.metadata.version("espeakng-loader")
        except importlib.metadata.PackageNotFoundError as error:
            raise HarnessError("cases are spoken by espeak-ng: pip install 'earwitness[speech]'") from error

    def speak(self, text: str, voice: str, rate_wpm: int) -> npt.NDArray[np.int16]:
        """Raises UnknownVoiceError, HarnessError (the process died)."""
        header, samples = self._ask({"text": text, "voice": voice, "rate_wpm": rate_wpm})
        self.rate_hz = header["rate_hz"]
        return np.frombuffer(samples, "<i2").astype(np.int16)

    def phonemes(self, text: str, voice: str) -> list[str]:
        """IPA, one string a sentence (`runtime.voice.espeak_phonemes`). Raises as `speak` does."""
        header, _ = self._ask({"text": text, "voice": voice})
        sentences: list[str] = header["sentences"]
        return sentences

    def _ask(self, request: dict[str, str | int]) -> tuple[dict[str, Any], bytes]:
        """Header and samples of the answer."""
        self.version()
        text, voice = str(request["text"])[:40], request["voice"]
        try:
            header = json.loads(self._process.ask(json.dumps(request).encode() + b"\n", ANSWER_TIMEOUT_S))
            samples = self._process.more_of_answer(2 * header.get("n_samples", 0), ANSWER_TIMEOUT_S)
        except NoAnswerError as error:
            said = f": {error.last_words.splitlines()[-1]}" if error.last_words else ""
            ended = f"the espeak-ng process ended while speaking {text!r}"
            raise HarnessError(f"{ended} ({error.what}){said}") from error
        except ValueError as error:
            self.close()
            raise HarnessError(f"the espeak-ng process said something else than speech for {text!r}") from error
        if "no_voice" in header:
            raise UnknownVoiceError(
                f"espeak-ng has no voice {voice!r}; en-us, en-gb, cmn, de, fr-fr and others are there, and joe, which is neural"
            )
        if "failed" in header:
            raise HarnessError(f"espeak-ng broke off while speaking {text!r} ({header['failed']})")
        return header, samples

    def close(self) -> None:
        self._process.close()
