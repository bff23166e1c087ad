"""Where an authority asks whether a name is ours: http-01 (RFC 8555 §8.3) and tls-alpn-01 (RFC 8737).

The ports are open while an order is under way, and answer that question alone.
"""

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from staffetta.enrolling.wanted import NotIssued
from staffetta.settings.acme import Acme, Challenge

_HEAD_OCTETS_MAX = 8192
_REQUEST_SECONDS = 10.0
_ASKING = re.compile(rb"GET /\.well-known/acme-challenge/([A-Za-z0-9_-]{1,256}) HTTP/1\.[01]\r?\n")
_ALPN = "acme-tls/1"
_ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


class Answers(Protocol):
    """Answers one kind of challenge. put() may be called by another thread; handle() serves one connection."""

    def put(self, name: str, token: str, proof: str) -> None:
        """Answer for a name from now on."""

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What a connection begins with; None: it begins in clear."""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer, and close."""


@contextlib.asynccontextmanager
async def answering(acme: Acme) -> AsyncIterator[Answers]:
    """Open the ports, and close them at the end. Raises NotIssued where one cannot be had."""
    answers: Answers = HttpAnswers() if acme.challenge is Challenge.HTTP_01 else TlsAnswers()
    async with contextlib.AsyncExitStack() as stack:
        for address, is_declared in _addresses(acme):
            host, _, port = address.rpartition(":")
            try:
                server = await asyncio.start_server(
                    answers.handle, host.strip("[]"), int(port), ssl=answers.tls, limit=_HEAD_OCTETS_MAX
                )
            except OSError as error:
                if not is_declared and ":" in host:
                    continue  # a machine without IPv6
                why, instead = os.strerror(error.errno or 0), "stop what has it"
                if error.errno == errno.EACCES:
                    instead = "let the relay take low ports (CAP_NET_BIND_SERVICE)"
                raise NotIssued(
                    f"{address} cannot be listened on: {why}; {instead}, or write other acme.addresses and have "
                    "the port led there"
                ) from None
            stack.callback(server.close)
        yield answers


def _addresses(acme: Acme) -> Iterator[tuple[str, bool]]:
    """Addresses, and whether somebody asked for them."""
    if acme.addresses:
        yield from ((each, True) for each in acme.addresses)
    else:
        yield from ((f"{host}:{acme.challenge.port}", False) for host in ("0.0.0.0", "[::]"))


class HttpAnswers:
    """One GET to a connection."""

    tls = None

    def __init__(self) -> None:
        self._proofs: dict[bytes, bytes] = {}

    def put(self, name: str, token: str, proof: str) -> None:
        """Answer with the proof where its token is asked for."""
        self._proofs[token.encode("ascii")] = proof.encode("ascii")

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                asked = _ASKING.match(head)
                proof = self._proofs.get(asked[1]) if asked is not None else None
                writer.write(_response(proof))
                await writer.drain()
        writer.close()


def _response(proof: bytes | None) -> bytes:
    status, body = (b"200 OK", proof) if proof is not None else (b"404 Not Found", b"")
    head = b"Content-Type: application/octet-stream\r\nContent-Length: %d\r\nConnection: close" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n\r\n" + body


class TlsAnswers:
    """A handshake to a connection: the certificate for the name that is asked for is the answer."""

    def __init__(self) -> None:
        self._by_name: dict[str, ssl.SSLContext] = {}
        self.tls = _context()
        self.tls.sni_callback = self._choose

    def put(self, name: str, token: str, proof: str) -> None:
        """Show the proof's digest where the name is asked for."""
        context = _context()
        with tempfile.NamedTemporaryFile() as file:  # the library reads nothing else; 0600, and gone at once
            file.write(challenge_certificate(name, proof))
            file.flush()
            context.load_cert_chain(file.name)
        self._by_name[name] = context

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Close: the handshake was everything (RFC 8737 §3)."""
        writer.close()

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        context = self._by_name.get((name or "").lower())
        if context is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = context
        return None


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([_ALPN])
    return context


def challenge_certificate(name: str, proof: str) -> bytes:
    """Return the certificate that answers for a name, and its key, as PEM (RFC 8737 §3)."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([])
    digest = b"\x04\x20" + hashlib.sha256(proof.encode("ascii")).digest()  # an OCTET STRING of 32
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .add_extension(x509.UnrecognizedExtension(_ACME_IDENTIFIER, digest), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    own = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem) + own
