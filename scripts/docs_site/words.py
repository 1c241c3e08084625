"""Statuses, events, files and settings: what each name means, from the comment behind it in the code that uses it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import yaml

import earwitness
from harness.judge.fixes import FIXES
from harness.model import capture, case, dialogue, events, expect, status
from harness.options.sources import ENV_NAMES, PREFIX
from harness.settings import OF_GATES, Settings
from scripts.docs_site.commands import option_help
from scripts.docs_site.markdown import code, table
from scripts.docs_site.source import Named, constants_of, fields_of

EXAMPLES = Path(__file__).parents[2] / "examples"


def capture_statuses() -> str:
    rows = [(code(word.name), word.about, FIXES.get(word.name, "")) for word in fields_of(status.CaptureStatus)]
    return table(("status", "means", "what to do"), rows)


def event_types() -> str:
    return table(("type", "who tells whom what"), [(code(_text(e)), e.about) for e in fields_of(events.EventType)])


def event_fields() -> str:
    return fields_table(events.Event)


def agent_trace_fields() -> str:
    return fields_table(events.AgentTurnTrace)


def turn_times() -> str:
    return table(("time", "when"), [(code(t.name), t.about) for t in fields_of(events.TurnTimes)])


def capture_files() -> str:
    names = [n for n in constants_of(capture) if n.default.startswith(("'", "tuple("))]
    return table(("file", "what it holds"), [(_files(n), n.about) for n in names])


def settings() -> str:
    """What has no comment of its own means what the option of `earwitness run` says."""
    options = option_help("earwitness run")
    defaults = {field.name: field.default for field in dataclasses.fields(Settings)}
    rows = []
    for field in fields_of(Settings):
        if field.name in OF_GATES:
            continue
        env = ENV_NAMES.get(field.name, f"{PREFIX}{field.name.upper()}")
        about = field.about or options.get(f"--{field.name.replace('_', '-')}", "")
        rows.append((code(field.name), code(env), code(_written(defaults[field.name])), about))
    return table(("`earwitness.toml`", "environment", "default", "meaning"), rows)


def _written(default: object) -> str:
    """As a person writes it in a file; nothing where there is none."""
    if default is None or default is dataclasses.MISSING or default == ():
        return ""
    return (
        str(default).lower()
        if isinstance(default, bool)
        else f"{default:g}"
        if isinstance(default, float)
        else str(default)
    )


def public_face() -> str:
    """The list in the docstring of the package: its items say what each name is."""
    listed = [line for line in (earwitness.__doc__ or "").splitlines() if line.startswith("- ")]
    return "\n".join(listed)


def example_package() -> str:
    text = (EXAMPLES / "packaged" / "pyproject.toml").read_text(encoding="utf-8")
    points = [part.strip() for part in text.split("\n\n") if part.strip().startswith("[project.entry-points")]
    return "```toml\n" + "\n\n".join(points) + "\n```"


def action_inputs() -> str:
    inputs = yaml.safe_load((EXAMPLES.parent / "action.yml").read_text(encoding="utf-8"))["inputs"]
    rows = [(code(name), said["description"], code(str(said["default"]))) for name, said in inputs.items()]
    return table(("input", "meaning", "default"), rows)


def case_fields() -> str:
    kinds: Sequence[tuple[str, type]] = (
        ("A case", case.Case),
        ("`speech`, as a recipe", case.Recipe),
        ("An utterance", case.Utterance),
        ("A part: words", case.Say),
        ("A part: a pause", case.Pause),
        ("A part: an impulse", case.Impulse),
        ("A part: recorded words", case.RecordedWords),
        ("`start`, at a time", case.StartAt),
        ("`start`, after something heard", case.StartAfter),
        ("`noise`", case.Noise),
        ("`speech`, as a recording", case.Recording),
        ("`truth` of a recording", case.TruthSpan),
        ("`dialogue`", dialogue.Dialogue),
        ("A step: a line", dialogue.SayLine),
        ("A step: a wait", dialogue.WaitFor),
        ("A step: a branch", dialogue.Choice),
        ("A step: a loop", dialogue.Repeat),
        ("What is waited for: words", dialogue.AgentSays),
        ("What is waited for: a question", dialogue.AgentAsks),
        ("What is waited for: a tool", dialogue.ToolReturned),
        ("What is waited for: silence", dialogue.AgentSilent),
        ("`expected_silence`", case.ExpectedSilence),
        ("`echo`", case.Echo),
        ("`greeting`, as a mapping", expect.ExpectedGreeting),
    )
    return "\n\n".join(f"### {title}\n\n{fields_table(kind)}" for title, kind in kinds)


def fields_table(owner: type) -> str:
    rows = [
        (
            code(f.name.rstrip("_")),
            code(_type(f)),
            _default(f),
            f.about,
        )  # `if` is a word of Python's, and has a tail there
        for f in fields_of(owner)
        if f.name != "model_config"
    ]
    return table(("key", "type", "default", "meaning"), rows)


def _type(field: Named) -> str:
    """With the bounds that pydantic holds it to."""
    kind = (
        field.type.replace(" | None", "").removeprefix("Literal").strip("[]")
        if "Literal" in field.type
        else field.type.replace(" | None", "")
    )
    return " ".join(filter(None, [kind.replace("'", ""), _bounds(field.default)]))


BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def _bounds(source: str) -> str:
    if not source.startswith("Field("):
        return ""
    found = dict(part.split("=", 1) for part in source[6:-1].replace(", ", ",").split(",") if "=" in part)
    return " ".join(f"{sign} {found[key]}" for key, sign in BOUNDS.items() if key in found)


def _default(field: Named) -> str:
    source = field.default
    if source.startswith("Field("):
        found = [part for part in source[6:-1].split(", ") if part.startswith(("default=", "default_factory="))]
        source = found[0].split("=", 1)[1] if found else ""
        source = {"list": "[]", "dict": "{}"}.get(source, source)
    if source == "None":
        return ""
    return code({"True": "true", "False": "false", "''": ""}.get(source, source.strip("'")))


def _text(named: Named) -> str:
    return named.default.strip("'\"")


def _files(named: Named) -> str:
    return (
        "`post_rtc_track1.wav` …" if named.default.startswith("(") or "tuple" in named.default else code(_text(named))
    )
