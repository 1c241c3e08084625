"""A sweep of the codec: what the agent is told, what the wire says of it, and that a value that was not applied is no result."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from harness.errors import UsageError
from harness.judge.codec import codec_applied
from harness.judge.sweep import Point, Sweep, knee, point
from harness.model.measurement import Measurement
from harness.network.profile import load_profile
from harness.run.sweep import make_profiles, profile_at
from harness.run.sweep_axis import parse_axis
from harness.settings import Settings
from reports.render.sweep import headline, render
from runtime.call.agent import publish_options
from runtime.settings import SettingsError, load_settings
from tests.judge.canned import case, measurement, metric, summary, verdict

KEYS = {"LIVEKIT_URL": "ws://x", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s"}
PROVEN = {"netem_actually_applied": metric(1, "bool")}


def wire(kbps: float | None = 60.0, speaking: float | None = 50.0, silent: float | None = 50.0) -> Measurement:
    figures = {"voice_kbps": kbps, "voice_packets_per_s": speaking, "silent_packets_per_s": silent}
    told = {
        name: metric(value, "", reason="" if value else "there is no packet log") for name, value in figures.items()
    }
    return measurement(call=PROVEN | told)


@pytest.mark.parametrize(
    ("given", "values", "env"),
    [
        ({"bitrate": "12:36:12"}, (12, 24, 36), {"EARWITNESS_OPUS_BITRATE": "12000"}),
        ({"dtx": "off,on"}, (0, 1), {"EARWITNESS_OPUS_DTX": "off"}),
        ({"red": "on"}, (1,), {"EARWITNESS_OPUS_RED": "on"}),
    ],
)
def test_a_value_becomes_what_the_reference_agent_publishes_with(
    given: dict[str, str | None], values: tuple[float, ...], env: dict[str, str]
) -> None:
    axis = parse_axis(given)
    assert axis.values == values
    assert dict(axis.agent_env(values[0])) == env
    for value in values:
        settings = load_settings(KEYS | dict(axis.agent_env(value)))
        options = publish_options(settings)
        if axis.parameter == "bitrate":
            assert options.audio_encoding.max_bitrate == 1_000 * value
        else:
            assert getattr(options, axis.parameter) is bool(value)


def test_without_a_sweep_the_reference_agent_publishes_as_it_always_did() -> None:
    options = publish_options(load_settings(KEYS))
    assert (options.audio_encoding.max_bitrate, options.dtx, options.red) == (64_000, False, False)
    assert load_settings(KEYS).opus == "64 kbit/s, DTX off, RED off"


@pytest.mark.parametrize(
    "env", [{"EARWITNESS_OPUS_DTX": "yes"}, {"EARWITNESS_OPUS_BITRATE": "64"}, {"EARWITNESS_OPUS_BITRATE": "x"}]
)
def test_a_wrong_setting_of_the_agent_is_named(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(env))):
        load_settings(KEYS | env)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"fec": "off,on"}, "--fec cannot be varied: LiveKit's Python SDK has no option for it"),
        ({"dtx": "0,1"}, "--dtx 0,1: expected off,on"),
        ({"bitrate": "2,12"}, "--bitrate 2,12: 2 is outside of 6 to 510 kbit/s"),
        ({"bitrate": "12", "loss": "1"}, "give exactly one of"),
    ],
)
def test_what_cannot_be_set_is_refused_with_the_reason(given: dict[str, str | None], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_axis(given)


def test_the_command_refuses_fec_in_one_line(earwitness: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = earwitness("sweep", "--fec", "off,on")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "useinbandfec=1" in done.stderr


def test_an_encoder_that_is_not_ours_cannot_be_swept() -> None:
    with pytest.raises(UsageError, match="--dtx sets the reference agent's encoder; with --agent 'room' it would set"):
        make_profiles(Settings(agent="room"), parse_axis({"dtx": "off,on"}))


def test_the_network_stays_and_its_name_says_what_was_varied() -> None:
    base = load_profile("bad_wifi")
    found = profile_at(base, parse_axis({"dtx": "off,on"}), 1)
    assert found.name == "bad_wifi-dtx-on"
    assert found.model_copy(update={"name": base.name}) == base


@pytest.mark.parametrize(
    ("parameter", "value", "heard", "ok"),
    [
        ("bitrate", 64, wire(60), True),
        ("bitrate", 24, wire(60), False),
        ("bitrate", 64, wire(30), False),
        ("bitrate", 24, wire(18, speaking=38), True),  # a starved agent sends fewer packets, and none is smaller
        ("bitrate", 64, wire(24, speaking=38), False),
        ("bitrate", 64, wire(None), None),
        ("dtx", 1, wire(silent=2.5), True),
        ("dtx", 1, wire(silent=50), False),
        ("dtx", 0, wire(silent=50), True),
        ("dtx", 0, wire(silent=2.5), False),
        ("dtx", 1, wire(silent=None), None),
        ("red", 1, wire(120), True),
        ("red", 1, wire(60), False),
        ("red", 0, wire(60), True),
        ("red", 1, wire(90, speaking=35), True),
        ("red", 0, wire(120), False),
        ("red", 0, measurement(), None),  # no link, so nothing on the wire was seen
    ],
)
def test_the_wire_says_whether_it_was_applied(
    parameter: str, value: float, heard: Measurement, ok: bool | None
) -> None:
    told = codec_applied(parameter, value, heard)
    assert told.ok is ok
    assert told.what


def at(value: float, heard: Measurement, parameter: str = "bitrate") -> Point:
    whole = summary([(case(), verdict(case(), heard))], link="x")
    return point(value, whole, {"c": case()}, f"{parameter}-{value:g}/r", codec=parameter)


def test_a_value_that_was_not_on_the_wire_is_no_result() -> None:
    points = [at(24, wire(60)), at(64, wire(60))]
    assert [(p.measured, p.not_applied) for p in points] == [(0, 1), (1, 0)]
    at_knee, gates = knee(points, "less")
    sweep = Sweep(
        parameter="bitrate", unit="kbit/s", cases=["c"], lane="browser", points=points, worse="less",
        knee=at_knee, knee_gates=gates,
    )  # fmt: skip
    assert headline(sweep) == "no blocking gate fails down to 64 kbit/s of bitrate; not measured at 24 kbit/s"
    text = render(sweep)
    assert "**NOT_APPLIED** in 1 of 1: 60.00 kbit/s on the wire" in text
    assert "| 64 kbit/s | 450 ms, n 1 | – | 0 | 1 of 1 |  | [report](bitrate-64/r/report.md) | 60.00 kbit/s on" in text


def test_a_switch_is_shown_in_words() -> None:
    points = [at(0, wire(), "dtx"), at(1, wire(), "dtx")]
    sweep = Sweep(parameter="dtx", unit="", cases=["c"], lane="bot", points=points, knee=None, knee_gates=[])
    assert headline(sweep) == "no blocking gate fails up to dtx off; not measured at on"
    nothing = sweep.model_copy(update={"points": [at(1, wire(), "dtx")]})
    assert headline(nothing).startswith("nothing was measured: NOT_APPLIED, 50.00 packets/s in silence")
