"""One espeak-ng worker and one neural voice for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.speech.espeak_worker import EspeakWorker
from harness.speech.voices import Voices


@pytest.fixture(scope="session")
def espeak() -> Iterator[EspeakWorker]:
    with EspeakWorker() as worker:
        yield worker


@pytest.fixture(scope="session")
def voices() -> Iterator[Voices]:
    with Voices() as voices:
        yield voices
