"""Where traces go: the address as an exporter takes it, and OpenTelemetry's own variables."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.options.otlp_target import read_target


@pytest.mark.parametrize(
    ("given", "sent_to"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        (" http://localhost:4318/ ", "http://localhost:4318/v1/traces"),
        ("http://localhost:6006/v1/traces", "http://localhost:6006/v1/traces"),
        ("https://in.example/otlp/?tenant=a", "https://in.example/otlp/v1/traces?tenant=a"),
        ("http://[::1]:4318#x", "http://[::1]:4318/v1/traces"),
    ],
)
def test_the_path_of_traces_is_put_behind_the_address(given: str, sent_to: str) -> None:
    assert read_target(given, {}).url == sent_to


@pytest.mark.parametrize(
    "given", ["", "localhost:4318", "grpc://localhost:4317", "http://", "http://x:99999", "http://x:0"]
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match=r"--otlp .*: expected http://HOST:PORT or https://HOST"):
        read_target(given, {})


def test_headers_are_those_of_the_environment_and_of_traces_first() -> None:
    env = {"OTEL_EXPORTER_OTLP_HEADERS": " api-key = a%2Cb%3D , x=,"}
    assert read_target("http://x", env).headers == (("api-key", "a,b="), ("x", ""))
    env["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] = "Authorization=Basic%20bWU6eA=="
    assert read_target("http://x", env).headers == (("Authorization", "Basic bWU6eA=="),)


@pytest.mark.parametrize("text", ["no-value", "=secret", "a b=secret", "a=1,x=secret%0d%0aHost:y"])
def test_a_header_that_is_none_is_named_by_its_place_and_its_value_is_not_shown(text: str) -> None:
    with pytest.raises(UsageError, match=r"OTEL_EXPORTER_OTLP_HEADERS: its entry \d is no NAME=VALUE") as caught:
        read_target("http://x", {"OTEL_EXPORTER_OTLP_HEADERS": text})
    assert "secret" not in str(caught.value)


def test_packing_and_words_are_as_the_environment_says() -> None:
    assert not read_target("http://x", {}).gzip
    assert read_target("http://x", {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}).gzip
    both = {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "none"}
    assert not read_target("http://x", both).gzip
    with pytest.raises(UsageError, match="OTEL_EXPORTER_OTLP_COMPRESSION='zstd': expected gzip or none"):
        read_target("http://x", {"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"})
    assert not read_target("http://x", {}).content
    assert read_target("http://x", {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}).content


def test_neither_address_nor_headers_are_shown() -> None:
    target = read_target("https://me:s3cr3t@in.example", {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=s3cr3t"})
    assert "s3cr3t" not in repr(target)
