"""Short hashes of code: figures compare only if the same code made them.

`code_hash` covers files as they are. `ears_hash` covers what listening code does: its statements without docstrings, comments,
imports and `__all__`, in whichever file they stand. A move, a comment or another layout does not change it.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
#: Former hash → present hash of the same ears. Former hashes covered the files' bytes; the last two date from before the
#: gate table got columns that judge nothing and names changed. Records with them stay valid.
FORMER_EARS = {
    "37671c91cd99": "c5805e6bff65",
    "5b63cd141b62": "1220b1a243a1",
    "3bd971851c0d": "e0291b981bbe",
    "71db3761705b": "b6acd6b2f75f",
}


def code_hash(files: Iterable[Path]) -> str:
    """Hash the files' names and contents, in the order given. Raises OSError."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def ears_hash(*judging: Path) -> str:
    """Hash the code that listens, and `judging` besides. Raises OSError."""
    statements = sorted(form for path in (*listening_files(), *judging) for form in _statements(path))
    return hashlib.sha256("\n".join(statements).encode()).hexdigest()[:12]


def listening_files() -> list[Path]:
    """The files that measure a capture and prove the network that it went through."""
    return [
        *(HERE / "listen").rglob("*.py"),
        HERE / "model" / "phrases.py",
    ]  # words are compared while a call runs, too


def same_ears(one: str | None, other: str | None) -> bool:
    """Whether two recorded hashes, former or present, name the same ears."""
    return FORMER_EARS.get(one or "", one) == FORMER_EARS.get(other or "", other)


def _statements(path: Path) -> Iterator[str]:
    """Each statement at the top of a module, in one form for every Python that runs it."""
    for statement in ast.parse(path.read_bytes()).body:
        if not _says_nothing(statement):
            yield _form(statement)


def _form(node: object) -> str:
    """`ast.dump` without empty fields, which differ from one Python to the next."""
    if isinstance(node, list):
        return "[" + ",".join(_form(item) for item in node if not _says_nothing(item)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = ((name, value) for name, value in ast.iter_fields(node) if value is not None and value != [])
    if isinstance(node, ast.Constant):
        return f"Constant({node.value!r})"
    return f"{type(node).__name__}({','.join(f'{name}={_form(value)}' for name, value in fields)})"


def _says_nothing(node: object) -> bool:
    """Whether `node` is an import, a lone text (a docstring), the list of exported names, or for the type checker alone."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False
