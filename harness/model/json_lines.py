r"""The lines of a JSON Lines file: one record each, ended by "\n" and by nothing else.

`str.splitlines` ends a line at U+2028, U+2029 and U+0085 too, which a JSON string may hold as they are (RFC 8259): a
reply with one of them would be two broken records.
"""

from __future__ import annotations


def lines_of(text: str) -> list[str]:
    r"""Without their ends. What follows the last "\n" is a line if there is anything (a record that a kill tore)."""
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]
