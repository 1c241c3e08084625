"""A network profile: what each direction does to packets, when it changes, and what that allows the gates. YAML → record.

Delays are ms one way, shares percent, bandwidth kbit/s; uplink is from the user to the room. The ten named profiles are
the files in `profiles/`; a profile of one's own is a file of the same keys. H-147 says what it allows: delay and jitter
of both directions on top of a latency; holes block only where nothing is impaired.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import ProfileError, UsageError
from harness.network.fate import Distribution, Impairment, lowest_offset_ms
from harness.yaml_file import Location, explain, read_yaml

NAMED = Path(__file__).parent / "profiles"
SUFFIXES = (".yaml", ".yml")
Ways = Literal["both", "uplink", "downlink"]
LONGEST_MS = 600_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Bursts(_Strict):
    """Gilbert-Elliott loss: it loses nothing outside of a burst."""

    enter_percent: float = Field(gt=0, le=100)  # of the packets outside: chance to be the first of a burst
    leave_percent: float = Field(gt=0, le=100)  # of the packets inside: chance to be the first after it
    loss_percent: float = Field(default=100, gt=0, le=100)  # of the packets inside


class Direction(_Strict):
    """One way through the network."""

    delay_ms: float = Field(default=0, ge=0, le=10_000)
    jitter_ms: float = Field(default=0, ge=0, le=10_000)
    jitter_distribution: Distribution = "uniform"  # uniform: ± jitter_ms, as netem's; normal, pareto: SD
    jitter_correlation_percent: float = Field(default=0, ge=0, lt=100)
    keep_order: bool = False
    loss_percent: float = Field(default=0, ge=0, le=100)
    bursts: Bursts | None = None
    duplicate_percent: float = Field(default=0, ge=0, le=100)
    reorder_percent: float = Field(default=0, ge=0, le=100)
    bandwidth_kbps: float | None = Field(default=None, gt=0)
    queue_ms: float = Field(default=300, gt=0, le=60_000)  # RFC 8867: a drop-tail queue of 300 ms

    @model_validator(mode="after")
    def _possible(self) -> Direction:
        least_ms = -lowest_offset_ms(self.impairment())
        if self.delay_ms < least_ms:
            raise ValueError(
                f"jitter_ms {self.jitter_ms:g} needs a delay_ms of {least_ms:.4g} at least, not {self.delay_ms:g}: "
                "packets would leave before they come"
            )
        if self.reorder_percent > 0 and self.delay_ms == 0:
            raise ValueError("reorder_percent lets packets skip the delay, and there is none: give delay_ms")
        return self

    def impairment(self) -> Impairment:
        bursts = self.bursts
        return Impairment(
            delay_ms=self.delay_ms,
            jitter_ms=self.jitter_ms,
            distribution=self.jitter_distribution,
            correlation=self.jitter_correlation_percent / 100,
            keep_order=self.keep_order,
            loss=self.loss_percent / 100,
            burst_enter=bursts.enter_percent / 100 if bursts is not None else 0.0,
            burst_leave=bursts.leave_percent / 100 if bursts is not None else 1.0,
            burst_loss=bursts.loss_percent / 100 if bursts is not None else 1.0,
            duplicate=self.duplicate_percent / 100,
            reorder=self.reorder_percent / 100,
            bandwidth_kbps=self.bandwidth_kbps,
            queue_ms=self.queue_ms,
        )


class Mark(_Strict):
    """A moment of the call: `delay_ms` after its start, or after the start or end of a reply as the user hears it."""

    after: Literal["call_start", "reply_start", "reply_end"] = "call_start"
    reply: int = Field(default=0, ge=0)  # 0 is the first that is heard after the user began
    delay_ms: float = Field(default=0, ge=0, le=LONGEST_MS)


class Outage(Mark):
    """Nothing passes for `for_ms`."""

    for_ms: float = Field(gt=0, le=LONGEST_MS)
    ways: Ways = "both"


class Change(Mark):
    """The given directions apply from then on; a direction that is not given stays."""

    uplink: Direction | None = None
    downlink: Direction | None = None
    both: Direction | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Change:
        if self.both is None and self.uplink is None and self.downlink is None:
            raise ValueError("changes nothing: give both, uplink or downlink")
        return self

    def direction(self, name: Literal["uplink", "downlink"]) -> Direction | None:
        own: Direction | None = getattr(self, name)
        return own if own is not None else self.both


class Profile(_Strict):
    """A network. `both` applies to a direction that is not given."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$")
    about: str = ""
    both: Direction = Direction()
    uplink: Direction | None = None
    downlink: Direction | None = None
    udp_blocked: bool = False  # media has to go by TCP
    outages: list[Outage] = Field(default_factory=list)
    changes: list[Change] = Field(default_factory=list)

    @model_validator(mode="after")
    def _tcp_loses_nothing(self) -> Profile:
        if not self.udp_blocked:
            return self
        ways = [self.up, self.down]
        ways += [way for change in self.changes for way in (change.uplink, change.downlink, change.both) if way]
        if any(way.loss_percent or way.bursts or way.duplicate_percent or way.reorder_percent for way in ways):
            raise ValueError(
                "udp_blocked: TCP sends again what is lost and keeps the order, so loss, bursts, duplicate and reorder "
                "cannot be applied to it; give delay, jitter, bandwidth or outages"
            )
        return self

    @property
    def up(self) -> Direction:
        return self.uplink if self.uplink is not None else self.both

    @property
    def down(self) -> Direction:
        return self.downlink if self.downlink is not None else self.both

    @property
    def allowance_ms(self) -> float:
        """How much longer a round trip may take than on a clean network (H-147)."""
        return sum(way.delay_ms + way.jitter_ms for way in (self.up, self.down))

    @property
    def impairs(self) -> bool:
        """Whether it does anything to packets at all; `wifi_good` does not."""
        clean = Direction()
        return self.up != clean or self.down != clean or bool(self.outages or self.changes)

    def describe(self) -> str:
        """One line for a report."""
        up, down = _describe(self.up), _describe(self.down)
        parts = [f"{up} each way" if up == down else f"uplink {up}, downlink {down}"]
        parts += ["UDP blocked"] if self.udp_blocked else []
        parts += [f"{len(self.outages)} outage{'s' if len(self.outages) > 1 else ''}"] if self.outages else []
        parts += [f"{len(self.changes)} change{'s' if len(self.changes) > 1 else ''}"] if self.changes else []
        return "; ".join(parts)


