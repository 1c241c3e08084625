"""One schema on both sides: the page's copy is fresh, and the page judges every sample as Python does."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from harness.model.events import EventError, event_json_schema, parse_event
from runtime.page.token_server import EVENT_SCHEMA_FILE, WEB_FOLDER

SAMPLES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("event_samples.json").read_text(encoding="utf-8"))
REGENERATE = (
    "python -c 'import json; from harness.model.events import event_json_schema as s; print(json.dumps(s(), indent=2))' "
    f"> runtime/page/web/{EVENT_SCHEMA_FILE}"
)
in_browser = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]


def payload(sample: dict[str, Any]) -> bytes:
    return base64.b64decode(sample["base64"]) if "base64" in sample else sample["text"].encode()


def python_takes(sample: dict[str, Any]) -> bool:
    try:
        parse_event(payload(sample))
    except EventError:
        return False
    return True


def test_the_pages_copy_of_the_schema_is_fresh() -> None:
    copy = json.loads((WEB_FOLDER / EVENT_SCHEMA_FILE).read_text(encoding="utf-8"))
    assert copy == event_json_schema(), f"stale; write it anew: {REGENERATE}"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["name"])
def test_python_judges_the_sample_as_written(sample: dict[str, Any]) -> None:
    assert python_takes(sample) is sample["valid"]


class TestInChromium:
    pytestmark = in_browser

    async def test_the_page_judges_every_sample_as_written(self, page: Page) -> None:
        verdicts = await page.evaluate(
            """async (payloads) => {
                const { loadSchema, parseEvent } = await import("/events.js");
                const schema = await loadSchema();
                return payloads.map((text) => {
                  try {
                    parseEvent(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)), schema);
                    return null;
                  } catch (error) {
                    return error.message;
                  }
                });
            }""",
            [base64.b64encode(payload(sample)).decode() for sample in SAMPLES],
        )
        wrong = [
            (sample["name"], said)
            for sample, said in zip(SAMPLES, verdicts, strict=True)
            if (said is None) is not sample["valid"]
        ]
        assert wrong == []

    async def test_the_page_names_the_field_that_is_wrong(self, page: Page) -> None:
        message = await page.evaluate(
            """async (text) => {
                const { loadSchema, parseEvent } = await import("/events.js");
                const schema = await loadSchema();
                try {
                  parseEvent(new TextEncoder().encode(text), schema);
                } catch (error) {
                  return error.message;
                }
            }""",
            next(sample["text"] for sample in SAMPLES if sample["name"] == "clock of unknown kind"),
        )
        assert message.startswith("clock.kind: must be one of monotonic")

    async def test_a_schema_with_a_rule_that_the_page_does_not_know_is_an_error(self, page: Page) -> None:
        message = await page.evaluate(
            """async () => {
                const { findProblem } = await import("/events.js");
                try {
                  findProblem(4, { multipleOf: 2 }, {}, "event");
                } catch (error) {
                  return error.message;
                }
            }"""
        )
        assert "multipleOf" in message
