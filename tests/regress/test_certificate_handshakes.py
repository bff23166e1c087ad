"""A client's certificate ends no handshake and carries over to no other session, whatever it looks like."""

import contextlib
import datetime
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import SSL, crypto

from staffetta.net.tls import ServerContext, TlsFailure, TlsSession, self_signed
from tests.certificates import CODE_SIGNING, Made, authority, make

# pyOpenSSL takes its own certificates no longer gladly, but cryptography's cannot be odd.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL X509:DeprecationWarning")

VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
ROUND_TRIPS_MAX = 20


class Client:
    """OpenSSL's client over memory, which sends what it is told, and checks nothing."""

    def __init__(self, version: str, made: Made | None = None, *, leaf_der: bytes | None = None) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_cipher_list(b"DEFAULT@SECLEVEL=0")
        context.set_min_proto_version(VERSIONS[version])
        context.set_max_proto_version(VERSIONS[version])
        if made is not None:
            context.use_certificate(crypto.load_certificate(crypto.FILETYPE_ASN1, leaf_der or made.der))
            for certificate in made.chain:
                context.add_extra_chain_cert(certificate)
            context.use_privatekey(made.key)
        self.tls = SSL.Connection(context, None)
        self.tls.set_connect_state()

    def shake_hands(self, server: TlsSession) -> None:
        """Raises TlsFailure where the server does not let it complete."""
        for _ in range(ROUND_TRIPS_MAX):
            with contextlib.suppress(SSL.WantReadError):
                self.tls.do_handshake()
            server.receive(_all_of(self.tls))
            if answer := server.outgoing():
                self.tls.bio_write(answer)
        assert server.is_established


def _all_of(connection: SSL.Connection) -> bytes:
    pieces = []
    with contextlib.suppress(SSL.WantReadError):
        while True:
            pieces.append(connection.bio_read(65536))
    return b"".join(pieces)


@pytest.fixture(scope="module")
def server() -> ServerContext:
    certificate, key = self_signed("relay.example", datetime.datetime.now(datetime.UTC))
    return ServerContext.load(certificate, key)


def in_version_four(made: Made) -> bytes:
    """The certificate as DER, with a version that does not exist; OpenSSL reads over it, stricter readers do not."""
    octets = made.der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03", 1)
    assert octets != made.der
    return octets


CERTIFICATES = {
    "expired": lambda: make("a.test", days=(-60, -30)),
    "not yet valid": lambda: make("a.test", days=(30, 60)),
    "code signing": lambda: make("a.test", usages=[CODE_SIGNING]),
    "an authority's own": lambda: authority("An authority"),
    "no name at all": lambda: make(common_name=""),
    "missing issuer": lambda: make("a.test", issuer=authority("Unknown")),
    "a key of 1024 bits": lambda: make("a.test", key=rsa.generate_private_key(public_exponent=65537, key_size=1024)),
    "a rare curve": lambda: make("a.test", key=ec.generate_private_key(ec.SECP521R1())),
    "50 others sent with it": lambda: make("a.test").sending(*[make("b.test")] * 50),
    "a thousand names": lambda: make(*[f"host{number}.contoso.test" for number in range(1000)]),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", CERTIFICATES)
def test_the_handshake_completes_and_the_certificate_arrives(name: str, version: str, server: ServerContext) -> None:
    made = CERTIFICATES[name]()
    session = server.session(asks_for_certificate=True)
    Client(version, made).shake_hands(session)
    assert session.peer_certificates()[0] == made.der


@pytest.mark.parametrize("version", VERSIONS)
def test_what_only_openssl_can_read_arrives_octet_by_octet(version: str, server: ServerContext) -> None:
    """Brubaker et al., "Using Frankencerts", 2014: readers differ, so that one of them must not stand before policy."""
    made = make("a.test")
    odd = in_version_four(made)
    session = server.session(asks_for_certificate=True)
    Client(version, made, leaf_der=odd).shake_hands(session)
    assert session.peer_certificates() == (odd,)


@pytest.mark.parametrize("version", VERSIONS)
def test_ten_thousand_names_are_more_than_is_listened_to(version: str, server: ServerContext) -> None:
    """The one certificate that ends a handshake: OpenSSL reads 100 KiB of them, and says so with an alert."""
    session = server.session(asks_for_certificate=True)
    client = Client(version, make(*[f"host{number}.contoso.test" for number in range(10_000)]))
    with pytest.raises(TlsFailure, match="excessive message size"):
        client.shake_hands(session)
    assert session.outgoing()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_row_23_a_certificate_is_not_carried_over_to_another_session(
    version: ssl.TLSVersion, server: ServerContext, tmp_path: Path
) -> None:
    """Bhargavan et al., "Triple Handshakes", 2014: who resumes is taken for who came before."""
    folder = make("a.test").write(tmp_path / "client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    before: ssl.SSLSession | None = None
    for _ in range(2):
        incoming, outgoing, session = ssl.MemoryBIO(), ssl.MemoryBIO(), server.session(asks_for_certificate=True)
        tls = context.wrap_bio(incoming, outgoing, session=before)
        for _ in range(ROUND_TRIPS_MAX):
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                tls.read(1)  # a session ticket would come after the handshake
            session.receive(outgoing.read())
            incoming.write(session.outgoing())
        assert session.is_established
        assert not tls.session_reused
        before = tls.session
