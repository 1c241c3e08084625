"""How long a night will take, and what a build log shows of it."""

from __future__ import annotations

import io

from rich.console import Console

from harness.judge.verdict import judge_attempt
from harness.model.status import CaptureStatus
from harness.nightly.progress import FIRST_GUESS_S, STEP_S, Estimate, NightProgress
from harness.nightly.units import Unit
from tests.judge import canned


def test_before_anything_is_known_it_is_a_guess_then_the_nights_mean_then_the_parts_own() -> None:
    estimate = Estimate()
    assert estimate.left_s({"a": 2}, 0) == 2 * FIRST_GUESS_S
    estimate.add("a", 10.0)
    estimate.add("a", 20.0)
    assert estimate.left_s({"a": 1, "b": 1}, 0) == 30.0
    estimate.add("b", 60.0)
    estimate.add("b", 60.0)
    estimate.add("b", 60.0)
    assert estimate.left_s({"b": 2}, 1) == 120.0 + STEP_S


def test_a_build_log_gets_one_line_an_attempt_without_markup() -> None:
    out = io.StringIO()
    case = canned.case("c")
    told = canned.manifest("c", status=CaptureStatus.REPLY_TIMEOUT)
    verdict = judge_attempt(case, told, None, "captures/x")
    with NightProgress(Console(file=out, width=40)) as progress:
        progress.attempt(Unit("part", "c", 3), verdict, 12.34, 5, 20, 600.0)
        progress.attempt(Unit("part", "c", 4), verdict, 12.34, 20, 20, 0.0)
    first, last = out.getvalue().splitlines()
    assert first.startswith("[5/20]     FAIL  part  c 3  12.3 s, about 10 min left, until ")
    assert last == "[20/20]     FAIL  part  c 4  12.3 s, all attempts played"
