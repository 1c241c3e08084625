"""When packets stopped, from readings once a second. Times are ms."""

from __future__ import annotations

from typing import Any

from harness.live.packet_flow import stopped_ms


def readings(*packets: int) -> list[dict[str, Any]]:
    inbound = {"type": "inbound-rtp", "kind": "audio"}
    return [
        {"t_mono_ms": 1_000.0 * n, "reports": [{**inbound, "packetsReceived": count}, {"type": "codec"}]}
        for n, count in enumerate(packets)
    ]


def test_packets_that_stop_did_so_between_two_readings() -> None:
    assert stopped_ms(readings(0, 20, 70, 120, 150, 150, 150)) == (3_000.0, 4_000.0)


def test_packets_that_still_come_have_not_stopped() -> None:
    assert stopped_ms(readings(0, 20, 70, 120)) is None
    assert stopped_ms(readings()) is None
    assert stopped_ms(readings(0, 0, 0)) is None


def test_an_agent_that_sends_only_while_it_speaks_shows_nothing_by_stopping() -> None:
    assert stopped_ms(readings(0, 50, 50, 50, 100, 130, 130)) is None


def test_packets_go_on_over_a_connection_that_takes_the_place_of_another() -> None:
    def of(pc: int, *packets: int) -> list[dict[str, Any]]:
        return [{"type": "inbound-rtp", "kind": "audio", "id": "in", "pc": pc, "packetsReceived": n} for n in packets]

    reports = [*of(0, 50), *of(0, 100), *of(0, 150), *of(1, 30)]
    lines = [{"t_mono_ms": 1_000.0 * n, "reports": [report]} for n, report in enumerate(reports)]
    assert stopped_ms(lines) is None
    stopped = [*lines, *({"t_mono_ms": 4_000.0 + n, "reports": of(1, 30)} for n in range(2))]
    assert stopped_ms(stopped) == (2_000.0, 3_000.0)
