"""Where the traces of a run's calls go: the address of `--otlp`, and what OpenTelemetry's own variables say besides.

Variables after the specification of the OTLP exporter: OTEL_EXPORTER_OTLP_HEADERS and OTEL_EXPORTER_OTLP_COMPRESSION, each also
as OTEL_EXPORTER_OTLP_TRACES_…, which wins; OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT lets words go too. A header
may hold a key: no error shows its value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from harness.errors import UsageError
from harness.model.plan import OtlpTarget
from harness.model.redaction import redacted

HEADERS, COMPRESSION = "HEADERS", "COMPRESSION"
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
TRACES_PATH = "/v1/traces"
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110


def read_target(url: str, env: Mapping[str, str]) -> OtlpTarget:
    """Raises UsageError for an address or a variable that cannot be."""
    compression, named = _variable(COMPRESSION, env)
    if compression not in ("", "none", "gzip"):
        raise UsageError(f"{named}={compression[:20]!r}: expected gzip or none")
    return OtlpTarget(
        url=_endpoint(url),
        headers=_headers(*_variable(HEADERS, env)),
        gzip=compression == "gzip",
        content=env.get(CONTENT, "").strip().lower() == "true",
    )


def _variable(name: str, env: Mapping[str, str]) -> tuple[str, str]:
    """(value, name) of the variable that counts; "" for none."""
    names = (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}")
    return next(((value.strip(), known) for known in names if (value := env.get(known))), ("", names[1]))


def _endpoint(url: str) -> str:
    """The address with the path of traces, as an exporter puts it behind OTEL_EXPORTER_OTLP_ENDPOINT."""
    try:
        split = urlsplit(url.strip())
        well_formed = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
    except ValueError:
        well_formed = False
    if not well_formed:
        raise UsageError(
            f"--otlp {redacted(url)!r}: expected http://HOST:PORT or https://HOST, as in http://127.0.0.1:4318"
        )
    path = split.path.rstrip("/")
    path += "" if path.endswith(TRACES_PATH) else TRACES_PATH
    return urlunsplit(SplitResult(split.scheme, split.netloc, path, split.query, ""))


def _headers(text: str, named: str) -> tuple[tuple[str, str], ...]:
    """`NAME=VALUE,NAME=VALUE`, values percent-encoded (W3C Baggage)."""
    found = []
    for number, entry in enumerate(text.split(","), 1):
        if not entry.strip():
            continue
        name, equals, value = (part.strip() for part in entry.partition("="))
        value = unquote(value)
        if not equals or not HEADER_NAME.fullmatch(name) or any(ord(c) < 32 or ord(c) == 127 for c in value):
            raise UsageError(
                f"{named}: its entry {number} is no NAME=VALUE (several with commas, values percent-encoded)"
            )
        found.append((name, value))
    return tuple(found)
