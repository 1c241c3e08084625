"""A case as it is held and judged: its own rules, and the run's where it leaves them open."""

from __future__ import annotations

from dataclasses import replace

from harness.model.plan import CallRules, under_rules
from tests.nightly.made import built


def test_what_a_case_leaves_open_is_as_the_run_says() -> None:
    held = under_rules(built("c"), CallRules(greeting="required", hangup="expected"))
    assert (held.case.greeting, held.case.hangup, held.case.turn_quiet_ms) == ("required", "expected", None)


def test_what_a_case_says_itself_stands() -> None:
    own = built("c")
    own = replace(own, case=own.case.model_copy(update={"greeting": "none"}))
    assert under_rules(own, CallRules(greeting="required")).case.greeting == "none"


def test_the_usual_rules_leave_a_case_as_it_is() -> None:
    own = built("c")
    assert under_rules(own, CallRules()) is own
