"""What an agent is told with the call: JSON, a file, a table; and one clear line for what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model.plan import NOTHING_TOLD, Invitation
from harness.settings import load_settings

WORKER = {"agent": "dispatch:w"}


def told(folder: Path, **flags: str) -> Invitation:
    return load_settings({**WORKER, **flags}, folder=folder, env={}).invitation()


def test_json_is_passed_on_as_it_is_written(tmp_path: Path) -> None:
    found = told(
        tmp_path, dispatch_metadata='{"customer":  "acme"}', attributes='{"plan": "gold"}', room_metadata='["é"]'
    )
    assert found == Invitation('{"customer":  "acme"}', (("plan", "gold"),), '["é"]')
    assert told(tmp_path) == NOTHING_TOLD


def test_a_plain_text_is_a_json_string_and_its_content_is_passed_on(tmp_path: Path) -> None:
    assert told(tmp_path, dispatch_metadata='"customer-42"').dispatch_metadata == "customer-42"


def test_a_file_is_read_and_a_table_of_the_configuration_is_json(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"customer": "acme"}')
    (tmp_path / "earwitness.toml").write_text('[earwitness]\nroom_metadata = {tenant = "acme"}\n')
    found = told(tmp_path, dispatch_metadata=f"@{tmp_path / 'job.json'}")
    assert (found.dispatch_metadata, found.room_metadata) == ('{"customer": "acme"}', '{"tenant": "acme"}')


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"dispatch_metadata": "{customer: acme}"}, r"--dispatch-metadata: not JSON .*character 2.*@FILE"),
        ({"room_metadata": "acme"}, r'--room-metadata: not JSON .*a plain text is written as "text"'),
        ({"room_metadata": "@nowhere.json"}, r"--room-metadata nowhere.json: No such file"),
        ({"attributes": '["gold"]'}, "--attributes: expected an object of texts"),
        ({"attributes": '{"age": 3}'}, "attribute 'age' is 3; an attribute has a name and is a text"),
        ({"attributes": '{"": "x"}'}, "an attribute has a name"),
        ({"attributes": '{"role": "probe"}'}, "the user cannot have the role 'probe'"),
        ({"agent": "room", "dispatch_metadata": "{}"}, "needs --agent dispatch:NAME; --agent 'room' gets no job"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(flags: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        told(tmp_path, **flags)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{\n"customer": acme}')
    with pytest.raises(UsageError, match=r"job\.json:2: not JSON"):
        told(tmp_path, dispatch_metadata=f"@{tmp_path / 'job.json'}")
