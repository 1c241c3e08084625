"""The page's turns and their figures, and its onset detection on sound that is known to the sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.async_api import Page

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]
RATE_HZ = 48_000
QUANTUM_S = 128 / RATE_HZ


async def take(page: Page, *edges: tuple[str, str, float]) -> dict[str, Any]:
    """`edges` in the order in which they become certain: who, start or end, when in s."""
    return await page.evaluate(
        """async (edges) => {
            const { Turns, summarize } = await import("/latency.js");
            const turns = new Turns();
            for (const [who, edge, timeS] of edges) turns.take({ who, edge, timeS });
            return { turns: turns.all(), ...summarize(turns.all()) };
        }""",
        [list(edge) for edge in edges],
    )


def spoken(start_s: float, end_s: float) -> list[tuple[str, str, float]]:
    return [("user", "start", start_s), ("user", "end", end_s)]


async def test_a_turn_runs_from_the_users_end_to_the_agents_onset(page: Page) -> None:
    said = await take(page, *spoken(1.0, 2.0), ("agent", "start", 2.6), ("agent", "end", 4.0))
    assert said["lastMs"] == pytest.approx(600)
    assert said["talkOvers"] == 0


async def test_an_answer_that_begins_before_the_end_is_certain_counts_all_the_same(page: Page) -> None:
    said = await take(page, ("user", "start", 1.0), ("agent", "start", 2.25), ("user", "end", 2.0))
    assert said["lastMs"] == pytest.approx(250)


async def test_the_greeting_is_no_answer(page: Page) -> None:
    said = await take(page, ("agent", "start", 0.2), ("agent", "end", 0.9), *spoken(2.0, 3.0), ("agent", "start", 3.5))
    assert [turn["rawMs"] for turn in said["turns"]] == [pytest.approx(500)]


async def test_an_onset_while_the_user_speaks_is_talk_over_and_no_latency(page: Page) -> None:
    said = await take(page, ("user", "start", 1.0), ("agent", "start", 1.5), ("user", "end", 2.0))
    (turn,) = said["turns"]
    assert turn["isTalkOver"]
    assert turn["rawMs"] == pytest.approx(-500)
    assert turn["kpiMs"] == 0
    assert (said["count"], said["lastMs"], said["talkOvers"]) == (0, None, 1)


async def test_after_a_talk_over_the_answer_is_still_measured(page: Page) -> None:
    said = await take(
        page, ("user", "start", 1.0), ("agent", "start", 1.5), ("agent", "end", 1.7), ("user", "end", 2.0),
        ("agent", "start", 2.4),
    )  # fmt: skip
    assert (said["lastMs"], said["talkOvers"]) == (pytest.approx(400), 1)


async def test_only_the_first_onset_of_a_reply_counts(page: Page) -> None:
    said = await take(page, *spoken(1.0, 2.0), ("agent", "start", 2.5), ("agent", "end", 3.0), ("agent", "start", 4.0))
    assert [turn["rawMs"] for turn in said["turns"]] == [pytest.approx(500)]


async def test_a_turn_without_an_answer_has_no_number(page: Page) -> None:
    said = await take(page, *spoken(1.0, 2.0), *spoken(5.0, 6.0), ("agent", "start", 6.3))
    assert [turn["rawMs"] for turn in said["turns"]] == [None, pytest.approx(300)]
    assert said["count"] == 1


async def test_percentiles_are_those_of_numpy_and_a_small_sample_says_max(page: Page) -> None:
    rng = np.random.default_rng(5)
    latencies_ms = rng.uniform(200, 1500, 25)
    edges = [
        edge
        for turn, ms in enumerate(latencies_ms)
        for edge in (*spoken(10 * turn, 10 * turn + 1), ("agent", "start", 10 * turn + 1 + ms / 1e3))
    ]
    many = await take(page, *edges)
    assert (many["count"], many["tail"]) == (25, "p95")
    assert many["p50Ms"] == pytest.approx(np.quantile(latencies_ms, 0.5))
    assert many["p95Ms"] == pytest.approx(np.quantile(latencies_ms, 0.95))
    few = await take(page, *edges[: 3 * 19])
    assert (few["count"], few["tail"]) == (19, "max")
    assert few["p95Ms"] == pytest.approx(max(latencies_ms[:19]))


async def hear(page: Page, user: np.ndarray, agent: np.ndarray) -> list[dict[str, Any]]:
    """The edges that the worklet reports of these samples, rendered offline, sample by sample."""
    return await page.evaluate(
        """async ([user, agent, rate]) => {
            const { THRESHOLDS } = await import("/ears.js");
            const context = new OfflineAudioContext(1, user.length, rate);
            await context.audioWorklet.addModule("/ears_worklet.js");
            const options = { numberOfInputs: 2, outputChannelCount: [1], channelCount: 1, channelCountMode: "explicit" };
            const node = new AudioWorkletNode(context, "earwitness-page-ears", { ...options, processorOptions: THRESHOLDS });
            for (const [input, samples] of [user, agent].entries()) {
              const buffer = new AudioBuffer({ length: samples.length, sampleRate: rate });
              buffer.copyToChannel(Float32Array.from(samples), 0);
              const source = new AudioBufferSourceNode(context, { buffer });
              source.connect(node, 0, input);
              source.start();
            }
            const edges = [];
            let levels = 0;
            const all = new Promise((resolve) => {
              node.port.onmessage = ({ data }) => {
                if (!data.levels) edges.push(data);
                else if (++levels === Math.floor(user.length / rate / 0.0507)) resolve();
              };
            });
            node.connect(context.destination);
            await context.startRendering();
            await all;
            return edges;
        }""",
        [user.astype(float).round(5).tolist(), agent.astype(float).round(5).tolist(), RATE_HZ],
    )


def at(edges: list[dict[str, Any]], who: str, edge: str) -> list[float]:
    return [found["timeS"] for found in edges if (found["who"], found["edge"]) == (who, edge)]


def sound(length_s: float, *parts_s: tuple[float, float], hz: float = 200.0, amplitude: float = 0.3) -> np.ndarray:
    t = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
    gate = sum(((start <= t) & (t < end)).astype(float) for start, end in parts_s) if parts_s else 0 * t
    return amplitude * np.sin(2 * np.pi * hz * t) * gate


async def test_onset_and_end_are_exact_to_one_quantum_and_dated_back(page: Page) -> None:
    edges = await hear(page, sound(2.0, (0.3, 0.9)), sound(2.0, (1.2, 1.5)))
    assert at(edges, "user", "start") == [pytest.approx(0.3, abs=QUANTUM_S)]
    assert at(edges, "user", "end") == [pytest.approx(0.9, abs=2 * QUANTUM_S)]
    assert at(edges, "agent", "start") == [pytest.approx(1.2, abs=QUANTUM_S)]
    assert at(edges, "agent", "end") == [pytest.approx(1.5, abs=2 * QUANTUM_S)]


async def test_a_click_is_no_onset(page: Page) -> None:
    edges = await hear(page, sound(1.5, (0.5, 0.505)), sound(1.5, (0.5, 0.51)))
    assert edges == []


async def test_a_low_voice_is_one_utterance_and_a_short_pause_does_not_end_it(page: Page) -> None:
    edges = await hear(page, sound(2.5, (0.5, 1.0), (1.3, 1.6), hz=70.0, amplitude=0.1), sound(2.5))
    assert at(edges, "user", "start") == [pytest.approx(0.5, abs=0.005)]
    assert at(edges, "user", "end") == [pytest.approx(1.6, abs=0.005)]


async def test_room_noise_is_not_speech(page: Page) -> None:
    noise = np.random.default_rng(1).normal(0, 0.004, 2 * RATE_HZ)
    assert await hear(page, noise, np.zeros_like(noise)) == []
