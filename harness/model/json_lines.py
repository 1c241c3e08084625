r"""The lines of a JSON Lines file: one record each, ended by "\n" and by nothing else.

`str.splitlines` ends a line at U+2028, U+2029 and U+0085 too, which a JSON string may hold as they are (RFC 8259): a
reply with one of them would be two broken records.
"""

from __future__ import annotations


def lines_of(text: str) -> list[str]:
    r"""The lines without their ends. Any text after the last "\n" is a line too (a record that a kill tore)."""
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]
