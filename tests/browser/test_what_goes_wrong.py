"""Pages that throw, hang or never come, a Chromium that dies: each is a named problem, and nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from aiohttp import web

from harness.browser.driver import launch_browser
from harness.browser.page import ANSWER_TIMEOUT_S, MOST_CHARS, MOST_PROBLEMS
from harness.errors import AttemptError, ProvisionError
from harness.live.attempt import LEAVE_TIMEOUT_S
from harness.live.user import FINISH_LIMIT_S, BrowserUser
from harness.model.status import CaptureStatus

pytestmark = pytest.mark.live

GONE_TIMEOUT_S = 60.0
HEARD_TIMEOUT_S = 60.0
ENDS_TIMEOUT_S = 180.0  # with the start of Chromium, on a busy host


async def gone(pid: int) -> None:
    """Wait until the process and with it the pid has ended."""
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    await asyncio.to_thread(process.wait, GONE_TIMEOUT_S)


async def test_killed_chromium_is_noticed_and_what_was_heard_stays(browser, site, record, wait_for, chirp):
    async with browser.session() as session:
        recording = record(session)
        await session.open(site("talks"), timeout_s=20)
        await wait_for(session.agent_track_seen)
        await wait_for(session.tap_started)
        frame = await session.speak(chirp, None)
        await recording.reach(frame + 96_000)
        os.kill(browser.pid, signal.SIGKILL)
        await wait_for(session.closed)
        await wait_for(browser.lost)
        assert recording.mic(frame, frame + len(chirp)).any()
        webm = await session.finish_webm()
        assert webm is not None
        assert webm.startswith(b"\x1a\x45\xdf\xa3")
        with pytest.raises(AttemptError) as caught:
            await session.current_frame()
        assert caught.value.status is CaptureStatus.BROWSER_CRASH
    with pytest.raises(AttemptError, match="BROWSER_CRASH"):
        async with browser.session():
            pass


async def test_crashed_page_is_fatal_while_the_browser_lives(browser, site, wait_for):
    async with browser.session() as session:
        await session.open(site("talks"), timeout_s=20)
        with pytest.raises(AttemptError):
            await session.open("chrome://crash", timeout_s=5)
        await wait_for(session.fatal)
        await wait_for(session.closed)
        assert [problem.kind for problem in session.errors] == ["crash"]
    async with browser.session() as session:
        await session.open(site("is_quiet"), timeout_s=20)


async def test_uncaught_exception_of_the_page_is_named_and_the_call_goes_on(browser, site, record, tmp_path):
    click = tmp_path / "click.js"
    click.write_text("document.body.click();")
    async with browser.session() as session:
        recording = record(session)
        await session.open(site("throws_later"), timeout_s=20)
        await recording.reach_further(4096)
        await session.run_script(click)
        await recording.reach_further(48_000)
        (problem,) = [problem for problem in session.errors if problem.kind == "exception"]
        assert "the agent panel broke" in problem.text
        assert not session.fatal.is_set()


async def test_a_page_that_complains_without_end_is_heard_out_at_both_ends(browser, site, tmp_path):
    many = MOST_PROBLEMS + 500
    script = tmp_path / "complain.js"
    script.write_text(f"for (let n = 0; n < {many}; n++) console.error(`complaint ${{n}} ${{'x'.repeat(10_000)}}`);")
    async with browser.session() as session:
        await session.open(site("is_quiet"), timeout_s=20)
        await session.run_script(script)
        assert len(session.errors) == MOST_PROBLEMS
        assert session.errors_left_out == many - MOST_PROBLEMS
        assert session.errors[0].text.startswith("complaint 0 ")
        assert session.errors[-1].text.startswith(f"complaint {many - 1} ")
        assert max(len(problem.text) for problem in session.errors) == MOST_CHARS


async def test_console_error_is_kept_but_not_fatal(browser, site, tmp_path):
    script = tmp_path / "complain.js"
    script.write_text("console.error('no microphone level'); console.log('hello');")
    async with browser.session() as session:
        await session.open(site("is_quiet"), timeout_s=20)
        await session.run_script(script)
        assert [(problem.kind, problem.text) for problem in session.errors] == [("console", "no microphone level")]
        assert not session.fatal.is_set()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("document.querySelector('#login').click();", "Cannot read properties of null"),
        ("await click('#login');", r"click\('#login'\) was not possible within 1 s: no such element came"),
    ],
)
async def test_failing_page_script_names_its_file_and_what_was_not_possible(
    browser, site, tmp_path, monkeypatch, line, reason
):
    monkeypatch.setattr("harness.browser.page_script.HAND_TIMEOUT_S", 1.0)
    script = tmp_path / "login.js"
    script.write_text(f"await Promise.resolve(); {line}")
    async with browser.session() as session:
        await session.open(site("is_quiet"), timeout_s=20)
        with pytest.raises(AttemptError, match=rf"PAGE_ERROR.*login\.js failed: .*{reason}"):
            await session.run_script(script)


async def test_page_script_ends_where_the_page_goes_elsewhere(browser, site, tmp_path):
    script = tmp_path / "go.js"
    script.write_text("await fill('#name', 'Ada'); await click('#go'); await waitFor('#never');")
    async with browser.session() as session:
        await session.open(site("has_a_form"), timeout_s=20)
        await session.run_script(script)
        assert "went to another document" in session.errors[-1].text


async def test_page_that_is_not_there_is_a_page_error_without_its_token(browser, site):
    async with browser.session() as session:
        with pytest.raises(AttemptError) as caught:
            await session.open(site("no_such_page") + "?room=a#token=secret", timeout_s=20)
        assert caught.value.status is CaptureStatus.PAGE_ERROR
        assert "404" in caught.value.detail
        assert "secret" not in caught.value.detail


async def test_page_that_never_answers_is_a_page_error_in_time(browser, wait_for):
    asked = asyncio.Event()
    over = asyncio.Event()

    async def never(request: web.Request) -> web.Response:
        asked.set()
        await over.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", never)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/?token=secret"
        async with browser.session() as session:
            with pytest.raises(AttemptError) as caught:
                await session.open(url, timeout_s=1)
            await wait_for(asked)
        assert caught.value.status is CaptureStatus.PAGE_ERROR
        assert "secret" not in str(caught.value)
    finally:
        over.set()
        await runner.cleanup()


async def test_nobody_listening_is_a_page_error(browser, site):
    with socket.socket() as bound:  # bound and not listening: nobody else can take the port meanwhile
        bound.bind(("127.0.0.1", 0))
        async with browser.session() as session:
            with pytest.raises(AttemptError, match=r"PAGE_ERROR.*ERR_CONNECTION_REFUSED"):
                await session.open(f"http://127.0.0.1:{bound.getsockname()[1]}/?token=secret", timeout_s=20)


async def test_page_that_blocks_its_main_thread_does_not_block_us(browser, site, wait_for, tmp_path):
    script = tmp_path / "hang.js"
    script.write_text("setTimeout(() => { for (;;); }, 0);")
    async with asyncio.timeout(ENDS_TIMEOUT_S):
        async with browser.session() as session:
            await session.open(site("talks"), timeout_s=20)
            await wait_for(session.tap_started)
            await session.run_script(script)
            with pytest.raises(AttemptError, match="main thread"):
                await session.current_frame()
        async with browser.session() as session:
            await session.open(site("is_quiet"), timeout_s=20)


async def test_page_that_hangs_at_the_end_of_its_call_costs_no_recording(browser, site, wait_for, chirp, tmp_path):
    script = tmp_path / "hang.js"
    script.write_text("setTimeout(() => { for (;;); }, 0);")
    async with browser.session() as session:
        user = BrowserUser(browser, session, "scheduled", "host")
        await user.open(site("talks"), None)
        await user.tapped()
        start = await session.speak(chirp, None)
        async with asyncio.timeout(HEARD_TIMEOUT_S):
            await user.hearing.wait_for(lambda: user.hearing.now > start + 96_000)
        await session.run_script(script)
        begin_s = time.monotonic()
        recording = await user.finish(tmp_path)
        assert time.monotonic() - begin_s < LEAVE_TIMEOUT_S
    assert ANSWER_TIMEOUT_S + FINISH_LIMIT_S < LEAVE_TIMEOUT_S, (
        "the last statistics and the finish fit into the leaving"
    )
    at = start - recording.t0_sample
    assert recording.mic[at : at + len(chirp)].any()
    assert recording.ear.any()
    assert recording.webm.startswith(b"\x1a\x45\xdf\xa3")
    assert recording.timeline is not None
    assert any("main thread blocked" in problem["text"] for problem in recording.console)


async def test_leaving_that_is_broken_off_keeps_what_was_heard(browser, site, wait_for, tmp_path):
    async with browser.session() as session:
        user = BrowserUser(browser, session, "scheduled", "host")
        await user.open(site("talks"), None)
        await user.tapped()
        finishing = asyncio.create_task(user.finish(tmp_path))
        await asyncio.sleep(0)  # it has begun to ask the page
        finishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await finishing
    assert user.recording.mic is not None


async def test_page_that_reloads_in_its_call_is_fatal(browser, site, wait_for):
    async with browser.session() as session:
        await session.open(site("talks"), timeout_s=20)
        await wait_for(session.tap_started)
        await session.open(site("talks"), timeout_s=20)
        await wait_for(session.fatal)
        assert "the page reloaded" in session.errors[-1].text


async def test_page_that_cannot_be_heard_is_fatal(browser, wait_for):
    async with browser.session() as session:
        # A data URL is no secure context: it may connect, but has no AudioWorklet, like a page on plain http.
        await session.open("data:text/html,<script>new RTCPeerConnection()</script>", timeout_s=20)
        await wait_for(session.fatal)
        assert "secure context" in session.errors[-1].text


async def test_recording_that_cannot_be_taken_is_fatal(browser, site, wait_for):
    def full(block: object) -> None:
        raise OSError(28, "No space left on device")

    async with browser.session() as session:
        session.on_audio = full
        await session.open(site("talks"), timeout_s=20)
        await wait_for(session.fatal)
        assert "No space left on device" in session.errors[0].text


async def test_missing_chromium_says_what_to_do(tmp_path):
    with pytest.raises(ProvisionError, match="earwitness doctor"):
        async with launch_browser(tmp_path / "chromium", mic="scheduled"):
            pass


async def test_program_that_is_no_chromium_says_what_it_said_and_what_to_do(tmp_path):
    fake = tmp_path / "chromium"
    fake.write_text("#!/bin/sh\necho no display >&2\nexit 1\n")
    fake.chmod(0o755)
    with pytest.raises(ProvisionError, match=r"no display.*earwitness doctor"):
        async with launch_browser(fake, mic="scheduled"):
            pass


async def test_nothing_of_a_browser_is_left_behind(chromium, site, wait_for):
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    async with launch_browser(chromium, mic="scheduled") as browser:
        async with browser.session() as session:
            await session.open(site("talks"), timeout_s=20)
            await wait_for(session.tap_started)
        started = {process.pid for process in psutil.Process().children(recursive=True)} - before
        assert browser.pid in started
    for pid in started:
        await gone(pid)


async def test_chromium_that_hangs_is_killed_at_the_end(chromium, monkeypatch):
    monkeypatch.setattr("harness.browser.driver.CLOSE_TIMEOUT_S", 1.0)
    async with asyncio.timeout(ENDS_TIMEOUT_S):
        async with launch_browser(chromium, mic="scheduled") as browser:
            assert browser.pid is not None
            os.kill(browser.pid, signal.SIGSTOP)
    await gone(browser.pid)


OTHER_RUN = """
import asyncio, pathlib, signal, sys
from harness.browser.driver import launch_browser

