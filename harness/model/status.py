"""The words for how something went: a verdict (Status) and how a capture ended (CaptureStatus).

"The agent was wrong" (FAIL) and "we could not measure" (NO_DATA, INVALID, NOT_APPLIED) are never mixed up.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The status of a gate, a case or a run."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"
    NO_DATA = "NO_DATA"  # a required input is absent
    INVALID = "INVALID"  # measured, but the measurement is not to be believed
    NOT_APPLIED = "NOT_APPLIED"  # what the call should have undergone (a network profile) was not applied
    FLAKY = "FLAKY"  # one attempt failed, another passed
    NOT_APPLICABLE = "NOT_APPLICABLE"  # by declared capability alone, never from missing data


#: Worst first; the status of a whole is the worst of its parts. NOT_APPLICABLE is no verdict.
SEVERITY: tuple[Status, ...] = (
    Status.FAIL,
    Status.FLAKY,
    Status.NO_DATA,
    Status.INVALID,
    Status.NOT_APPLIED,
    Status.WARN,
    Status.PASS,
    Status.NOT_APPLICABLE,
)


def worst(statuses: list[Status]) -> Status:
    """The worst of `statuses`; NOT_APPLICABLE if there is none."""
    return min(statuses, key=SEVERITY.index, default=Status.NOT_APPLICABLE)


class CaptureStatus(StrEnum):
    """How an attempt ended. OK and NO_REPLY_EXPECTED are complete captures; the others say what stopped it.

    The live half sets the ones it can know without measuring (events, processes, timeouts);
    the listening half refines OK into the level-based ones (H-61 to H-66).
    """

    OK = "OK"  # the call came to its end
    NO_REPLY_EXPECTED = "NO_REPLY_EXPECTED"  # negative control: no reply was due, and the call ended in order
    # decided by the listening half, from the recordings
    POST_SILENT = "POST_SILENT"  # a reply has sound in pre_rtc.wav and none in post_rtc.wav
    PRE_MISSING = "PRE_MISSING"  # an instrumented agent left no pre_rtc.wav
    PRE_SILENT = "PRE_SILENT"  # its pre_rtc.wav has no audible reply
    POST_MISSING = "POST_MISSING"  # the second listener left no recording
    SLICE_ERROR = "SLICE_ERROR"  # a reply is not found in post_rtc.wav, though something sounds there
    # decided by the live half
    REPLY_EVENTS_MISSING = "REPLY_EVENTS_MISSING"  # the agent acknowledged the trace, but no reply_start/reply_end came
    REPLY_TIMEOUT = "REPLY_TIMEOUT"  # nothing audible came in time
    REPLY_ENDLESS = "REPLY_ENDLESS"  # the reply did not end within the case's limit
    DIALOGUE_GAVE_UP = "DIALOGUE_GAVE_UP"  # what the case's dialogue waits for did not come in time
    DIALOGUE_UNTOLD = (
        "DIALOGUE_UNTOLD"  # what the case's dialogue hangs on cannot be known: the agent tells of none such
    )
    BARRIER_TIMEOUT = "BARRIER_TIMEOUT"  # a step before the user's first word did not come in time
    AGENT_ABSENT = "AGENT_ABSENT"  # never joined, or joined and published no audio track
    AGENT_UNAVAILABLE = "AGENT_UNAVAILABLE"  # exists, but declined the job (overload, no worker of that name)
    AGENT_CRASH = "AGENT_CRASH"  # its process ended, or it left the room, in mid-turn
    AGENT_LEFT = "AGENT_LEFT"  # it hung up in order, between turns, before the user's last turn
    TWO_AGENTS = "TWO_AGENTS"  # a second agent spoke in the room: whose reply is whose cannot be told
    PAGE_ERROR = "PAGE_ERROR"  # the page threw, or never connected
    BROWSER_CRASH = "BROWSER_CRASH"  # Chromium ended in mid-call
    SERVER_LOST = "SERVER_LOST"  # the media server went away
    LINK_LOST = "LINK_LOST"  # the link that impairs the network ended, without a profile asking for it
    CALL_DROPPED = "CALL_DROPPED"  # the profile's outage outlasted the call's patience
    CAPTURE_WRITE_ERROR = "CAPTURE_WRITE_ERROR"  # the disk is full, or not writable
    MIC_WINDOW_MISSED = "MIC_WINDOW_MISSED"  # device microphone: an offset fell outside the case's window
    INTERRUPTED = "INTERRUPTED"  # Ctrl-C
    HARNESS_ERROR = "HARNESS_ERROR"  # a fault of ours


#: The call came to its end: what it holds can be measured.
COMPLETE = frozenset({CaptureStatus.OK, CaptureStatus.NO_REPLY_EXPECTED})
