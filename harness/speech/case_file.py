"""Read case files: YAML → Case, with file, line and key in every error.

PyYAML's node tree keeps the line of each key; pydantic's error locations are looked up in it.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from harness.errors import CaseError
from harness.model.case import Case

Location = tuple[int | str, ...]


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
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CaseError(path, None, f"is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise CaseError(path, None, f"cannot be read: {error.strerror}") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        raise CaseError(path, mark.line + 1 if mark else None, f"not valid YAML: {problem}") from error
    if node is None or not isinstance(data, dict):
        raise CaseError(
            path, 1, "is empty" if node is None else "must be a mapping of keys (id, title, tier, speech, …)"
        )
    lines = _Lines(node, path)
    try:
        return Case.model_validate(data)
    except ValidationError as error:
        where, message = _explain(error, data)
        raise CaseError(path, lines.of(where), message) from error


def _explain(error: ValidationError, data: Any) -> tuple[Location, str]:
    """The one error that the writer most likely made: of a union's branches the one that got furthest."""
    found = error.errors(include_url=False)
    first = min(found, key=lambda item: (_unlikely(item), -len(item["loc"])))
    location = first["loc"]
    key = ".".join(str(part) for part in location if not (isinstance(part, str) and part[:1].isupper()))
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), _known_keys(), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return location, f"unknown key {key!r}{hint}"
    if first["type"] == "missing":
        return location[:-1], f"key {key!r} is missing"
    given = first.get("input")
    shown = "" if isinstance(given, (dict, list)) else f", not {given!r}"
    return location, f"{key}: {first['msg']}{shown}"


def _unlikely(item: Any) -> int:
    """A union reports an error for each branch that was not meant: there, keys of the other branch are extra or missing."""
    if item["type"] == "extra_forbidden":
        return 3 if item["loc"][-1] in _known_keys() else 0
    return 2 if item["type"] == "missing" else 1


def _known_keys() -> set[str]:
    import harness.model.case as schema

    models = [item for item in vars(schema).values() if isinstance(item, type) and issubclass(item, BaseModel)]
    return {name for model in models for name in model.model_fields}


def load_cases(path: Path) -> list[tuple[Path, Case]]:
    """A case file, or all *.yaml of a folder, sorted by name. Raises CaseError, also for an id that stands twice."""
    files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
    cases: list[tuple[Path, Case]] = []
    seen: dict[str, Path] = {}
    for file in files:
        case = load_case(file)
        if case.id in seen:
            raise CaseError(file, None, f"id {case.id!r} is already used in {seen[case.id]}")
        seen[case.id] = file
        cases.append((file, case))
    return cases
