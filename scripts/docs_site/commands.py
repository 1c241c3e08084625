"""The command line as it knows itself: each verb's help, arguments, options, exit statuses; the pytest plugin's options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer.main

from earwitness.plugin_options import OPTIONS
from earwitness.pytest_plugin import MARKERS
from harness.commands.main import app
from scripts.docs_site.markdown import code, table

PROGRAM = "earwitness"


def all_commands() -> Iterator[tuple[str, Any]]:
    """(`earwitness run`, its command), groups' own verbs too, in the order of `--help`."""

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        verbs = getattr(command, "commands", {})
        if not verbs or (command.params and name != PROGRAM):
            yield name, command
        for verb, inner in verbs.items():
            yield from walk(f"{name} {verb}", inner)

    yield from walk(PROGRAM, typer.main.get_command(app))


def commands() -> str:
    sections = []
    for name, command in all_commands():
        if getattr(command, "hidden", False) or name == PROGRAM:
            continue
        sections.append(_section(name, command))
    return "\n\n".join(sections)


def option_help(name: str) -> dict[str, str]:
    """Option → what its help says, of one verb."""
    command = dict(all_commands())[name]
    return {opt: _prose(option.help) for option in command.params if option.help for opt in option.opts}


def overview() -> str:
    rows = []
    for name, command in all_commands():
        if name != PROGRAM:
            rows.append((f"[`{name}`](#{_anchor(name)})", _prose(command.help).split("\n\n")[0].replace("\n", " ")))
    return table(("command", "what it does"), rows)


def pytest_options() -> str:
    options = table(("option", "meaning"), [(f"`--ew-{name}`", text) for name, text in OPTIONS])
    strict = "`--ew-strict`: WARN fails a case too."
    markers = table(("marker", "which cases"), [marker.split(": ", 1) for marker in MARKERS])
    return f"{options}\n\n{strict}\n\n{markers}"


def _section(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden and p.opts != ["--help"]]
    usage = " ".join([name, *(["[OPTIONS]"] if options else []), *(_metavar(a) for a in arguments)])
    parts = [f"## `{name}` {{#{_anchor(name)}}}", f"```text\n{usage}\n```", _prose(command.help)]
    if arguments:
        parts.append(table(("argument", "meaning"), [(code(_metavar(a)), a.help or "") for a in arguments]))
    if options:
        parts.append(table(("option", "meaning", "default"), [_option(o) for o in options]))
    if command.epilog:
        parts.append(_prose(command.epilog))
    return "\n\n".join(part for part in parts if part)


def _option(option: Any) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    takes = "" if option.is_flag else f" {code(_takes(option))}"
    return names + takes, _prose(option.help or ""), _default(option)


def _default(option: Any) -> str:
    if option.required:
        return "needed"
    if isinstance(option.show_default, str):
        return option.show_default
    if option.default is None or option.default is False or option.show_default is False:
        return ""
    return code("on" if option.default is True else str(option.default))


def _takes(option: Any) -> str:
    described = option.type_descriptor
    choices = "|".join(str(choice) for choice in described.choices) if described.is_choice else ""
    number = any(kind in str(described.annotation) for kind in ("int", "float"))
    return option.metavar or choices or ("NUMBER" if number else "PATH" if described.is_path else "TEXT")


def _metavar(argument: Any) -> str:
    return argument.metavar or (argument.name.upper() if argument.required else f"[{argument.name.upper()}]")


def _prose(text: str | None) -> str:
    """Help as prose: rich's brackets are none of Markdown's, and an angle bracket is no tag."""
    return re.sub(r"<(?=\w)", "&lt;", (text or "").replace("\b", "").strip())


def _anchor(name: str) -> str:
    return name.removeprefix(f"{PROGRAM} ").replace(" ", "-")
