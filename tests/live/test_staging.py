"""The rule of sessions side by side: nothing loud beside a measurement, waves, and nobody waits for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.live.staging import JobAt, SessionAt, Stage, Steps, next_steps

W, L, R, M, G = Stage.WAITING, Stage.LAUNCHING, Stage.READY, Stage.MEASURING, Stage.LEAVING


def at(*stages: Stage) -> list[SessionAt]:
    return [SessionAt(key, stage) for key, stage in enumerate(stages)]


def steps(sessions: list[SessionAt], jobs: tuple[JobAt, ...] = (), *, limit: int = 2, busy: bool = False) -> Steps:
    return next_steps(sessions, jobs, limit=limit, busy=busy)


def test_as_many_launch_as_there_are_places_in_the_order_they_came() -> None:
    assert steps(at(W, W, W)) == Steps(launch=(0, 1))


def test_nothing_launches_while_another_is_measured() -> None:
    assert steps(at(M, W)) == Steps()


def test_who_is_ready_waits_for_who_launches_and_then_they_are_measured_together() -> None:
    assert steps(at(R, L)) == Steps()
    assert steps(at(R, R, W)) == Steps(measure=(0, 1))


def test_who_is_ready_waits_for_the_place_that_is_being_left() -> None:
    assert steps(at(G, R, W)) == Steps()
    assert steps(at(G, R)) == Steps(measure=(1,)), "nobody is there to take it"


def test_who_is_ready_alone_is_measured_beside_who_is_measured_already() -> None:
    assert steps(at(M, R, W)) == Steps(measure=(1,))


def test_captures_are_heard_one_at_a_time_and_never_beside_a_measurement() -> None:
    jobs = (JobAt(7), JobAt(8))
    assert steps(at(M), jobs) == Steps()
    assert steps([], jobs) == Steps(hear=(7,))
    assert steps([], (JobAt(7, running=True), JobAt(8))) == Steps()
    assert steps(at(R), (JobAt(7, running=True),)) == Steps(), "who is ready waits until it is heard"


def test_a_capture_is_heard_while_the_next_sessions_launch() -> None:
    assert steps(at(W, W), (JobAt(7),)) == Steps(launch=(0, 1), hear=(7,))


def test_a_busy_host_holds_back_the_next_start_but_not_by_our_own_doing() -> None:
    assert steps(at(W, W), busy=True) == Steps()
    assert steps(at(L, W), busy=True) == Steps(launch=(1,))
    assert steps(at(W), (JobAt(7, running=True),), busy=True) == Steps(launch=(0,))


def test_who_has_waited_for_too_long_goes_on() -> None:
    assert steps([SessionAt(0, M), SessionAt(1, W, overdue=True)]) == Steps(launch=(1,))
    assert steps([SessionAt(0, L), SessionAt(1, R, overdue=True)]) == Steps(measure=(1,))
    assert steps([SessionAt(0, W, overdue=True)], busy=True).launch == (0,)
    assert steps(at(M), (JobAt(7, overdue=True),)) == Steps(hear=(7,))
    assert steps([SessionAt(0, M), SessionAt(1, G), SessionAt(2, W, overdue=True)]) == Steps(), "there is no place"


sessions_anywhere = st.lists(st.sampled_from(list(Stage)), max_size=8).map(lambda stages: at(*stages))
jobs_anywhere = st.lists(st.booleans(), max_size=3).map(
    lambda flags: tuple(JobAt(100 + n, running) for n, running in enumerate(flags))
)


@given(sessions_anywhere, jobs_anywhere, st.integers(1, 4), st.booleans())
def test_without_anybody_overdue_loud_work_and_measuring_never_begin_beside_each_other(
    sessions: list[SessionAt], jobs: tuple[JobAt, ...], limit: int, busy: bool
) -> None:
    done = next_steps(sessions, jobs, limit=limit, busy=busy)
    measured = [s for s in sessions if s.stage is M]
    loud = [s for s in sessions if s.stage is L] + [job for job in jobs if job.running]
    if measured:
        assert not done.launch
        assert not done.hear
    if loud or done.launch or done.hear:
        assert not done.measure
    taken = sum(s.stage is not W for s in sessions)
    assert not done.launch or taken + len(done.launch) <= limit


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(1, 4))
def test_everybody_is_measured_in_the_end(lengths: list[int], limit: int) -> None:
    """A made-up clock: launching takes 2 ticks, hearing 1, leaving 1, measuring as long as it takes."""
    stage = dict.fromkeys(range(len(lengths)), W)
    left = dict.fromkeys(range(len(lengths)), 0)
    jobs: dict[int, bool] = {}
    heard: list[int] = []
    for _ in range(40 * len(lengths)):
        now = [SessionAt(k, s) for k, s in stage.items()]
        done = next_steps(now, [JobAt(k, r) for k, r in jobs.items()], limit=limit, busy=False)
        for key in done.launch:
            stage[key], left[key] = L, 2
        for key in done.measure:
            stage[key], left[key] = M, lengths[key]
        for key in [k for k, running in jobs.items() if running]:
            heard.append(key)
            del jobs[key]
        for key in done.hear:
            jobs[key] = True
        for key in list(stage):
            left[key] -= 1
            if left[key] > 0 or stage[key] in (W, R):
                continue
            if stage[key] is G:
                del stage[key]
                jobs[key] = False
            else:
                stage[key], left[key] = {L: R, M: G}[stage[key]], 1
        assert sum(s is not W for s in stage.values()) <= limit
        if len(heard) == len(lengths):
            break
    assert sorted(heard) == list(range(len(lengths)))
