"""pytest plugin: every case file is a test item; one bench for the whole session; the same captures and report as `run`.

    pytest cases/ -k endpoint_short_hello
    pytest cases/ -m "mini and p0" --ew-lane bot

A failing case shows its failing gates with value and threshold, and the path of its capture. Only hooks are wired here.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import CaseError, EarwitnessError
from harness.model.status import Status

if TYPE_CHECKING:
    from harness.model.case import Case
    from harness.model.verdict import CaseVerdict, Summary
    from harness.suite import Run

OPTIONS = (
    ("lane", "browser or bot (default: browser)"),
    ("mic", "scheduled or device (default: scheduled)"),
    ("agent", 'reference, "command: …", dispatch:NAME or room (default: reference)'),
    ("page", "URL template of a page of your own"),
    ("page-script", "JavaScript for the clicks that page needs"),
    ("runs", "where runs are written (default: runs/)"),
    ("network", "the user's network: a profile by name or a YAML file (default: nothing in between)"),
    ("link", "what applies it: auto, user or netem (default: auto)"),
    ("livekit-url", "an external media server"),
    ("attempts", "attempts a case at most (default: 1)"),
    ("history", "where every measurement goes: a file, a database URL, or off (default: history.sqlite in the runs)"),
)
NIGHTLY_SUITES = ("fast", "mini")  # of harness/nightly/plans/default.yaml
MARKERS = (
    "p0: a case whose gates block",
    "p1: a case whose fingerprints warn",
    "mini: a case of the mini suite",
    "fast: a case of the fast suite",
    "extended: a case of the extended suite",
    "nightly: a case that the night's plan that ships plays (`earwitness nightly` plays it often, over networks)",
    "net: runs over an impaired network",
    "live: needs a media server, a browser or an agent process, which it starts itself",
)
STOP_TIMEOUT_S = 60.0


class CaseNotPassedError(Exception):
    """A case whose verdict is not PASS or WARN; carries the text that pytest shows."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("earwitness", "Earwitness: voice agents, as their users hear them")
    for name, text in OPTIONS:
        group.addoption(f"--ew-{name}", default=None, help=text)
    group.addoption("--ew-strict", action="store_true", default=None, help="WARN fails a case too")


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.pluginmanager.register(_Session(config), "earwitness-session")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix in (".yaml", ".yml") and _looks_like_a_case(file_path):
        return CaseFile.from_parent(parent, path=file_path)
    return None


def _looks_like_a_case(path: Path) -> bool:
    """Other YAML files may lie beside the cases; a case has these two keys, or it would not get past the schema."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return any(line.startswith("speech:") for line in lines) or any(line.startswith("tier:") for line in lines)


class CaseFile(pytest.File):
    """One case file; its one item has the case's name."""

    def collect(self) -> Iterator[pytest.Item]:
        from harness.suite import load_checked_cases

        try:
            ((_, case),) = load_checked_cases([self.path])
        except CaseError as error:
            raise self.CollectError(str(error)) from error
        yield CaseItem.from_parent(self, name=case.id, case=case)


class CaseItem(pytest.Item):
    """Speaks the case; passes with PASS and WARN."""

    def __init__(self, *, case: Case, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case = case
        self.add_marker(case.tier.lower())
        for suite in case.suite:
            self.add_marker(suite)
        if set(case.suite) & set(NIGHTLY_SUITES):
            self.add_marker("nightly")
        self.add_marker("live")

    def runtest(self) -> None:
        session = self.config.pluginmanager.get_plugin("earwitness-session")
        assert isinstance(session, _Session)
        try:
            verdict = session.speak(self.path, self.case)
        except EarwitnessError as error:
            raise CaseNotPassedError(str(error)) from error
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
    """What a person needs to see of a case that did not pass."""
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


class _Session:
    """One run for the whole pytest session, opened at the first case, on an event loop in a thread of its own."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stack = AsyncExitStack()
        self._run: Run | None = None
        self._failure: EarwitnessError | None = None
        self.summary: Summary | None = None

    @property
    def run_dir(self) -> Path | None:
        return self._run.plan.run_dir if self._run is not None else None

    @property
    def strict(self) -> bool:
        return bool(self._run is not None and self._run.plan.strict)

    def speak(self, path: Path, case: Case) -> CaseVerdict:
        """Raises EarwitnessError; the same one for every case if the bench could not be opened."""
        from harness.provide.cache import cache_dir
        from harness.suite import build_cases

        if self._failure is not None:
            raise self._failure
        (built,) = build_cases([(path, case)], cache_dir() / "cases")
        if self._run is None:
            self._open()
        assert self._run is not None
        if self._run.bench is not None and self._run.bench.broken is not None:
            raise EarwitnessError(f"the run is broken off: {self._run.bench.broken}")
        return self._await(self._run.case(built))

    def _open(self) -> None:
        from harness.settings import load_settings
        from harness.suite import make_plan, open_run

        flags: dict[str, Any] = {n.replace("-", "_"): self._config.getoption(f"--ew-{n}") for n, _ in OPTIONS}
        flags["strict"] = self._config.getoption("--ew-strict")
        settings = load_settings(flags, folder=self._config.rootpath)
        plan = make_plan(settings, ())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="earwitness", daemon=True)
        self._thread.start()
        try:
            self._run = self._await(self._stack.enter_async_context(open_run(plan, settings)))
        except EarwitnessError as error:
            self._failure = error
            raise

    def _await(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        assert self._loop is not None
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._loop is None:
            return
        try:
            if self._run is not None:
                asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result(STOP_TIMEOUT_S)
                if self._run.verdicts:
                    self.summary = self._run.finish(complete=not self._run.interrupted)
                    if self.summary.exit_code != 0 and session.exitstatus == pytest.ExitCode.OK:
                        session.exitstatus = pytest.ExitCode.TESTS_FAILED  # what only the whole run shows
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            assert self._thread is not None
            self._thread.join(STOP_TIMEOUT_S)
            self._loop.close()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.summary is not None:
            terminalreporter.section("earwitness")
            terminalreporter.write_line(self.summary.headline)
            terminalreporter.write_line(f"report: {self.run_dir}/report.md, {self.run_dir}/report.html")
