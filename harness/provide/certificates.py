"""Untrusted certificates, accepted for named hosts alone (`--insecure-certificates HOST[:PORT],…`).

Chromium gets the hash of each host's public key, so that it overlooks the errors of those keys and of no others. The
bots and the server's API trust the certificates themselves, through a file beside the system's own (SSL_CERT_FILE).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.errors import ProvisionError

if TYPE_CHECKING:
    import aiohttp

CERTIFICATE_TIMEOUT_S = 5.0
TRUST_FILE = "SSL_CERT_FILE"
_PORTS = {"https": 443, "wss": 443}
_VERSION_TAG = 0xA0  # DER, of the one optional field
_FIELDS_BEFORE_KEY = 5  # serial number, algorithm, issuer, validity, subject (RFC 5280, 4.1)


def addresses(hosts: Sequence[str], urls: Iterable[str | None]) -> list[tuple[str, int]]:
    """Where to ask for the certificates: a host's own port, else those of the run's secure URLs at it, else 443."""
    places: dict[tuple[str, int], None] = {}
    for entry in hosts:
        host, _, port = entry.strip().partition(":")
        if port:
            places[host, int(port)] = None
            continue
        found = [urlsplit(url) for url in urls if url is not None]
        ports = [u.port or _PORTS[u.scheme] for u in found if u.scheme in _PORTS and u.hostname == host]
        places |= dict.fromkeys((host, number) for number in ports or [443])
    return list(places)


def fetch_certificate(host: str, port: int) -> str:
    """PEM of the certificate that the host shows. Raises ProvisionError."""
    try:
        return ssl.get_server_certificate((host, port), timeout=CERTIFICATE_TIMEOUT_S)
    except OSError as error:  # TimeoutError and ssl.SSLError are OSErrors
        raise ProvisionError(
            f"--insecure-certificates {host}:{port}: no certificate came from it ({error}); "
            "give the port that serves https or wss, as in localhost:3000"
        ) from error


def key_hash(pem: str) -> str:
    """base64 of SHA-256 over the SubjectPublicKeyInfo, as Chromium's --ignore-certificate-errors-spki-list wants it."""
    (certificate,) = _elements(ssl.PEM_cert_to_DER_cert(pem))
    signed = _elements(_content(certificate))[0]
    fields = _elements(_content(signed))
    if fields[0][0] == _VERSION_TAG:
        fields = fields[1:]
    return base64.b64encode(hashlib.sha256(fields[_FIELDS_BEFORE_KEY]).digest()).decode("ascii")


def _elements(der: bytes) -> list[bytes]:
    """The DER elements that lie one after the other in `der`, each with its tag and length."""
    found, at = [], 0
    while at < len(der):
        start, length = _content_at(der, at)
        found.append(der[at : start + length])
        at = start + length
    return found


def _content(element: bytes) -> bytes:
    start, length = _content_at(element, 0)
    return element[start : start + length]


def _content_at(der: bytes, at: int) -> tuple[int, int]:
    """(where the content of the element at `at` begins, its length)."""
    first = der[at + 1]
    if first < 0x80:
        return at + 2, first
    n_bytes = first & 0x7F
    return at + 2 + n_bytes, int.from_bytes(der[at + 2 : at + 2 + n_bytes], "big")


def trust_file(pems: Iterable[str], path: Path) -> Path:
    """A file of the system's certificates and of these."""
    system = os.environ.get(TRUST_FILE) or ssl.get_default_verify_paths().cafile
    known = Path(system).read_text(encoding="utf-8") if system and Path(system).is_file() else ""
    path.write_text("\n".join([known, *pems]), encoding="utf-8")
    return path


@asynccontextmanager
async def trusting(hosts: Sequence[str], urls: Iterable[str | None], path: Path) -> AsyncIterator[list[str]]:
    """In the context, this process and its children (bots, agents) trust what `hosts` show; gives the hashes of their keys.

    `path`: where the certificates are kept meanwhile. Raises ProvisionError.
    """
    if not hosts:
        yield []
        return
    pems = [await asyncio.to_thread(fetch_certificate, *place) for place in addresses(hosts, list(urls))]
    before = os.environ.get(TRUST_FILE)
    os.environ[TRUST_FILE] = str(await asyncio.to_thread(trust_file, pems, path))
    try:
        yield [key_hash(pem) for pem in pems]
    finally:
        if before is None:
            del os.environ[TRUST_FILE]
        else:
            os.environ[TRUST_FILE] = before


def trusting_connector(url: str) -> aiohttp.TCPConnector | None:
    """For the server's API: aiohttp reads the system's certificates once, when it is imported. None: its own suffice."""
    if not url.startswith(("wss:", "https:")) or TRUST_FILE not in os.environ:
        return None
    import aiohttp  # part of the live extra

    return aiohttp.TCPConnector(ssl=ssl.create_default_context())