def _describe(way: Direction) -> str:
    parts = [f"{way.delay_ms:g} ms delay", f"{way.jitter_ms:g} ms jitter", f"{way.loss_percent:g} % loss"]
    if way.bursts is not None:
        parts.append(f"bursts of {100 / way.bursts.leave_percent:.3g} packets")
    if way.duplicate_percent:
        parts.append(f"{way.duplicate_percent:g} % twice")
    if way.reorder_percent:
        parts.append(f"{way.reorder_percent:g} % out of order")
    if way.bandwidth_kbps is not None:
        parts.append(f"{way.bandwidth_kbps:g} kbit/s with a queue of {way.queue_ms:g} ms")
    return ", ".join(parts)


def names() -> list[str]:
    """The named profiles."""
    return sorted(path.stem for path in NAMED.glob("*.yaml"))


def load_profile(network: str) -> Profile:
    """A profile by its name, or by its file. Raises UsageError, ProfileError with file and line."""
    named = NAMED / f"{network}.yaml"
    if "/" not in network and named.is_file():
        return read_profile(named)
    path = Path(network)
    if path.suffix not in SUFFIXES:
        raise UsageError(f"--network {network}: no profile of this name; known: {', '.join(names())}, or a YAML file")
    return read_profile(path)


def read_profile(path: Path) -> Profile:
    """Raises ProfileError with file, line and what is wrong."""
    data, lines = read_yaml(path, ProfileError, "name, both, uplink, downlink")
    try:
        return Profile.model_validate({"name": path.stem, **data})
    except ValidationError as error:
        where, message = explain(error, _known_at)
        raise ProfileError(path, lines.of(where), message) from error


#: Keys whose value is a mapping of one known kind.
MODELS: dict[Any, type[BaseModel]] = {
    "both": Direction,
    "uplink": Direction,
    "downlink": Direction,
    "bursts": Bursts,
    "outages": Outage,
    "changes": Change,
}


def _known_at(location: Location) -> list[str]:
    model = next((MODELS[part] for part in reversed(location) if part in MODELS), Profile)
    return list(model.model_fields)
