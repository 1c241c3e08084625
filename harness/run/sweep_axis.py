"""What a sweep varies: one parameter of the network, or of the reference agent's voice encoding. Options → Axis.

Values are numbers in the axis's unit; for a switch, 0 is off and 1 on. Options that LiveKit's Python SDK lacks are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.errors import UsageError

MOST_VALUES = 200
OFF_ON = {"off": 0.0, "on": 1.0}
NO_FEC = (
    "--fec cannot be varied: LiveKit's Python SDK has no option for it (TrackPublishOptions has dtx and red); Opus's in-band "
    "FEC is negotiated in SDP and always on (useinbandfec=1)"
)


@dataclass(frozen=True)
class Parameter:
    """`key`: a field of a profile's direction, or an environment variable of the reference agent. `unit` "": a switch."""

    of: Literal["network", "codec"]
    key: str
    unit: str
    low: float = 0.0
    high: float = float("inf")


PARAMETERS: Mapping[str, Parameter] = {
    "loss": Parameter("network", "loss_percent", "%"),
    "delay": Parameter("network", "delay_ms", "ms"),
    "jitter": Parameter("network", "jitter_ms", "ms"),
    "bandwidth": Parameter("network", "bandwidth_kbps", "kbit/s"),
    "queue": Parameter("network", "queue_ms", "ms"),
    "bitrate": Parameter("codec", "EARWITNESS_OPUS_BITRATE", "kbit/s", 6, 510),  # RFC 6716: 6 to 510 kbit/s
    "dtx": Parameter("codec", "EARWITNESS_OPUS_DTX", "", 0, 1),
    "red": Parameter("codec", "EARWITNESS_OPUS_RED", "", 0, 1),
}


@dataclass(frozen=True)
class Axis:
    """The varied parameter."""

    parameter: str
    values: tuple[float, ...]

    @property
    def what(self) -> Parameter:
        return PARAMETERS[self.parameter]

    @property
    def unit(self) -> str:
        return self.what.unit

    def shown(self, value: float) -> str:
        """ "12" or "on", for folder names and, followed by the unit, for people."""
        return f"{value:g}" if self.unit else next(word for word, number in OFF_ON.items() if number == value)

    def agent_env(self, value: float) -> tuple[tuple[str, str], ...]:
        """Environment of the reference agent; empty where the network is varied."""
        if self.what.of == "network":
            return ()
        return ((self.what.key, self.shown(value) if not self.unit else str(round(1_000 * value))),)


def parse_axis(given: Mapping[str, str | None]) -> Axis:
    """Parse options like --loss 0:10:1 (first:last:step), 0,2,5 or off,on. Raises UsageError."""
    asked = {name: text for name, text in given.items() if text is not None}
    if "fec" in asked:
        raise UsageError(NO_FEC)
    if len(asked) != 1:
        options = ", ".join(f"--{name}" for name in PARAMETERS)
        raise UsageError(f"a sweep varies one thing: give exactly one of {options}")
    ((name, text),) = asked.items()
    what = PARAMETERS[name]
    try:
        values = _numbers(text) if what.unit else tuple(OFF_ON[word.strip()] for word in text.split(","))
    except KeyError as error:
        raise UsageError(f"--{name} {text}: expected off,on (or one of them)") from error
    except ValueError as error:
        raise UsageError(f"--{name} {text}: expected FIRST:LAST:STEP or VALUE,VALUE,… ({error})") from error
    if len(values) > MOST_VALUES:
        raise UsageError(f"--{name} {text}: more than {MOST_VALUES} values")
    outside = [value for value in values if not what.low <= value <= what.high]
    if what.of == "codec" and outside:
        raise UsageError(f"--{name} {text}: {outside[0]:g} is outside of {what.low:g} to {what.high:g} {what.unit}")
    return Axis(name, tuple(dict.fromkeys(values)))


def _numbers(text: str) -> tuple[float, ...]:
    if ":" not in text:
        return tuple(float(part) for part in text.split(","))
    first, last, step = (float(part) for part in text.split(":"))
    if step <= 0 or last < first:
        raise ValueError("the step must be above 0 and the last value not below the first")
    count = int((last - first) / step + 1e-9) + 1
    return tuple(round(first + k * step, 9) for k in range(min(count, MOST_VALUES + 1)))
