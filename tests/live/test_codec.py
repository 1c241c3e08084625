"""What the reference agent is told of its encoder is on the wire: seen by the relay, in a real call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.judge.codec import codec_applied
from harness.listen.measure import listen
from harness.model.plan import BuiltCase, NetworkSpec
from harness.model.status import CaptureStatus
from harness.run.sweep_axis import parse_axis
from tests.live.conftest import REFERENCE, OpenBench

pytestmark = [pytest.mark.live, pytest.mark.net, pytest.mark.usefixtures("no_process_left")]


@pytest.mark.parametrize(("parameter", "text"), [("bitrate", "24"), ("dtx", "on"), ("red", "on")])
async def test_a_value_of_a_sweep_is_on_the_wire(
    bench: OpenBench, built: Callable[[str], BuiltCase], parameter: str, text: str
) -> None:
    axis = parse_axis({parameter: text})
    agent = replace(REFERENCE, env=axis.agent_env(axis.values[0]))
    async with bench(agent=agent, network=NetworkSpec("wifi_good")) as b:
        folder, manifest = await b.attempt(built("question_short"))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    told = codec_applied(parameter, axis.values[0], listen(folder))
    assert told.ok, told.what
    assert (
        axis.agent_env(axis.values[0])[0][0] in manifest.agent.spec
    )  # so that no comparison takes it for the plain one