async def main():
    async with launch_browser(pathlib.Path(sys.argv[1]), mic="scheduled") as browser:
        async with browser.session() as session:
            print(browser.pid, flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            await session.open(sys.argv[2], timeout_s=20)
            print(browser.version, flush=True)

signal.signal(signal.SIGINT, signal.SIG_IGN)
asyncio.run(main())
"""


@asynccontextmanager
async def other_run(chromium: Path, url: str, temp: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Another process with a browser, in a group of its own, deaf to SIGINT; gives it and its Chromium's pid."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OTHER_RUN, str(chromium), url,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        env={**os.environ, "TMPDIR": temp},
    )  # fmt: skip
    try:
        async with asyncio.timeout(ENDS_TIMEOUT_S):
            yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_killed_harness_leaves_no_chromium(chromium, site):
    with tempfile.TemporaryDirectory() as temp:
        async with other_run(chromium, site("is_quiet"), temp) as (process, pid):
            family = psutil.Process(process.pid).children(recursive=True)
            assert pid in {one.pid for one in family}
            process.kill()
            await process.wait()
            for one in family:
                await gone(one.pid)


async def test_interrupt_of_the_terminal_does_not_reach_the_browser(chromium, site, tmp_path):
    async with other_run(chromium, site("is_quiet"), str(tmp_path)) as (process, pid):
        os.killpg(process.pid, signal.SIGINT)
        out, _ = await process.communicate(b"\n")
        assert process.returncode == 0
        assert out.strip()
        await gone(pid)
    assert list(tmp_path.iterdir()) == []
