"""Read a YAML file that people write: its data, the line of each key, and pydantic's complaints in the words of the file.

PyYAML's node tree keeps the line of each key; pydantic's error locations are looked up in it. Cases, network profiles
and night plans are read this way, each with its own error class.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from harness.errors import FileError

Location = tuple[int | str, ...]
MOST_TELLING = ("extra_forbidden", "missing")
MOST_VALUES = 100_000  # with every alias written out; a case with a minute of utterances has a few hundred


class Lines:
    """The line of each key and item of a YAML document, by its location."""

    def __init__(self, node: yaml.Node, path: Path, error: type[FileError]) -> None:
        self.lines: dict[Location, int] = {(): node.start_mark.line + 1}
        self._error = error
        self._walk(node, (), path)

    def _walk(self, node: yaml.Node, at: Location, path: Path) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                place = (*at, key.value)
                line = key.start_mark.line + 1
                if place in self.lines:
                    raise self._error(path, line, f"key {key.value!r} stands twice (first in line {self.lines[place]})")
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


def read_yaml(path: Path, error: type[FileError], keys: str) -> tuple[dict[Any, Any], Lines]:
    """The mapping in `path` with its lines; `keys` names some keys it should have. Raises `error`."""
    data, lines = read_values(path, error)
    if lines is None:
        raise error(path, 1, "is empty")
    if not isinstance(data, dict):
        raise error(path, 1, f"must be a mapping of keys ({keys}, …)")
    return data, lines


def read_values(path: Path, error: type[FileError]) -> tuple[Any, Lines | None]:
    """Whatever stands in `path`, with its lines; no lines if it is empty. Raises `error`."""
    return _parse(_read(path, error), path, error)


def _read(path: Path, kind: type[FileError]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise kind(path, None, f"is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise kind(path, None, f"cannot be read: {error.strerror}") from error


def _parse(text: str, path: Path, kind: type[FileError]) -> tuple[Any, Lines | None]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None and _values(node, {}) > MOST_VALUES:
            raise kind(
                path, None, f"is too large: with its aliases written out it has more than {MOST_VALUES:,} values"
            )
        data = yaml.safe_load(text)
        lines = Lines(node, path, kind) if node is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
        raise kind(path, mark.line + 1 if mark else None, f"not valid YAML: {problem}") from error
    except ValueError as error:  # a scalar only looks like a date or a number
        raise kind(path, None, f"not valid YAML: {error}; put the value in quotes") from error
    except RecursionError as error:
        raise kind(path, None, "is nested too deeply, or an alias refers to itself") from error
    return data, lines


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values `node` has with every alias written out. Each part is counted once, so nested aliases cost nothing."""
    if id(node) not in known:
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            parts = node.value
        known[id(node)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(node)]


def explain(
    error: ValidationError, known_at: Callable[[Location], Sequence[str]], tags: Container[Any] = ()
) -> tuple[Location, str]:
    """The writer's most likely mistake, in the words of the file (a mistyped key is also reported as missing).

    `known_at` gives the keys known at a location; `tags` are the parts that pydantic adds for a union's branch.
    """
    found = error.errors(include_url=False)
    first = min(found, key=lambda item: (*MOST_TELLING, item["type"]).index(item["type"]))
    location = tuple(part for part in first["loc"] if part not in tags)
    key = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        return location, f"unknown key {key!r}; {_hint(str(location[-1]), known_at(first['loc'][:-1]))}"
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


def _hint(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
