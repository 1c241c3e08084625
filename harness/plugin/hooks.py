"""The pytest plugin from the first case on: a case file is a test item; one bench a session; captures and report as in `run`.

    pytest cases/ -k endpoint_short_hello
    pytest cases/ -m "mini and p0" --ew-lane bot
    pytest my_cases/ -m "mine and billing"      (suites and tags of one's own are markers too)

A failing case shows its failing gates with value and threshold, and the path of its capture. Cases run side by side with
`--ew-jobs N` or pytest-xdist (`-n N`, see `harness.plugin.xdist`). Only hooks are wired here; `earwitness.pytest_plugin` has
the options and finds the cases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from earwitness.names import HiddenError, check_ours
from earwitness.plugin_options import OPTIONS
from harness.errors import EarwitnessError, UsageError
from harness.model.status import Status
from harness.plugin.xdist import BROKEN, ERRORS, SOCKET, Controller, show_summary
from harness.processes.loop_thread import STOP_TIMEOUT_S, LoopThread

if TYPE_CHECKING:
    from harness.model.case import Case
    from harness.model.limits import Limits
    from harness.model.plan import BuiltCase
    from harness.model.verdict import CaseVerdict, Summary
    from harness.plugin.ahead import Ahead
    from harness.plugin.apart import Apart
    from harness.run.run import Run
    from harness.settings import Settings

WITHOUT_XDIST = "Run without -n: the cases have a process of their own then, and --ew-jobs N runs them side by side"
SESSION = "earwitness-session"  # its name as a plugin of pytest
PYTESTS_OWN = frozenset({"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings"})
NIGHTLY_SUITES = ("fast", "mini")  # of harness/nightly/plans/default.yaml


class CaseNotPassedError(Exception):
    """A case whose verdict is not PASS or WARN; carries the text that pytest shows."""


class CaseFile(pytest.File):
    """One case file; its one item has the case's name."""

    def collect(self) -> Iterator[pytest.Item]:
        from harness.run.cases import load_checked_cases

        try:
            ((_, case),) = load_checked_cases([self.path], session_of(self.config).limits())
        except EarwitnessError as error:
            raise self.CollectError(str(error)) from error
        yield CaseItem.from_parent(self, name=case.id, case=case)


