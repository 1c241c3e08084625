"""Read case files: YAML → Case, with file, line and key in every error.

PyYAML's node tree keeps the line of each key; pydantic's error locations are looked up in it.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from harness.errors import CaseError
from harness.model.case import (
    Case,
    ExpectedSilence,
    Impulse,
    Noise,
    Pause,
    Recipe,
    Recording,
    Say,
    StartAfter,
    StartAt,
    TruthSpan,
    Utterance,
)

Location = tuple[int | str, ...]
#: Names that pydantic puts into a location for the branch of a union; they do not stand in the file.
TAGS: dict[Any, type[BaseModel]] = {
    model.__name__: model for model in (Say, Pause, Impulse, StartAt, StartAfter, Recipe, Recording)
}
#: Keys under which a mapping of one known kind stands.
MODELS: dict[Any, type[BaseModel]] = {
    "utterances": Utterance,
    "noise": Noise,
    "truth": TruthSpan,
    "expected_silence": ExpectedSilence,
}
MOST_TELLING = ("extra_forbidden", "missing")


class _Lines:
    """The line of each key and item of a YAML document, by its location."""

    def __init__(self, node: yaml.Node, path: Path) -> None:
        self.lines: dict[Location, int] = {(): node.start_mark.line + 1}
        self._walk(node, (), path)

    def _walk(self, node: yaml.Node, at: Location, path: Path) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                place = (*at, key.value)
                line = key.start_mark.line + 1
                if place in self.lines:
                    raise CaseError(path, line, f"key {key.value!r} stands twice (first in line {self.lines[place]})")
                self.lines[place] = line
                self._walk(value, place, path)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self.lines[(*at, index)] = value.start_mark.line + 1
                self._walk(value, (*at, index), path)

    def of(self, location: Location) -> int:
        """The line of the deepest part of `location` that stands in the file (unions add parts that do not)."""
        place: Location = ()
        for part in location:
            if (*place, part) in self.lines:
                place = (*place, part)
        return self.lines[place]


def load_case(path: Path) -> Case:
    """Raises CaseError with file, line and what is wrong."""
    return _load(path)[0]


def _load(path: Path) -> tuple[Case, _Lines]:
    data, lines = _parse(_read(path), path)
    try:
        case = Case.model_validate(data)
    except ValidationError as error:
        where, message = _explain(error)
        raise CaseError(path, lines.of(where), message) from error
    if case.expect_reply and isinstance(case.speech, Recipe) and not any(u.is_turn for u in case.speech.utterances):
        message = "speech: nobody says anything that is a turn; add an utterance, or set expect_reply: false"
        raise CaseError(path, lines.of(("speech",)), message)
    return case, lines


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CaseError(path, None, f"is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise CaseError(path, None, f"cannot be read: {error.strerror}") from error


def _parse(text: str, path: Path) -> tuple[dict[Any, Any], _Lines]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
        lines = _Lines(node, path) if node is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
        raise CaseError(path, mark.line + 1 if mark else None, f"not valid YAML: {problem}") from error
    except ValueError as error:  # a scalar that looks like a date or a number, and is none
        raise CaseError(path, None, f"not valid YAML: {error}; put the value in quotes") from error
    except RecursionError as error:
        raise CaseError(path, None, "is nested too deeply, or an alias refers to itself") from error
    if lines is None:
        raise CaseError(path, 1, "is empty")
    if not isinstance(data, dict):
        raise CaseError(path, 1, "must be a mapping of keys (id, title, tier, speech, …)")
    return data, lines


def _explain(error: ValidationError) -> tuple[Location, str]:
    """The error that the writer most likely made, in the words of the file: a mistyped key is also a missing one."""
    found = error.errors(include_url=False)
    first = min(found, key=lambda item: (*MOST_TELLING, item["type"]).index(item["type"]))
    location = tuple(part for part in first["loc"] if part not in TAGS)
    key = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        return location, f"unknown key {key!r}; {_hint(str(location[-1]), _model_at(first['loc'][:-1]))}"
    if first["type"] == "missing":
        return location[:-1], f"key {key!r} is missing"
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    message = re.sub(r"a valid dictionary( or instance of \w+)?", "a mapping of keys", message)
    given = first.get("input")
    if first["type"] == "one_of" and isinstance(given, dict):
        message += f", has {', '.join(map(str, given)) or 'none'}"
    elif not isinstance(given, (dict, list)):
        message += f", not {given!r}"
    return location, f"{key}: {message}" if key else message


def _model_at(location: Location) -> type[BaseModel]:
    """The model whose keys are meant at `location`."""
    for part in reversed(location):
        if part in TAGS:
            return TAGS[str(part)]
        if part in MODELS:
            return MODELS[str(part)]
    return Case


def _hint(key: str, model: type[BaseModel]) -> str:
    known = [*model.model_fields, "wav"] if model is Recipe else list(model.model_fields)
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"


def load_cases(path: Path) -> list[tuple[Path, Case]]:
    """A case file, or all *.yaml of a folder, sorted by name. Raises CaseError, also for an id that stands twice."""
    files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
    cases: list[tuple[Path, Case]] = []
    seen: dict[str, Path] = {}
    for file in files:
        case, lines = _load(file)
        if case.id in seen:
            raise CaseError(file, lines.of(("id",)), f"id {case.id!r} is already used in {seen[case.id]}")
        seen[case.id] = file
        cases.append((file, case))
    return cases
