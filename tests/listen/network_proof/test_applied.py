"""Proof of application: three figures agree where the profile was applied, and one at least does not where it was not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy.stats import binom

from harness.listen.network_proof.applied import SLOW_END, Figure, Reading, lateness_p99_ms, uplink_jitter_ms
from harness.network.fate import FateModel, Impairment
from harness.network.loss import loss_interval
from harness.network.profile import Direction, Profile, load_profile, names
from harness.network.record import Done
from tests.network.calls import T0_MS, Call, reading

APPLIED_TO_UDP = [name for name in names() if name != "udp_blocked"]


def figures(call: Call) -> dict[str, Figure]:
    log, echo, webrtc = call.proof().figures
    return {"log": log, "echo": echo, "webrtc": webrtc}


@pytest.mark.parametrize("name", APPLIED_TO_UDP)
def test_a_named_profile_that_was_applied_is_proven(name: str) -> None:
    proof = Call(load_profile(name), seconds=40).proof()
    assert proof.applied, proof.in_words()


def test_a_network_that_was_never_impaired_is_not_applied() -> None:
    """What happened to the system before this one: 4/4 PASS on 4g_ok, on a clean network."""
    call = Call(load_profile("4g_ok"), really=Impairment())
    assert not call.proof().applied
    assert figures(call)["log"].agrees is False
    assert "uplink 0.0 ms of 30.0" in call.proof().in_words()


@pytest.mark.parametrize(
    "really",
    [
        Impairment(delay_ms=62, jitter_ms=40, loss=0.02),
        Impairment(delay_ms=50, jitter_ms=40, loss=0.0),
        Impairment(delay_ms=50, jitter_ms=40, loss=0.08),
    ],
)
def test_other_delay_or_loss_than_asked_for_does_not_agree(really: Impairment) -> None:
    call = Call(load_profile("bad_wifi"), seconds=40, really=really)
    assert figures(call)["log"].agrees is False


def test_a_log_that_claims_a_delay_that_the_echo_did_not_see_is_not_believed() -> None:
    call = Call(load_profile("bad_wifi"))
    call.echo = [echo.model_copy(update={"back_ms": echo.sent_ms + 1}) if echo.back_ms else echo for echo in call.echo]
    assert figures(call)["log"].agrees is True
    assert figures(call)["echo"].agrees is False


def test_a_packet_that_came_though_the_log_dropped_it_contradicts_the_log() -> None:
    call = Call(load_profile("bad_wifi"), seconds=40)
    lost = next(k for k, echo in enumerate(call.echo) if echo.served_ms is None)
    call.echo[lost] = call.echo[lost].model_copy(update={"served_ms": call.echo[lost].sent_ms + 50})
    assert figures(call)["echo"].agrees is False
    assert "contradict" in figures(call)["echo"].text


@pytest.mark.parametrize("change", [{"rtt_ms": 1.0}, {"jitter_ms": 0.5}, {"lost": 0.0}])
def test_media_that_went_around_the_link_shows_in_webrtcs_statistics(change: dict[str, float]) -> None:
    call = Call(load_profile("bad_wifi"), seconds=40)
    call.readings = [replace(reading, **change) for reading in call.readings]  # type: ignore[arg-type]
    assert figures(call)["webrtc"].agrees is False


def test_a_round_trip_longer_than_the_link_made_it_is_no_proof_and_says_where_to_look() -> None:
    call = Call(load_profile("wifi_good"), seconds=40)
    call.readings = [replace(reading, rtt_ms=9.5) for reading in call.readings]
    webrtc = figures(call)["webrtc"]
    assert webrtc.agrees is False
    assert SLOW_END in webrtc.text


def test_without_statistics_or_echo_there_is_no_proof() -> None:
    call = Call(load_profile("bad_wifi"))
    call.readings = [replace(call.readings[0], rtt_ms=None)]
    assert figures(call)["webrtc"].agrees is None
    assert not call.proof().applied
    call = Call(load_profile("bad_wifi"))
    call.echo = call.echo[:5]
    assert figures(call)["echo"].agrees is None
    assert not call.proof().applied


def test_a_call_without_media_through_the_link_is_not_applied() -> None:
    call = Call(load_profile("wifi_good"))
    call.rows = [row for row in call.rows if row.kind != "rtp"]
    assert figures(call)["log"].text == "only 0 media packets came through the link"
    assert not call.proof().applied


@pytest.mark.parametrize("for_ms", [300, 2_000])  # of more than a second, WebRTC counts no packet as lost
def test_an_outage_that_was_made_is_proven_and_one_that_was_not_is_not(for_ms: float) -> None:
    outage = Done(at_ms=T0_MS + 5_000, for_ms=for_ms)
    assert Call(load_profile("wifi_good"), done=[outage]).proof().applied
    call = Call(load_profile("wifi_good"))
    call.done = [outage]
    assert figures(call)["log"].agrees is False
    assert "packets passed in an outage" in figures(call)["log"].text


def test_each_stretch_is_held_to_what_was_in_force() -> None:
    slow = Impairment(delay_ms=80)
    call = Call(Profile(name="x", both=Direction(delay_ms=80)))
    call.profile = Profile(name="x")
    call.done = [Done(at_ms=T0_MS - 50, up=slow, down=slow)]
    assert figures(call)["log"].agrees is True
    call.done = [Done(at_ms=T0_MS - 50, ways=("up",), up=slow)]
    assert figures(call)["log"].agrees is False


def test_how_late_the_relay_was_is_what_it_left_after_its_plan() -> None:
    call = Call(load_profile("wifi_good"))
    assert lateness_p99_ms(call.rows) == 0
    late = [
        replace(row, departed_ms=(row.departed_ms or 0) + (7 if k % 50 == 0 else 0.1))
        for k, row in enumerate(call.rows)
    ]
    assert lateness_p99_ms(late) == pytest.approx(7)
    assert lateness_p99_ms([]) is None


@pytest.mark.parametrize("n", [100, 1_000, 20_000])
def test_the_interval_of_independent_loss_is_the_binomial_one(n: int) -> None:
    low, high = loss_interval(Impairment(loss=0.05), n)
    expected = binom.interval(0.99, n, 0.05)
    assert low == pytest.approx(expected[0], abs=3)
    assert high == pytest.approx(expected[1], abs=3)


def test_the_interval_of_bursts_holds_what_the_model_does() -> None:
    bursty = Impairment(loss=0.01, burst_enter=0.02, burst_leave=0.2, burst_loss=0.8)
    for n, runs in ((500, 200), (6_000, 40)):
        low, high = loss_interval(bursty, n)
        counts = []
        for seed in range(runs):
            model = FateModel(bursty, seed, "uplink")
            counts.append(sum(model.decide(100, 20.0 * k).cause != "" for k in range(n)))
        outside = sum(not low <= count <= high for count in counts)
        assert outside <= binom.ppf(0.9999, runs, 0.01)
        assert high - low < 6 * (sum((c - sum(counts) / runs) ** 2 for c in counts) / runs) ** 0.5


def test_the_stream_is_the_one_that_the_statistics_are_about() -> None:
    """A second listener behind the same link also hears the user; that is not the agent's voice."""
    call = Call(load_profile("bad_wifi"), seconds=40)
    voice = [row for row in call.rows if row.way == "down" and row.kind == "rtp"]
    call.rows += [replace(row, ident="0000cccc", departed_ms=row.departed_ms and row.arrived_ms + 1) for row in voice]
    call.rows += [replace(row, ident="0000cccc", seq=(row.seq or 0) + 5_000) for row in voice[:9]]
    assert figures(call)["webrtc"].agrees is False  # the other stream has more packets
    call.readings = [replace(reading, source="0000bbbb") for reading in call.readings]
    assert figures(call)["webrtc"].agrees is True


