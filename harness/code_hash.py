"""Short hashes of code: numbers that other code made are other numbers.

`code_hash` is of files as they are. `ears_hash` is of what listening code does: its statements without docstrings, comments,
imports and `__all__`, in whichever file they stand. A move, a comment or another layout leaves it as it is.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
#: What ears were called before by what they are called now: by a hash of the files' bytes; and, of the last two, before the
#: gate table had columns that judge nothing and names changed. Records of that time stay valid.
FORMER_EARS = {
    "37671c91cd99": "c5805e6bff65",
    "5b63cd141b62": "1220b1a243a1",
    "3bd971851c0d": "e0291b981bbe",
    "71db3761705b": "b6acd6b2f75f",
}


def code_hash(files: Iterable[Path]) -> str:
    """Of the files' names and contents, in the order given. Raises OSError."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def ears_hash(*judging: Path) -> str:
    """Of the code that listens, and of `judging` besides. Raises OSError."""
    statements = sorted(form for path in (*listening_files(), *judging) for form in _statements(path))
    return hashlib.sha256("\n".join(statements).encode()).hexdigest()[:12]


def listening_files() -> list[Path]:
    """What measures a capture, and what proves the network that it went through."""
    return list((HERE / "listen").rglob("*.py"))


def same_ears(one: str | None, other: str | None) -> bool:
    """Whether two recorded versions are of the same ears, by whichever hash each was written down."""
    return FORMER_EARS.get(one or "", one) == FORMER_EARS.get(other or "", other)


def _statements(path: Path) -> Iterator[str]:
    """Each statement at the top of a module, in one form for every Python that runs it."""
    for statement in ast.parse(path.read_bytes()).body:
        if not _says_nothing(statement):
            yield _form(statement)


def _form(node: object) -> str:
    """As `ast.dump`, without what differs from one Python to the next: fields that are empty."""
    if isinstance(node, list):
        return "[" + ",".join(_form(item) for item in node if not _says_nothing(item)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = ((name, value) for name, value in ast.iter_fields(node) if value is not None and value != [])
    if isinstance(node, ast.Constant):
        return f"Constant({node.value!r})"
    return f"{type(node).__name__}({','.join(f'{name}={_form(value)}' for name, value in fields)})"


def _says_nothing(node: object) -> bool:
    """An import, a text that stands alone (a docstring), the list of exported names, what is for the type checker alone."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False
