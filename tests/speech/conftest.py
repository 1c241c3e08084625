"""One espeak-ng worker for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.speech.espeak_worker import EspeakWorker


@pytest.fixture(scope="session")
def espeak() -> Iterator[EspeakWorker]:
    with EspeakWorker() as worker:
        yield worker