class CaseItem(pytest.Item):
    """Speaks the case; passes with PASS and WARN."""

    def __init__(self, *, case: Case, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case = case
        self.add_marker(case.tier.lower())
        for name in dict.fromkeys([*case.suite, *case.tags]):
            self._mark(name)
        if set(case.suite) & set(NIGHTLY_SUITES):
            self.add_marker("nightly")
        self.add_marker("live")

    def _mark(self, name: str) -> None:
        """Make a suite or tag a marker, for `-m`, unless pytest uses the name otherwise or allows no such marker."""
        from harness.model.case import SUITE_PATTERN

        if name in PYTESTS_OWN or not re.match(SUITE_PATTERN, name):
            return
        known = (line.partition(":")[0].strip() for line in self.config.getini("markers"))
        if name not in known:
            self.config.addinivalue_line("markers", f"{name}: a case of this suite, or with this tag")
        self.add_marker(name)

    def runtest(self) -> None:
        session = session_of(self.config)
        try:
            ahead = [(i.path, i.case) for i in self.session.items if isinstance(i, CaseItem)]
            verdict = session.speak(self.path, self.case, ahead)
        except EarwitnessError as error:
            raise CaseNotPassedError(str(error)) from error
        if session.own_limits:
            self.user_properties.append(("limits", session.own_limits))  # junit.xml has it too
        accepted = (Status.PASS,) if session.strict else (Status.PASS, Status.WARN)
        if verdict.status not in accepted:
            raise CaseNotPassedError(describe(verdict, session.run_dir))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, CaseNotPassedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"case {self.name}"


def describe(verdict: CaseVerdict, run_dir: Path | None) -> str:
    """The text shown for a case that did not pass."""
    from harness.judge.verdict import explain  # numpy loads only where something was judged

    lines = [f"{verdict.case_id}: {verdict.status}" + (f" ({verdict.reason})" if verdict.reason else "")]
    for attempt in verdict.attempts:
        lines.append(
            f"  attempt {attempt.attempt}: {attempt.status}, capture {attempt.capture_status} {attempt.detail}"
        )
        for gate in attempt.gates:
            if gate.status not in (Status.PASS, Status.NOT_APPLICABLE):
                lines.append(f"    {gate.status:<8} {gate.gate_id}: {explain(gate)}")
        if run_dir is not None:
            lines.append(f"    {run_dir / attempt.folder}")
    return "\n".join(lines)


def session_of(config: pytest.Config) -> _Session:
    """The `_Session` of this pytest session; it joins pytest's hooks from the first case on."""
    session = config.pluginmanager.get_plugin(SESSION)
    if session is None:
        session = _Session(config)
        config.pluginmanager.register(session, SESSION)
    assert isinstance(session, _Session)
    return session


class _Session:
    """One run for the whole pytest session, opened at the first case, on an event loop in a thread of its own."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._loop: LoopThread | None = None
        self._stack = AsyncExitStack()
        self._run: Run | None = None
        self._ahead: Ahead | None = None
        self._apart: Apart | None = None  # in place of the run, where it cannot be in this process
        self._failure: EarwitnessError | None = None
        self._controller: Controller | None = None
        self._limits: Limits | None = None
        self._skipped: set[str] = set()
        self.summary: Summary | None = None
        self._sent = ""  # how the traces of the calls went out

    @property
    def run_dir(self) -> Path | None:
        if self._apart is not None:
            return self._apart.run_dir
        return self._run.plan.run_dir if self._run is not None else None

    @property
    def strict(self) -> bool:
        if self._apart is not None:
            return self._apart.strict
        return bool(self._run is not None and self._run.plan.strict)

    @property
    def own_limits(self) -> str:
        """The run's limits in words, where they differ from the shipped ones."""
        from harness.judge.limits import limits_text

        if self._apart is not None:
            return self._apart.limits
        return limits_text(self._run.plan.limits) if self._run is not None and not self._run.plan.limits.shipped else ""

    @property
    def _jobs_why(self) -> str:
        if self._apart is not None:
            return self._apart.jobs_why
        return self._run.plan.jobs_why if self._run is not None else ""

    @property
    def _socket(self) -> str | None:
        """In an xdist worker: the controller's socket for the run."""
        return getattr(self._config, "workerinput", {}).get(SOCKET)

    def _flags(self) -> dict[str, Any]:
        flags: dict[str, Any] = {n.replace("-", "_"): self._config.getoption(f"--ew-{n}") for n, _ in OPTIONS}
        flags["strict"] = self._config.getoption("--ew-strict")
        flags["gate"] = flags["gate"].split(",") if flags["gate"] is not None else None
        return flags

    def _settings(self) -> Settings:
        from harness.settings import load_settings

        return load_settings(self._flags(), folder=self._config.rootpath)

    def limits(self) -> Limits:
        """The limits for checking cases. Raises UsageError."""
        if self._limits is None:
            self._limits = self._settings().run_limits()
        return self._limits

    def speak(self, path: Path, case: Case, ahead: Sequence[tuple[Path, Case]] = ()) -> CaseVerdict:
        """Raises EarwitnessError; the same one for every case if the bench could not be opened.

        `ahead`: all the cases of the session, which may be begun side by side.
        """
        if self._failure is not None:
            raise self._failure
        (built,) = _built([(path, case)])
        if self._run is None and self._apart is None:
            self._open([path for path, _ in ahead] or [path])
            if self._run is not None and self._run.plan.jobs > 1 and self._socket is None:
                self._begin([item for item in ahead if item[1].id != case.id], built)
        if self._apart is not None:
            return self._apart.verdict_of(case.id)
        assert self._run is not None
        assert self._loop is not None
        if self._ahead is not None and case.id in self._ahead:
            return self._ahead.verdict_of(case.id)
        if self._run.broken is not None:
            raise EarwitnessError(f"the run is broken off: {self._run.broken}")
        verdict: CaseVerdict = self._loop.wait(self._run.case(built))
        return verdict

    def _begin(self, others: Sequence[tuple[Path, Case]], first: BuiltCase) -> None:
        from harness.plugin.ahead import Ahead

        assert self._run is not None
        assert self._loop is not None
        cases = {first.case.id: first}
        for item in others:
            try:
                cases.setdefault(item[1].id, _built([item])[0])
            except EarwitnessError:
                continue  # its own test says why
        self._run.order = [first.case.id, *(case.id for _, case in others)]
        self._ahead = Ahead(self._run, list(cases.values()), self._loop)

    def _open(self, cases: Sequence[Path]) -> None:
        try:
            settings = self._settings()
            apart = must_run_apart(may=self._socket is None)
            self._loop = LoopThread()
            if apart:
                from harness.plugin.apart import Apart

                self._apart = Apart(self._flags(), self._config.rootpath, cases, self._loop)
                return
            self._run = self._loop.wait(self._stack.enter_async_context(self._opening(settings)))
        except EarwitnessError as error:
            self._failure = error
            raise

    def _opening(self, settings: Settings) -> AbstractAsyncContextManager[Run]:
        if self._socket is not None:
            from harness.run.shared_run import join_run

            return join_run(Path(self._socket), settings)
        from harness.run.open import open_run
        from harness.run.plan import make_plan

        return open_run(make_plan(settings, ()), settings)

    def configure_node(self, node: Any) -> None:
        """xdist is about to start a worker: we are the controller."""
        if self._controller is None:
            self._controller = Controller(self._config, self._settings)
            self._config.pluginmanager.register(self._controller, "earwitness-controller")
        self._controller.configure(node)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._loop is None:
            return
        try:
            if self._ahead is not None:
                self._loop.wait_in_order(self._ahead.stop(), STOP_TIMEOUT_S)
            if self._run is not None:
                broken = self._run.broken
                self._loop.wait_in_order(self._stack.aclose(), STOP_TIMEOUT_S)
                self._finish(self._run, session, broken)
            if self._apart is not None:
                self._apart.stop()
                self.summary, self._sent = self._apart.summary(), self._apart.sent
            if self.summary is not None and self.summary.exit_code != 0 and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED  # only the whole run shows it
        finally:
            self._loop.stop()

    def _finish(self, run: Run, session: pytest.Session, broken: str | None) -> None:
        """`broken`: why the bench gave no further attempt before it was closed, or None."""
        if broken is not None and (said := f"the run was broken off: {broken}") not in run.errors:
            run.errors.append(said)
        if self._socket is not None:
            self._config.workeroutput[ERRORS] = run.errors  # type: ignore[attr-defined]
            self._config.workeroutput[BROKEN] = broken is not None  # type: ignore[attr-defined]
        elif run.verdicts:
            run.order = self._meant_to_run(session)
            complete = not run.interrupted and broken is None and set(run.order) <= set(run.verdicts)
            self.summary = run.finish(complete=complete)
            from harness.run.sent_traces import sent_run

            assert self._loop is not None
            self._sent = self._loop.wait(sent_run(self.summary, run.plan.run_dir, run.plan.otlp))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self._skipped.add(report.nodeid)

    def _meant_to_run(self, session: pytest.Session) -> list[str]:
        """The selected cases, also those that -x, a broken bench or their own error left without a verdict."""
        items = [item for item in getattr(session, "items", ()) if isinstance(item, CaseItem)]
        return list(dict.fromkeys(item.case.id for item in items if item.nodeid not in self._skipped))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.summary is not None:
            show_summary(terminalreporter, self.summary, self.run_dir, self._sent)
            if self.summary.side_by_side is None and self._jobs_why.startswith("auto"):
                terminalreporter.write_line(f"one session at a time ({self._jobs_why})")


def must_run_apart(*, may: bool) -> bool:
    """Whether a package of the user's repository would be imported here in place of one of ours. Raises UsageError where a
    separate process would not help, or is not allowed (`may`).
    """
    try:
        check_ours("bots", "runtime", "reports", advice=WITHOUT_XDIST)
    except HiddenError as error:
        if error.of_children or not may:
            raise UsageError(f"{error}") from error
        return True
    return False


def _built(cases: Sequence[tuple[Path, Case]]) -> tuple[BuiltCase, ...]:
    """Raises CaseError, HarnessError."""
    from harness.provide.cache import cache_dir
    from harness.run.cases import build_cases

    return build_cases(cases, cache_dir() / "cases")