def test_what_the_server_reports_of_the_users_audio_is_set_beside_the_log() -> None:
    """A report is half a second old when it comes, one in five never does, and the page shows the last until the next."""
    call = Call(load_profile("bad_wifi"), seconds=40)
    voice = [
        (row.departed_ms, row.arrived_ms)
        for row in call.rows
        if row.way == "up" and row.kind == "rtp" and row.departed_ms is not None
    ]
    template = next(row for row in call.rows if row.kind == "rtp" and row.way == "down")
    delivered: list[tuple[float, Reading]] = []
    for k in range(1, 39):
        written_ms = T0_MS + 1e3 * k
        came_ms = written_ms + 500.0 if k % 5 else None
        call.rows.append(
            replace(
                template,
                kind="rtcp",
                ident="201",
                arrived_ms=written_ms,
                departed_ms=came_ms,
                fate="ok" if came_ms else "loss",
            )
        )
        if came_ms:
            delivered.append((came_ms, reading(written_ms, voice, [], in_order=False)))
    shown = [
        replace(last[-1], t_mono_ms=T0_MS + 700.0 * k, source="0000aaaa")
        for k in range(1, 57)
        if (last := [report for came_ms, report in delivered if came_ms < T0_MS + 700.0 * k])
    ]
    found = uplink_jitter_ms(call.rows, shown)
    assert found is not None
    theirs, ours = found
    assert theirs == pytest.approx(ours, rel=0.001)
    assert ours > 5
    assert uplink_jitter_ms([], shown) is None
    assert uplink_jitter_ms([row for row in call.rows if row.kind != "rtcp"], shown) is None
