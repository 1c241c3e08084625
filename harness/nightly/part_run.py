"""One part of a night as a run of its own: attempts by number; earlier sessions' attempts come from their captures.

An attempt that an earlier session measured is judged again from its measurement.json, by the same table (a night does not
go on with another version); one that was recorded but not measured is measured now. No recorded attempt is played twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.judge.verdict import judge_attempt, judge_case
from harness.model.capture import MEASUREMENT, Manifest
from harness.model.degraded import degraded_in
from harness.model.measurement import Measurement
from harness.model.plan import BuiltCase, under_rules
from harness.model.verdict import AttemptVerdict, Summary
from harness.run.run import Run


@dataclass
class PartRun(Run):
    """A run whose attempts are chosen by the night."""

    async def play(self, built: BuiltCase, number: int, on_phase: Callable[[str], None]) -> AttemptVerdict:
        """Attempt `number` of a case. Raises CancelledError and OSError once the recording is written."""
        assert self.bench is not None
        built = under_rules(built, self.plan.rules)
        self.definitions[built.case.id] = built.case
        self.bench.resume_after(built.case.id, number - 1)
        return await self._attempt(built, on_phase)

    def recall(self, built: BuiltCase, folder: Path, manifest: Manifest) -> AttemptVerdict:
        """Judge an attempt that an earlier session recorded. Raises OSError."""
        built = under_rules(built, self.plan.rules)
        self.definitions[built.case.id] = built.case
        self._started -= sum(manifest.wall_s.values())
        self.started_at = min(self.started_at, manifest.started_at)
        measurement = _measured(folder)
        if measurement is None:
            return self.judge(built, folder, manifest)
        self._manifests.append(manifest)
        where = folder.relative_to(self.plan.run_dir).as_posix()
        verdict = judge_attempt(built.case, manifest, measurement, where, degraded_in(folder), self.plan.limits)
        if self.history is not None:
            self.history.attempt(manifest, verdict, built.truth)
        return verdict

    def conclude(self, attempts: dict[str, list[AttemptVerdict]], *, complete: bool) -> Summary:
        """The part's verdict and reports over its attempts. Raises OSError."""
        for case_id, verdicts in attempts.items():
            ordered = sorted(verdicts, key=lambda verdict: verdict.attempt)
            self.verdicts[case_id] = judge_case(self.definitions[case_id], ordered)
        return self.finish(complete=complete)


def _measured(folder: Path) -> Measurement | None:
    try:
        return Measurement.model_validate_json((folder / MEASUREMENT).read_bytes())
    except (OSError, ValidationError):
        return None
