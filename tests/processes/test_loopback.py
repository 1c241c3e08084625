"""A program finds this machine without its user's proxy, and keeps what its user says of other hosts."""

from __future__ import annotations

import pytest

from harness.processes.loopback import past_the_proxy

HERE = "127.0.0.1,localhost,::1"


@pytest.mark.parametrize(
    ("env", "big", "small"),
    [
        ({}, HERE, HERE),
        ({"NO_PROXY": ""}, HERE, HERE),
        ({"NO_PROXY": "intern.example"}, f"intern.example,{HERE}", f"intern.example,{HERE}"),
        ({"no_proxy": "a, localhost"}, "a,localhost,127.0.0.1,::1", "a,localhost,127.0.0.1,::1"),
        ({"NO_PROXY": "a", "no_proxy": "b"}, f"a,{HERE}", f"b,{HERE}"),
    ],
)
def test_what_the_user_has_stays_and_this_machine_is_added(env: dict[str, str], big: str, small: str) -> None:
    assert past_the_proxy(env) == {"NO_PROXY": big, "no_proxy": small}
