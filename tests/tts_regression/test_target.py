"""Any `/v1/audio/speech` can be asked: what it does wrong is its own fault, by name, and fails the run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from harness.errors import HarnessError, UsageError
from harness.model.status import Status
from harness.tts_regression.regress import Asked, regress
from harness.tts_regression.sentences import Sentence
from harness.tts_regression.spoken import Int16Array
from harness.tts_regression.target import SpeakError, SpeechTarget, StreamTarget

RATE_HZ = 24_000
SENTENCES = (Sentence(id="short_01", text="One."), Sentence(id="long_01", text="Two, and more.", long=True))


def voice(text: str) -> Int16Array:
    """Another sound for each text, always the same."""
    return np.random.default_rng(len(text)).normal(0, 4_000, RATE_HZ).astype(np.int16)


class Endpoint:
    """A speech endpoint that does what the test sets."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self.client = client
        self.asked: list[dict] = []
        self.kind = "audio/pcm"
        self.status = 200
        self.sound: Callable[[str], bytes] = lambda text: voice(text).tobytes()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        return web.Response(status=self.status, body=self.sound(body["input"]), headers={"Content-Type": self.kind})

    def target(self, version: str | None = "1") -> SpeechTarget:
        return SpeechTarget(self.client, self.url, "m", "v", RATE_HZ, version)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with aiohttp.ClientSession() as client:
        made = Endpoint(client)
        app = web.Application()
        app.router.add_post("/v1/audio/speech", made.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/audio/speech"
            yield made
        finally:
            await runner.cleanup()


def asked(folder: Path, run_id: str, *, set_golden: bool = False) -> Asked:
    return Asked("fast", SENTENCES, folder / "golden", folder / "runs", run_id, set_golden=set_golden)


async def test_what_it_says_comes_whole_and_in_order_of_time(endpoint: Endpoint) -> None:
    spoken = await endpoint.target().speak("Hello.")
    assert np.array_equal(spoken.samples, voice("Hello."))
    assert spoken.arrivals[-1].n_samples == len(spoken.samples)
    times = [arrival.at_s for arrival in spoken.arrivals]
    assert times == sorted(times)
    assert times[-1] <= spoken.whole_s
    assert endpoint.asked == [{"model": "m", "voice": "v", "input": "Hello.", "response_format": "pcm"}]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"status": 500}, "answered 500"),
        ({"kind": "application/json"}, "application/json"),
        ({"kind": "audio/pcm;rate=16000"}, "16000 Hz, expected 24000"),
        ({"sound": lambda text: b"RIFF" + bytes(100)}, "WAV"),
        ({"sound": lambda text: bytes(101)}, "inside a sample"),
    ],
)
async def test_what_is_no_sound_is_its_fault_by_name(endpoint: Endpoint, change: dict, says: str) -> None:
    vars(endpoint).update(change)
    with pytest.raises(SpeakError, match=says):
        await endpoint.target().speak("Hello.")


async def test_a_server_that_is_not_there_is_no_verdict(endpoint: Endpoint) -> None:
    with pytest.raises(HarnessError, match="cannot be reached"):
        await SpeechTarget(endpoint.client, "http://127.0.0.1:9/v1/audio/speech", "m", "v", RATE_HZ, None).speak("x")
    with pytest.raises(HarnessError, match="who speaks"):
        await StreamTarget(endpoint.client, "http://127.0.0.1:9").pin()


async def test_a_build_that_stutters_and_cuts_is_told_from_the_one_before(endpoint: Endpoint, tmp_path: Path) -> None:
    before = await regress(endpoint.target(), asked(tmp_path, "before", set_golden=True), print)
    gates = {gate.gate_id: gate for gate in before.gates}
    assert gates["tts_snr"].value == 120
    assert gates["tts_determinism"].status is gates["tts_repeats"].status is Status.PASS
    packet = round(0.16 * RATE_HZ)
    endpoint.sound = lambda text: np.concatenate([voice(text)[: 2 * packet], voice(text)[packet:]]).tobytes()
    after = await regress(endpoint.target(), asked(tmp_path, "after"), print)
    found = {gate.gate_id: gate for gate in after.gates}
    assert after.exit_code == 1
    assert {found[name].status for name in ("tts_snr", "tts_duration", "tts_repeats")} == {Status.FAIL}
    assert found["tts_repeats"].value == 2 * 3, "in each of 3 runs of 2 sentences"
    assert found["tts_duration"].value == pytest.approx(160)
    assert found["tts_determinism"].status is Status.PASS
    report = (tmp_path / "runs" / "after" / "report.md").read_text()
    assert report.startswith("# ❌ FAIL: 2 sentences; tts")
    assert "160 ms at 320 ms" in report
    assert (tmp_path / "runs" / "after" / "audio" / "long_01.wav").exists()
    with pytest.raises(UsageError, match="version '1' → '2'"):
        await regress(endpoint.target(version="2"), asked(tmp_path, "other"), print)


async def test_an_engine_that_is_different_each_time_gets_no_golden_baseline(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    endpoint.sound = lambda text: rng.normal(0, 4_000, RATE_HZ).astype(np.int16).tobytes()
    with pytest.raises(UsageError, match="from run to run"):
        await regress(endpoint.target(), asked(tmp_path, "run", set_golden=True), print)
    assert not (tmp_path / "golden").exists()
