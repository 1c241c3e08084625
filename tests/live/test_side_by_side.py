"""Two calls side by side over real WebRTC: both are judged, in the order of the plan, and nothing stays behind.

How long it takes and how loaded the host is are not asserted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.history.database import open_history
from harness.history.reading import read_run
from harness.listen.read.reading import read_capture
from harness.model.plan import BuiltCase
from harness.model.status import CaptureStatus
from harness.run.open import run_plan
from harness.run.plan import make_plan
from harness.run.side_by_side import start_order
from harness.settings import Settings

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_process_left")]
NAMES = ("endpoint_short_hello", "question_short")


async def test_two_cases_side_by_side_are_both_judged_and_reported_in_the_order_of_the_plan(
    tmp_path: Path, built: Callable[[str], BuiltCase]
) -> None:
    settings = Settings(runs=tmp_path, lane="bot", jobs=2)
    plan = make_plan(settings, tuple(built(name) for name in NAMES))
    assert [index for index, _ in start_order(plan.cases)] == [1, 0], "they do not even start in that order"
    phases: list[tuple[str, str]] = []
    summary = await run_plan(plan, settings, on_phase=lambda case, phase: phases.append((case, phase)))
    assert summary.errors == []
    assert summary.complete
    assert [case.case_id for case in summary.cases] == list(NAMES)
    for case in summary.cases:
        (attempt,) = case.attempts
        assert attempt.capture_status is CaptureStatus.OK, attempt.detail
        assert attempt.measurement is not None
        assert {line.launching for line in read_capture(plan.run_dir / attempt.folder).load} <= {0, 1}
    assert summary.side_by_side is not None
    assert (summary.side_by_side.jobs, summary.side_by_side.sessions) == (2, 2)
    given_up = any("beside" in text for text in summary.side_by_side.overruns)  # on a host too slow for the limits
    begin = {name: phases.index((name, "speak")) for name in NAMES}
    for name, other in (NAMES, NAMES[::-1]):
        between = [phase for case, phase in phases[begin[name] : phases.index((name, "leave"))] if case == other]
        launched = bool(set(between) & {"join", "barrier", "prime"})
        assert launched <= given_up, "nothing launches while another is measured, or the report says so"
    assert "\nSide by side: up to 2 sessions at once" in (plan.run_dir / "report.md").read_text()
    with open_history(tmp_path / "history.sqlite") as history, history.reading() as session:
        assert read_run(session, plan.run_id).n_attempts == 2
