"""Whether a run listens for its agent's spans, and where; decided ahead of loading what listens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

OWN_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
OtlpIn = int | Literal["auto", "off"]


def wanted_port(otlp_in: OtlpIn, agent_kind: str, env: Mapping[str, str]) -> int | None:
    """The port to listen on, 0 for a free one; None where nothing is to listen.

    `auto`: for an agent that the harness starts by command, unless its spans have a place to go already.
    """
    if isinstance(otlp_in, int):
        return otlp_in
    has_its_own = any(env.get(name) for name in OWN_ENDPOINTS)
    return 0 if otlp_in == "auto" and agent_kind == "command" and not has_its_own else None
