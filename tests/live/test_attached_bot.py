"""A Pipecat bot with two lines more: three rings, a waterfall that adds up, words and tools; without us, untouched."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from harness.errors import ProvisionError
from harness.judge.verdict import judge_attempt
from harness.listen.measure import listen
from harness.listen.read.reading import read_capture
from harness.model.events import ReplyCause
from harness.model.limits import Limits
from harness.model.plan import AgentSpec, BuiltCase
from harness.model.status import CaptureStatus, Status
from harness.model.transcript import words_of
from harness.provide.cache import install
from harness.provide.tools import find_uv, run_tool
from tests.live.conftest import JOIN_S, STEPPED, OpenBench, asks_for_a_table, is_overloaded, parts_add_up

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_process_left")]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "pipecat_bot"
BOOKS = ROOT / "tests" / "agents" / "tool_bot.py"
INSTALL_TIMEOUT_S = 600.0
INSIDE = ("max_gap", "tts_first_publish", "fast_ttft", "audio_valid")
OFFLINE = ("error sending request", "failed to fetch", "could not connect", "dns error", "network")


@pytest.fixture(scope="module")
def bot_python() -> Path:
    """The Python of an environment that holds what the example needs."""
    requirements, uv = EXAMPLE / "requirements.txt", find_uv()
    assert uv is not None, "make brings uv"

    def build(work: Path) -> None:
        run_tool([uv, "venv", "--quiet", "--clear", str(work)], timeout_s=INSTALL_TIMEOUT_S)
        argv = [uv, "pip", "install", "--quiet", "--python", str(work / "bin" / "python"), "-r", str(requirements)]
        run_tool(argv, timeout_s=INSTALL_TIMEOUT_S)

    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    try:
        return install(f"pipecat-env-{digest}", build) / "bin" / "python"
    except ProvisionError as error:
        if any(sign in str(error).lower() for sign in OFFLINE):
            pytest.skip(f"no package registry: {error}")
        raise


def attached(python: Path, *options: str, script: Path = EXAMPLE / "bot_attached.py") -> str:
    """A bot by command; `options` of env(1). The package is found in the checkout, without what it requires."""
    return " ".join(["env", *options, f"PYTHONPATH={ROOT}:{EXAMPLE}", f"{python} {script}"])


@pytest.mark.parametrize("lane", ["bot", "browser"])
async def test_an_attached_bot_is_measured_inside(
    bench: OpenBench, built: Callable[[str], BuiltCase], bot_python: Path, lane: Literal["bot", "browser"]
) -> None:
    case = built("question_short")
    async with bench(
        agent=AgentSpec("command", attached(bot_python), instrumented=True, join_s=JOIN_S), lane=lane
    ) as b:
        folder, manifest = await b.attempt(case)
    assert manifest.status is CaptureStatus.OK, manifest.detail
    said = {(words.speaker, words.text) for words in words_of(read_capture(folder).transcript)}
    assert said == {("user", "something was said"), ("agent", "This is the local bot.")}
    measurement = listen(folder)
    if is_overloaded(measurement):
        return
    turn = next(turn for turn in measurement.turns if turn.utterance == 0)
    missing = [(step.name, step.reason) for step in turn.waterfall if step.ms is None and STEPPED not in step.reason]
    assert missing == [], "no step is missing but for a clock that stepped, as on a busy host"
    for metric in ("max_gap_ms", "eot_error_ms", "claimed_latency_ms"):
        assert turn.metrics[metric].value is not None, (metric, turn.metrics[metric].reason)
    parts_add_up(turn)
    verdict = judge_attempt(case.case, manifest, measurement, folder.name, limits=Limits(profile="field"))
    found = {gate.gate_id: gate.status for gate in verdict.gates}
    assert Status.NOT_APPLICABLE not in {found[gate] for gate in INSIDE}, found
    assert Status.NO_DATA not in found.values(), found


@pytest.mark.parametrize(("books", "missing", "contradicted"), [("yes", 0, 0), ("fails", 1, 1)])
async def test_what_a_bot_does_is_told_beside_what_it_says(
    bench: OpenBench,
    built: Callable[[str], BuiltCase],
    bot_python: Path,
    books: str,
    missing: int,
    contradicted: int,
) -> None:
    case = asks_for_a_table(built("question_short"))
    command = attached(bot_python, f"BOT_BOOKS={books}", script=BOOKS)
    async with bench(agent=AgentSpec("command", command, instrumented=True, join_s=JOIN_S), lane="bot") as b:
        folder, manifest = await b.attempt(case)
    assert manifest.status is CaptureStatus.OK, manifest.detail
    turn = next(turn for turn in listen(folder).turns if turn.utterance == 0)
    [call] = turn.tools
    assert (call.name, call.succeeded) == ("book_table", books == "yes")
    assert ("no table is free" in call.error) == (books == "fails")
    assert turn.metrics["tools_missing_count"].value == missing, turn.metrics["tools_missing_count"].reason
    assert turn.metrics["say_do_count"].value == contradicted, turn.metrics["say_do_count"].reason


async def test_an_interrupted_bot_tells_what_of_its_reply_was_sent(
    bench: OpenBench, built: Callable[[str], BuiltCase], bot_python: Path
) -> None:
    command = attached(bot_python, "BOT_BOOKS=never", script=BOOKS)
    async with bench(agent=AgentSpec("command", command, instrumented=True, join_s=JOIN_S), lane="bot") as b:
        folder, manifest = await b.attempt(built("barge_in_mid_reply"))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    first = read_capture(folder).traces[0]
    assert first.cause is ReplyCause.INTERRUPTED
    assert first.pre_start_sample is not None
    assert first.pre_end_sample is not None
    assert first.t.cancel is not None
    assert first.t.first_publish is not None
    recorded_ms = (first.pre_end_sample - first.pre_start_sample) / 48
    assert recorded_ms < 6_000, "of nine seconds"
    spoken_ms = first.t.cancel - first.t.first_publish
    assert recorded_ms < spoken_ms + 100, "the second that was dropped from the queue is not in the recording"
    assert recorded_ms > 0, "and what was spoken is; a bot that waits for a processor speaks less in that time"
    measurement = listen(folder)
    lost = next(turn for turn in measurement.turns if turn.utterance == 0).metrics["lost_longest_ms"]
    assert lost.value == 0 or is_overloaded(measurement), lost.reason


async def test_the_same_bot_in_an_ordinary_call_is_untouched(
    bench: OpenBench, built: Callable[[str], BuiltCase], bot_python: Path
) -> None:
    spec = AgentSpec("command", attached(bot_python, "-u", "EARWITNESS_CAPTURES"), join_s=JOIN_S)
    async with bench(agent=spec, lane="bot") as b:
        folder, manifest = await b.attempt(built("question_short"))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert not (folder / "pre_rtc.wav").exists()
    assert not (folder / "agent_trace.jsonl").exists()
    capture = read_capture(folder)
    assert [seen.event.type.value for seen in capture.events if seen.direction == "received"] == []
    assert capture.transcript == ()
