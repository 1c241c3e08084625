"""What the source says of its own names: the comment behind a field, a member or a constant. Reads text, runs nothing."""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True)
class Named:
    """One name as it is written: `type` and `default` are source text, `about` is the comment behind it."""

    name: str
    type: str
    default: str
    about: str


def fields_of(owner: type) -> list[Named]:
    """The annotated fields, or the members of an enumeration, in order."""
    path = Path(inspect.getfile(owner))
    body = next(n for n in ast.walk(_tree(path)) if isinstance(n, ast.ClassDef) and n.name == owner.__name__).body
    return list(_named(path, body))


def constants_of(module: ModuleType) -> list[Named]:
    """The constants at the top of a module, in order."""
    path = Path(inspect.getfile(module))
    return [named for named in _named(path, _tree(path).body) if named.name.isupper()]


def _named(path: Path, body: list[ast.stmt]) -> Iterator[Named]:
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            default = ast.unparse(node.value) if node.value is not None else ""
            yield Named(node.target.id, ast.unparse(node.annotation), default, _comment(path, node))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield Named(node.targets[0].id, "", ast.unparse(node.value), _comment(path, node))


def _comment(path: Path, node: ast.stmt) -> str:
    comments = _comments(path)
    lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return " ".join(comments[line] for line in lines if line in comments)


@lru_cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@lru_cache
def _comments(path: Path) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    return {token.start[0]: token.string.lstrip("#: ") for token in tokens if token.type == tokenize.COMMENT}
