"""Network profiles: ten by name with the figures they are known by, one's own with every mistake explained at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ProfileError, UsageError
from harness.network.profile import load_profile, names


@pytest.mark.parametrize(
    ("name", "delay_ms", "jitter_ms", "loss_percent", "bandwidth_kbps"),
    [
        ("wifi_good", 0, 0, 0, None),
        ("4g_ok", 30, 20, 0.5, None),
        ("bad_wifi", 50, 40, 2, None),
        ("udp_blocked", 0, 0, 0, None),
        ("rmcat_base", 50, 15, 0, 1000),
        ("regular_3g", 250, 0, 1.5, 750),
        ("poor_3g", 350, 0, 5, 400),
        ("unstable_4g", 500, 0, 10, 4000),
        ("wifi_high_loss", 40, 0, 5, 30_000),
        ("call_drop", 500, 0, 20, 50),
    ],
)
def test_a_named_profile_has_the_figures_it_is_known_by(
    name: str, delay_ms: float, jitter_ms: float, loss_percent: float, bandwidth_kbps: float | None
) -> None:
    profile = load_profile(name)
    assert name in names()
    for way in (profile.up, profile.down):
        assert (way.delay_ms, way.jitter_ms, way.loss_percent) == (delay_ms, jitter_ms, loss_percent)
        assert way.bandwidth_kbps == bandwidth_kbps
    assert profile.udp_blocked == (name == "udp_blocked")
    assert profile.allowance_ms == 2 * delay_ms + 2 * jitter_ms


def test_there_are_ten_named_profiles_and_an_unknown_name_lists_them() -> None:
    assert len(names()) == 10
    with pytest.raises(UsageError, match=r"--network bad_wfi: no profile of this name; known: 4g_ok, bad_wifi"):
        load_profile("bad_wfi")


def test_one_direction_may_differ_from_the_other(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("both: {delay_ms: 20}\ndownlink: {delay_ms: 80, jitter_ms: 10, bandwidth_kbps: 300}\n")
    profile = load_profile(str(path))
    assert profile.name == "mine"
    assert (profile.up.delay_ms, profile.down.delay_ms) == (20, 80)
    assert profile.allowance_ms == 110
    assert profile.describe().startswith("uplink 20 ms delay, 0 ms jitter, 0 % loss, downlink 80 ms delay")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("both:\n  delay_ms: -5\n", "2: both.delay_ms: must be greater than or equal to 0, not -5"),
        ("about: x\nboth:\n  loss_percent: 140\n", "3: both.loss_percent: must be less than or equal to 100, not 140"),
        ("both: {dealy_ms: 5}\n", "1: unknown key 'both.dealy_ms'; did you mean 'delay_ms'?"),
        ("colour: red\n", "1: unknown key 'colour'; known here: name, about, both"),
        ("both:\n  bursts:\n    enter_percent: 1\n", "2: key 'both.bursts.leave_percent' is missing"),
        ("both:\n  delay_ms: 10\n  jitter_ms: 40\n", "1: both: jitter_ms 40 needs a delay_ms of 40 at least, not 10"),
        ("both: {jitter_ms: 5, jitter_distribution: normal}\n", "1: both: jitter_ms 5 needs a delay_ms of 5 at least"),
        ("both: {reorder_percent: 5}\n", "1: both: reorder_percent lets packets skip the delay, and there is none"),
        ("udp_blocked: true\nboth: {loss_percent: 1}\n", "1: udp_blocked: TCP sends again what is lost"),
        ("outages:\n  - {after: reply_begin, for_ms: 300}\n", "2: outages.0.after: must be 'call_start', 'reply_start'"),
        ("outages:\n  - {after: reply_start, delay_ms: 2000}\n", "2: key 'outages.0.for_ms' is missing"),
        ("changes:\n  - {after: reply_end}\n", "2: changes.0: changes nothing: give both, uplink or downlink"),
        ("changes:\n  - downlink: {los_percent: 3}\n",
         "2: unknown key 'changes.0.downlink.los_percent'; did you mean 'loss_percent'?"),
        ("", "1: is empty"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_line_and_key(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ProfileError) as caught:
        load_profile(str(path))
    message = str(caught.value)
    assert message.startswith(f"{path}:{says}")
    assert "\n" not in message


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ProfileError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load_profile("nowhere.yaml")
