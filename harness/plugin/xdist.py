"""The plugin under `pytest -n` (pytest-xdist): the controller opens one run for all workers and reports on it.

The controller makes `Controller` when the first worker is configured; a worker asks it for the run at its first case, so a
session without cases starts nothing. Only hooks are wired here; the run is `harness.run.shared_run`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import UsageError
from harness.processes.loop_thread import STOP_TIMEOUT_S, LoopThread

if TYPE_CHECKING:
    from harness.model.verdict import Summary
    from harness.run.shared_run import SharedRun
    from harness.settings import Settings

SOCKET = "earwitness_socket"  # workerinput: where to ask for the run
ERRORS = "earwitness_errors"  # workeroutput: the harness's errors in a worker
BROKEN = "earwitness_broken"  # workeroutput: its bench ended before its cases did
CASE_FILES = (".yaml", ".yml")
WORKER_RUN_ENDS = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


def workers_of(config: pytest.Config) -> int:
    """How many worker processes xdist has."""
    return max(1, len(config.getoption("tx") or ()))


class Controller:
    """One shared run for one pytest session."""

    def __init__(self, config: pytest.Config, settings: Callable[[], Settings]) -> None:
        from harness.run.shared_run import SharedRun

        def checked() -> Settings:
            if config.getoption("dist") == "each":
                raise UsageError("--dist each runs every case in every worker, into one folder: use --dist load")
            return settings()

        self._loop = LoopThread()
        self._shared: SharedRun = SharedRun(checked, workers_of(config))
        self._socket = str(self._loop.wait(self._shared.open()))
        self._order: list[str] = []
        self._errors: list[str] = []
        self._skipped: set[str] = set()
        self._broken = False
        self._sent = ""
        self.summary: Summary | None = None

    def configure(self, node: Any) -> None:
        node.workerinput[SOCKET] = self._socket

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        self._order = self._order or [name for name in ids if name.partition("::")[0].endswith(CASE_FILES)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self._skipped.add(report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        output = getattr(node, "workeroutput", {})
        self._errors += [error for error in output.get(ERRORS, []) if error not in self._errors]
        self._broken = self._broken or bool(output.get(BROKEN))
        if error is not None:
            self._broken = True
            self._errors.append(f"a pytest worker ended in the middle: {error}")

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, Any, Any]:
        result = yield  # the workers end meanwhile
        try:
            self._loop.wait_in_order(self._shared.close(), STOP_TIMEOUT_S)
            complete = session.exitstatus in WORKER_RUN_ENDS and not self._broken
            order = [name.rpartition("::")[2] for name in self._order if name not in self._skipped]
            self.summary = self._shared.report(complete=complete, order=order, errors=self._errors)
            if self.summary is not None and self._shared.run is not None:
                from harness.run.sent_traces import sent_run

                plan = self._shared.run.plan
                self._sent = self._loop.wait(sent_run(self.summary, plan.run_dir, plan.otlp))
        finally:
            self._loop.stop()
        if self.summary is not None and self.summary.exit_code != 0 and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED  # only the whole run shows it
        return result

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.summary is not None and self._shared.run is not None:
            show_summary(terminalreporter, self.summary, self._shared.run.plan.run_dir, self._sent)


def show_summary(terminalreporter: Any, summary: Summary, run_dir: Path | None, sent: str = "") -> None:
    """The verdict, where the report is, and how the traces went out, at the end of pytest's output."""
    terminalreporter.section("earwitness")
    terminalreporter.write_line(summary.headline)
    if summary.side_by_side is not None:
        terminalreporter.write_line(summary.side_by_side.in_words())
    terminalreporter.write_line(f"report: {run_dir}/report.md, {run_dir}/report.html")
    if sent:
        terminalreporter.write_line(sent)
