"""Traces sent by OTLP over HTTP, one call a request; the first failure ends it, and is told in words without a secret.

A redirect is not followed: the headers may hold a key, and the answer's address is not the one that was named. Nothing is sent a
second time by itself.
"""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from harness.model.call_trace import CallTrace
from harness.model.plan import OtlpTarget
from harness.model.redaction import redacted
from harness.telemetry.messages import JSON, PROTOBUF
from harness.telemetry.outgoing import request_of

CALL_TIMEOUT_S = 10.0  # of one request, its answer included; OTLP's own default
SENDING_TIMEOUT_S = 30.0  # of all
MOST_ANSWER_BYTES = 64 << 10
LONGEST_MESSAGE = 200
GRPC_PORT = 4317
GRPC_HINT = "4317 is the port of gRPC; OTLP over HTTP has 4318"


@dataclass(frozen=True)
class Sent:
    """How many calls were taken, how many of their spans were not, and what ended it; "" for nothing."""

    calls: int = 0
    rejected_spans: int = 0
    problem: str = ""


class _NotTakenError(Exception):
    """In words."""


def origin(url: str) -> str:
    """What may be shown of an address: neither its path nor its query, nor a password."""
    split = urlsplit(url)
    host = f"[{split.hostname}]" if ":" in (split.hostname or "") else split.hostname
    return f"{split.scheme}://{host}" + (f":{split.port}" if split.port is not None else "")


async def send(traces: Iterable[CallTrace], target: OtlpTarget) -> Sent:
    """Raises nothing but what `traces` raises."""
    sent = Sent()
    try:
        async with (
            asyncio.timeout(SENDING_TIMEOUT_S),
            aiohttp.ClientSession(trust_env=not _is_here(target.url)) as client,
        ):
            for trace in traces:
                rejected, why = await _send_one(client, trace, target)
                sent = Sent(sent.calls + 1, sent.rejected_spans + rejected, why or sent.problem)
    except _NotTakenError as error:
        return replace(sent, problem=str(error))
    except TimeoutError:
        return replace(sent, problem=f"not done after {SENDING_TIMEOUT_S:g} s")
    return sent


def _is_here(url: str) -> bool:
    """A proxy has no part in what stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _send_one(client: aiohttp.ClientSession, trace: CallTrace, target: OtlpTarget) -> tuple[int, str]:
    """(spans that were not taken, why). Raises _NotTakenError."""
    body = request_of(trace).SerializeToString()
    headers = {**dict(target.headers), "Content-Type": PROTOBUF}
    if target.gzip:
        body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            async with client.post(target.url, data=body, headers=headers, allow_redirects=False) as answer:
                if not 200 <= answer.status < 300:
                    raise _NotTakenError(_refusal(answer.status, answer.headers.get("Location", "")))
                return _partly(await _read(answer.content), answer.content_type)
    except TimeoutError as error:
        raise _NotTakenError(f"no answer within {CALL_TIMEOUT_S:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        hint = f" ({GRPC_HINT})" if urlsplit(target.url).port == GRPC_PORT else ""
        raise _NotTakenError(_failure(error, target) + hint) from error


def _failure(error: Exception, target: OtlpTarget) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        reached = error.os_error
        number = reached.errno or 0  # below 0: a name that is not found
        return f"cannot be reached: {os.strerror(number) if number > 0 else reached.strerror or reached}"
    said = redacted(str(error).replace(target.url, origin(target.url)), (value for _, value in target.headers))
    return f"{type(error).__name__}: {' '.join(said.split())[:LONGEST_MESSAGE]}"


async def _read(content: aiohttp.StreamReader) -> bytes:
    """The answer, or what comes first of a long one."""
    body = b""
    while len(body) < MOST_ANSWER_BYTES and (more := await content.read(MOST_ANSWER_BYTES - len(body))):
        body += more
    return body


def _refusal(status: int, location: str) -> str:
    words = f"{status} {HTTPStatus(status).phrase}" if status in HTTPStatus._value2member_map_ else str(status)
    if 300 <= status < 400:
        where = f" to {origin(location)}" if urlsplit(location).hostname else ""
        return f"it redirects{where} ({words}), which is not followed: name the address itself"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"it answers {words}: its key goes into OTEL_EXPORTER_OTLP_HEADERS"
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return f"it answers {words}: nothing takes OTLP over HTTP at this address with /v1/traces behind it"
    return f"it answers {words}"


def _partly(body: bytes, kind: str) -> tuple[int, str]:
    """Raises _NotTakenError for an answer that no receiver of OTLP gives."""
    try:
        if kind == JSON:
            told = Parse(body or b"{}", ExportTraceServiceResponse(), ignore_unknown_fields=True)
        else:
            told = ExportTraceServiceResponse.FromString(body)
    except (DecodeError, ParseError, UnicodeDecodeError) as error:
        raise _NotTakenError(f"it answers with {kind}, which is no answer of OTLP") from error
    partial = told.partial_success
    rejected = max(0, int(partial.rejected_spans))
    return rejected, redacted(" ".join(partial.error_message.split()))[:LONGEST_MESSAGE] if rejected else ""
