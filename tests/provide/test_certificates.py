"""Certificates for named hosts: where they are asked for, and the hash by which Chromium knows a key."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from harness.errors import ProvisionError
from harness.provide.certificates import TRUST_FILE, addresses, fetch_certificate, key_hash, trusting

OPENSSL = shutil.which("openssl")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    if OPENSSL is None:
        pytest.skip("no openssl on this machine")
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out certificate.pem"
    subprocess.run([OPENSSL, *command.split()], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "certificate.pem"


def test_key_hash_is_openssls(certificate: Path) -> None:
    command = (
        f"{OPENSSL} x509 -in {certificate} -pubkey -noout | {OPENSSL} pkey -pubin -outform der"
        f" | {OPENSSL} dgst -sha256 -binary | {OPENSSL} base64"
    )
    wanted = subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout.strip()
    assert key_hash(certificate.read_text()) == wanted


@pytest.mark.parametrize(
    ("hosts", "places"),
    [
        (["localhost"], [("localhost", 3000), ("localhost", 7443)]),
        (["localhost:8443"], [("localhost", 8443)]),
        (["dev.example"], [("dev.example", 443)]),
        (["localhost", "localhost:3000"], [("localhost", 3000), ("localhost", 7443)]),
    ],
)
def test_a_host_is_asked_at_the_ports_of_the_run(hosts: list[str], places: list[tuple[str, int]]) -> None:
    urls = ["https://localhost:3000/call?token={token}", "wss://localhost:7443", "http://dev.example:80", None]
    assert addresses(hosts, urls) == places


def test_a_host_that_shows_no_certificate_is_named() -> None:
    with socket.socket() as bound:  # bound and not listening
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(ProvisionError, match=rf"--insecure-certificates 127.0.0.1:{port}: no certificate came"):
            fetch_certificate("127.0.0.1", port)


async def test_nothing_is_trusted_where_nothing_was_asked_for(tmp_path: Path) -> None:
    before = os.environ.get(TRUST_FILE)
    async with trusting((), ["https://localhost:3000"], tmp_path / "certificates.pem") as keys:
        assert keys == []
        assert os.environ.get(TRUST_FILE) == before
