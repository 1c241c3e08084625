"""Take secrets out of text that is kept or shown: command lines, URLs, logs, errors.

A secret is what follows a name that says so (`--api-key X`, `OPENAI_API_KEY=X`, `?token=X`, `Authorization: Bearer X`), the
password of a URL, a JWT, a key of a known form, or a long word of letters and digits. Placeholders (`{token}`) and
references to the environment (`$KEY`) are none. Redaction is idempotent. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

MARK = "***"
SHORTEST_ELSEWHERE = 6  # a shorter secret is not looked for in other texts: it would match ordinary words

_SECRET_WORDS = {
    "key", "apikey", "secret", "token", "password", "passwd", "passphrase", "pwd", "credential", "credentials",
    "auth", "authorization", "bearer", "jwt", "cookie",
}  # fmt: skip
_PROSE_WORDS = {"key", "token", "auth", "cookie"}  # `unknown key: x` names no secret
_NAMED = re.compile(
    r"""(?P<in_url>(?<=[?&]))?(?<![A-Za-z0-9_.-])(?P<name>[A-Za-z0-9_.-]{0,40}(?:key|secret|token|passw(?:or)?d|passphrase|pwd|credential|auth|bearer|jwt|cookie)
        [A-Za-z0-9_.-]{0,40}(?![A-Za-z0-9_.-]))
        (?P<between>["']?\s*[=:]\s*(?:(?:Bearer|Basic|Token)\s+)?|\s+(?=[^\s-]))
        (?P<value>"[^"\n]*"|'[^'\n]*'|(?(in_url)[^\s"'&\#]+|["']?[^\s"']+))""",
    re.IGNORECASE | re.VERBOSE,
)
_PASSWORD_OF_URL = re.compile(
    r"(?<![A-Za-z0-9+.-])(?P<before>[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"']*:)(?P<value>[^\s/@\"']+)(?=@)"
)
_KNOWN_FORM = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{8,}|gh[pousr]_\w{16,}|xox[abprs]-[\w-]{8,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}"
    r"|eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?)"
)
_LONG_WORD = re.compile(r"(?<![\w/.\\-])(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[A-Za-z0-9_-]{32,}(?![\w/.\\-])")
_NO_SECRET = re.compile(r"""["']?(?:\*\*\*|\$\w+|\$\{\w+\}|\{\w+\}|<[^>]*>)["']?$|["']{2}$""")


def _says_secret(name: str, between: str) -> bool:
    """Decided by the last word: an API_KEY is secret, a KeyError or key-file is not."""
    parts = [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    if not parts or parts[-1] not in _SECRET_WORDS:
        return False
    if between.isspace():
        return name.startswith("-")
    in_prose = name in _PROSE_WORDS and between.startswith(":") and between.endswith(" ")
    return not in_prose


def _found(text: str) -> Iterable[tuple[int, int]]:
    """[from, to) of each secret."""
    for match in _NAMED.finditer(text):
        if _says_secret(match["name"], match["between"]):
            yield match.span("value")
    for pattern, group in ((_PASSWORD_OF_URL, "value"), (_KNOWN_FORM, 0), (_LONG_WORD, 0)):
        for match in pattern.finditer(text):
            yield match.span(group)


def _spans(text: str) -> list[tuple[int, int]]:
    """The secrets in order, none inside another, without quotes and look-alikes."""
    spans: list[tuple[int, int]] = []
    for start, end in sorted(_found(text), key=lambda span: (span[0], -span[1])):
        if _NO_SECRET.match(text[start:end]):
            continue
        quoted = end - start >= 2 and text[start] in "\"'" and text[end - 1] == text[start]
        begin, finish = (start + 1, end - 1) if quoted else (start, end)
        if not spans or begin >= spans[-1][1]:
            spans.append((begin, finish))
    return spans


def secrets_in(text: str) -> tuple[str, ...]:
    """The secrets in `text`, to be removed from other texts."""
    return tuple(dict.fromkeys(text[start:end] for start, end in _spans(text)))


def redacted(text: str, known: Iterable[str] = ()) -> str:
    """`text` without its secrets, and without those of `known` with SHORTEST_ELSEWHERE characters or more."""
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= SHORTEST_ELSEWHERE:
            text = text.replace(secret, MARK)
    for start, end in reversed(_spans(text)):
        text = text[:start] + MARK + text[end:]
    return text


#: A field that is kept and shown without its secrets, whatever filled it.
Redacted = Annotated[str, AfterValidator(redacted)]
