"""One run of several processes: its report counts what was meant to run, not only what came."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.run.plan import make_plan
from harness.run.run import Run
from harness.run.shared_run import SharedRun
from harness.settings import Settings
from tests.history import made


@pytest.mark.parametrize(("meant", "complete"), [(["c00", "c01"], True), (["c00", "c01", "c02"], False)])
def test_a_case_without_a_verdict_leaves_no_complete_run(tmp_path: Path, meant: list[str], complete: bool) -> None:
    settings = Settings(runs=tmp_path / "runs", history="off")
    run = Run(make_plan(settings, ()))
    made.run_folder(run.plan.run_dir, run.plan.run_id, [440.0, 441.0], with_summary=False)
    for capture in (run.plan.run_dir / "captures").iterdir():
        case = capture.name.removeprefix(f"{run.plan.run_id}-").removesuffix("-a1")
        (capture / "truth.json").write_text(
            f'{{"case_id": "{case}", "n_samples": 300, "sha256": "0", "source": "recipe", "utterances": []}}'
        )
    summary = SharedRun(lambda: settings, 2, run=run).report(complete=True, order=meant, errors=[])
    assert summary is not None
    assert [case.case_id for case in summary.cases] == ["c00", "c01"]
    assert summary.complete is complete
    assert ("1 case was not run" in summary.headline) is not complete
