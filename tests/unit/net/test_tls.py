"""TLS over memory: our server's side against the standard library's client."""

import contextlib
import datetime
import ssl

import pytest
import trustme
from cryptography import x509

from staffetta.net.tls import ServerContext, TlsFailure, TlsSession, self_signed

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Client:
    """The standard library's client over memory."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="relay.example")

    def shake_hands(self, server: TlsSession) -> None:
        for _ in range(6):
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            server.receive(self.outgoing.read())
            self.incoming.write(server.outgoing())
        assert server.is_established


def client_context(**limits: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, version in limits.items():
        setattr(context, name, version)
    return context


def server_context() -> ServerContext:
    return ServerContext.load(*self_signed("relay.example", NOW))


def test_both_directions_carry_what_was_sent():
    server, client = server_context().session(), Client(client_context())
    client.shake_hands(server)
    client.tls.write(b"EHLO client\r\n")
    assert server.receive(client.outgoing.read()) == b"EHLO client\r\n"
    server.send(b"250 hello\r\n" * 5000)
    client.incoming.write(server.outgoing())
    received = b""
    while len(received) < 55_000:
        received += client.tls.read(65536)
    assert received == b"250 hello\r\n" * 5000
    assert (server.version, server.cipher) == ("TLSv1.3", client.tls.cipher()[0])


def test_an_octet_at_a_time_makes_the_same_handshake():
    server, client = server_context().session(), Client(client_context())
    for _ in range(6):
        with contextlib.suppress(ssl.SSLWantReadError):
            client.tls.do_handshake()
        for octet in client.outgoing.read():
            server.receive(bytes([octet]))
        client.incoming.write(server.outgoing())
    assert server.is_established


def test_the_certificate_of_an_unknown_authority_is_reported_not_judged():
    authority = trustme.CA()
    intermediate = authority.create_child_ca()
    issued = intermediate.issue_cert("mail.client.example")
    context = client_context()
    issued.configure_cert(context)
    server, client = server_context().session(asks_for_certificate=True), Client(context)
    client.shake_hands(server)
    leaf, *others = (x509.load_der_x509_certificate(der) for der in server.peer_certificates())
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["mail.client.example"]
    assert len(others) == len(issued.cert_chain_pems) - 1


def test_a_client_without_a_certificate_is_let_in():
    server, client = server_context().session(asks_for_certificate=True), Client(client_context())
    client.shake_hands(server)
    assert server.peer_certificates() == ()


def test_our_intermediates_are_sent_so_that_a_client_that_knows_the_root_alone_trusts_us():
    authority = trustme.CA()
    issued = authority.create_child_ca().issue_cert("relay.example")
    chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    server = ServerContext.load(chain, issued.private_key_pem.bytes()).session()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    Client(context).shake_hands(server)


def test_no_session_is_resumed():
    """Each session proves anew who it is (RFC 8446 §4.6.1 lets us send no tickets that work)."""
    server = server_context()
    context = client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    first = Client(context)
    first.shake_hands(server.session())
    second = Client(context)
    second.tls = context.wrap_bio(second.incoming, second.outgoing, session=first.tls.session)
    second.shake_hands(server.session())
    assert not second.tls.session_reused


def test_tls_1_1_is_refused_with_an_alert():
    context = client_context(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    server, client = server_context().session(), Client(context)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    with pytest.raises(TlsFailure, match="protocol"):
        server.receive(client.outgoing.read())
    assert server.outgoing()


def test_clear_text_instead_of_a_handshake_is_a_failure():
    with pytest.raises(TlsFailure):
        server_context().session().receive(b"MAIL FROM:<a@example.org>\r\n")


def test_the_end_is_told():
    server, client = server_context().session(), Client(client_context())
    client.shake_hands(server)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    assert server.receive(client.outgoing.read()) == b""
    assert server.is_closed


def test_a_key_of_another_certificate_is_an_error_in_words():
    certificate, _ = self_signed("one.example", NOW)
    _, key = self_signed("two.example", NOW)
    with pytest.raises(ValueError, match="private key cannot be used"):
        ServerContext.load(certificate, key)
