"""What an authority that asks gets, and nobody else gets anything."""

import asyncio
import hashlib
import ssl

import pytest
from cryptography import x509

from staffetta.enrolling.answering import answering
from staffetta.enrolling.wanted import NotIssued
from staffetta.settings.acme import Acme, Challenge
from tests.ports import free_port

PROOF = "token-1.thumbprint"


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    writer.write_eof()
    try:
        return await reader.read()
    except ConnectionResetError:  # closed before all of it was read
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        (b"GET /.well-known/acme-challenge/token-1 HTTP/1.1", b"200 OK"),
        (b"GET /.well-known/acme-challenge/token-1 HTTP/1.0", b"200 OK"),
        (b"GET /.well-known/acme-challenge/token-2 HTTP/1.1", b"404 Not Found"),
        (b"GET /.well-known/acme-challenge/../token-1 HTTP/1.1", b"404 Not Found"),
        (b"GET / HTTP/1.1", b"404 Not Found"),
        (b"POST /.well-known/acme-challenge/token-1 HTTP/1.1", b"404 Not Found"),
        (b"GET /.well-known/acme-challenge/" + b"a" * 10_000 + b" HTTP/1.1", b""),
        (b"\x16\x03\x01\x02\x00", b"404 Not Found"),
    ],
)
def test_http_answers_the_token_alone(request_line: bytes, answer: bytes) -> None:
    async def scene() -> bytes:
        port = free_port()
        async with answering(Acme(addresses=(f"127.0.0.1:{port}",))) as answers:
            answers.put("relay.test", "token-1", PROOF)
            return await asked(port, request_line + b"\r\nHost: relay.test\r\n\r\n")

    status, _, body = asyncio.run(scene()).partition(b"\r\n")
    assert status.partition(b" ")[2] == answer
    assert body.endswith(b"\r\n\r\n" + PROOF.encode()) is (answer == b"200 OK")


@pytest.mark.parametrize(("name", "is_answered"), [("relay.test", True), ("other.test", False)])
def test_tls_shows_the_digest_for_the_name_alone(name: str, is_answered: bool) -> None:
    async def scene() -> tuple[bytes | None, str | None]:
        port = free_port()
        declared = Acme(challenge=Challenge.TLS_ALPN_01, addresses=(f"127.0.0.1:{port}",))
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["acme-tls/1"])
        async with answering(declared) as answers:
            answers.put("relay.test", "token-1", PROOF)
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
            connection = writer.get_extra_info("ssl_object")
            writer.close()
            return connection.getpeercert(binary_form=True), connection.selected_alpn_protocol()

    if not is_answered:
        with pytest.raises(OSError):  # an alert, or what is left of the connection after it
            asyncio.run(scene())
        return
    der, protocol = asyncio.run(scene())
    assert protocol == "acme-tls/1"
    assert der is not None
    found = x509.load_der_x509_certificate(der)
    extension = found.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31"))
    assert extension.critical
    assert isinstance(extension.value, x509.UnrecognizedExtension)
    assert extension.value.value == b"\x04\x20" + hashlib.sha256(PROOF.encode()).digest()
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["relay.test"]


def test_the_ports_are_closed_afterwards_and_one_that_is_taken_is_told() -> None:
    async def scene() -> None:
        declared = Acme(addresses=(f"127.0.0.1:{free_port()}",))
        async with answering(declared):
            with pytest.raises(NotIssued, match="cannot be listened on: Address already in use; stop what has it"):
                async with answering(declared):
                    pass
        async with answering(declared):
            pass

    asyncio.run(scene())
