"""Read case files: YAML → Case, with file, line and key in every error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from harness.errors import CaseError
from harness.model.case import (
    Case,
    Echo,
    ExpectedSilence,
    Impulse,
    Noise,
    Pause,
    Recipe,
    RecordedWords,
    Recording,
    Say,
    StartAfter,
    StartAt,
    TruthSpan,
    Utterance,
)
from harness.model.dialogue import (
    AgentAsks,
    AgentSays,
    AgentSilent,
    Choice,
    Dialogue,
    Repeat,
    SayLine,
    ToolReturned,
    WaitFor,
)
from harness.model.expect import ExpectedGreeting
from harness.yaml_file import Lines, Location, explain, read_yaml

#: Names that pydantic puts into a location for the branch of a union; they do not stand in the file.
TAGS: dict[Any, type[BaseModel]] = {
    model.__name__: model
    for model in (
        Say, Pause, Impulse, RecordedWords, StartAt, StartAfter, Recipe, Recording, ExpectedGreeting,
        SayLine, WaitFor, Choice, Repeat, AgentSays, AgentAsks, ToolReturned, AgentSilent,
    )
}  # fmt: skip
#: Keys under which a mapping of one known kind stands.
MODELS: dict[Any, type[BaseModel]] = {
    "utterances": Utterance,
    "noise": Noise,
    "truth": TruthSpan,
    "expected_silence": ExpectedSilence,
    "echo": Echo,
    "dialogue": Dialogue,
}


def load_case(path: Path) -> Case:
    """Raises CaseError with file, line and what is wrong."""
    return _load(path)[0]


def _load(path: Path) -> tuple[Case, Lines]:
    data, lines = read_yaml(path, CaseError, "id, title, tier, speech")
    try:
        case = Case.model_validate(data)
    except ValidationError as error:
        where, message = explain(error, _known_at, TAGS)
        raise CaseError(path, lines.of(where), message) from error
    turns = isinstance(case.speech, Recording) or case.dialogue or any(u.is_turn for u in case.speech.utterances)
    if case.expect_reply and not turns:
        message = "speech: nobody says anything that is a turn; add an utterance, or set expect_reply: false"
        raise CaseError(path, lines.of(("speech",)), message)
    return case, lines


def _model_at(location: Location) -> type[BaseModel]:
    """The model whose keys are meant at `location`."""
    for part in reversed(location):
        if part in TAGS:
            return TAGS[str(part)]
        if part in MODELS:
            return MODELS[str(part)]
    return Case


def _known_at(location: Location) -> list[str]:
    model = _model_at(location)
    names = [field.alias or name for name, field in model.model_fields.items()]
    return [*names, "wav"] if model is Recipe else names


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
