"""The command of `--agent "command: …"`, checked before a run begins, so that a slip does not fail every attempt."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from harness.errors import UsageError
from harness.model.redaction import redacted


def check_command(text: str) -> None:
    """Raises UsageError, without any secret, for a command that cannot be split or a missing program."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--agent command: cannot be taken apart into words: {_in_words(error)}") from error
    program = words[0] if words else ""
    if not program:
        raise UsageError("--agent command: names no program")
    if "{" in program or _is_there(program):
        return
    shown = redacted(program)
    hint = "give its path, or one that is on PATH"
    if "=" in program:
        hint = "a variable goes into the environment, which the program inherits, or behind `env`: command: env NAME=… PROGRAM"
    elif os.sep in program and Path(program).exists():
        hint = "it is no executable file; name the program that runs it, or `chmod +x` it"
    raise UsageError(f"--agent command: there is no program {shown!r}: {hint}")


def _is_there(program: str) -> bool:
    return shutil.which(program) is not None


def _in_words(error: ValueError) -> str:
    return {"No closing quotation": "a quote is not closed", "No escaped character": "it ends in a backslash"}.get(
        str(error), str(error)
    )
