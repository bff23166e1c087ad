"""Our side of TLS as a client: contexts by the least version and by the certificate that we show.

Rule 1: the handshake completes whatever certificate the server shows; who asked for TLS judges it before saying more.
Rule 2: TLS 1.2 or newer (RFC 8996 §2), except where an older version is named for a host that knows nothing newer;
    OpenSSL lets ciphers and keys of that age pass at its security level 0 alone.
Rule 3: the whole chain is sent with our certificate: the other side may know the root alone.
"""

import ipaddress
from dataclasses import dataclass, field
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from OpenSSL import SSL

from staffetta.net.tls import TlsFailure, TlsSession, text_of

_VERSIONS = {
    "1.0": SSL.TLS1_VERSION,
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}
_OLD = ("1.0", "1.1")
_OLD_CIPHERS = b"DEFAULT:@SECLEVEL=0"
_CERTIFICATE_REQUEST = b"SSLv3/TLS read server certificate request"  # OpenSSL's name of that state, in TLS 1.3 too
_PEM = b"-----BEGIN "
# Words of OpenSSL, most of them of the server's alerts, and what they mean to who opened the connection.
_ABOUT_OUR_CERTIFICATE = (
    "bad certificate",
    "unknown ca",
    "certificate expired",
    "certificate unknown",
    "access denied",
)
_MEANINGS = {
    "certificate required": "the next hop wants a client certificate",
    "protocol version": "the next hop speaks no version of TLS that tls_minimum allows",
    "unsupported protocol": "the next hop speaks no version of TLS that tls_minimum allows",
    "wrong version number": "what came is not TLS; perhaps the port wants STARTTLS, and implicit_tls is wrong",
    "handshake failure": "the two sides have no cipher in common, or the next hop wants a client certificate",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate that we show, with its private key. chain: what is sent besides it, in this order."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientContext:
    """How we shake hands, ready for any number of sessions. shows_certificate: to a server that asks for one."""

    context: SSL.Context
    shows_certificate: bool = False

    @classmethod
    def make(cls, minimum: str = "1.2", identity: Identity | None = None) -> Self:
        """Make a context. minimum: "1.0" to "1.3". Raises ValueError where OpenSSL cannot use the identity."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(_VERSIONS[minimum])
        context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_verify(SSL.VERIFY_NONE)
        context.set_info_callback(_note_request)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        if minimum in _OLD:
            context.set_cipher_list(_OLD_CIPHERS)
        if identity is not None:
            try:
                context.use_certificate(identity.certificate)
                for certificate in identity.chain:
                    context.add_extra_chain_cert(certificate)
                context.use_privatekey(identity.key)
            except SSL.Error as error:
                raise ValueError(f"OpenSSL does not take the certificate: {text_of(error)}") from None
        return cls(context, identity is not None)

    def session(self, host: str) -> TlsSession:
        """Begin our side of a session. host: for SNI, where it is a domain name."""
        connection = SSL.Connection(self.context, None)
        connection.set_connect_state()
        if not host.startswith("/") and not _is_address(host):  # RFC 6066 §3: a name, and not an address
            connection.set_tlsext_host_name(host.encode("idna"))
        return TlsSession(connection)


def _note_request(connection: SSL.Connection, _where: int, _result: int) -> None:
    """Nothing else tells that the server asks for a certificate (TlsSession.is_certificate_wanted)."""
    if connection.get_state_string() == _CERTIFICATE_REQUEST:
        connection.set_app_data(True)


def read_identity(certificate: bytes, key_pem: bytes | None = None, password: str | None = None) -> Identity:
    """Read a certificate, its key and its chain.

    certificate: PEM (the key in it where key_pem is None; the certificates in any order) or PFX.
    password: of the PFX, or of an encrypted PEM key. Raises ValueError, whose text holds nothing secret.
    """
    secret = password.encode() if password is not None else None
    if not certificate.lstrip().startswith(_PEM) and _PEM not in certificate:
        return _read_pfx(certificate, secret)
    try:
        found = x509.load_pem_x509_certificates(certificate)
    except ValueError as error:
        raise ValueError(f"it holds no certificate that can be read: {error}") from None
    try:
        key = serialization.load_pem_private_key(key_pem if key_pem is not None else certificate, secret)
    except TypeError:
        raise ValueError(
            "its private key is not encrypted; leave client_certificate_password out"
            if secret
            else "its private key is encrypted; write client_certificate_password"
        ) from None
    except ValueError:
        raise ValueError(
            "its private key cannot be read; is the password right?" if secret else "no private key can be read"
        ) from None
    return _identity(key, found)


def failure_in_words(failure: TlsFailure, shows_certificate: bool) -> str:
    """Return OpenSSL's words, and what they mean where that is known. shows_certificate: the context did."""
    text = str(failure)
    for word, meaning in _MEANINGS.items():
        if word in text:
            return f"{meaning} ({text})"
    if any(word in text for word in _ABOUT_OUR_CERTIFICATE):
        which = "our client certificate" if shows_certificate else "us, who show no client certificate"
        return f"the next hop refuses {which} ({text})"
    return text


def _read_pfx(octets: bytes, password: bytes | None) -> Identity:
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(octets, password)
    except ValueError:
        hint = "is client_certificate_password right?" if password else "does it want client_certificate_password?"
        raise ValueError(f"it is neither PEM nor a PFX that can be opened; {hint}") from None
    if key is None or certificate is None:
        raise ValueError("the PFX holds no private key; export it again with the key")
    return _identity(key, [certificate, *others])


def _identity(key: object, certificates: list[x509.Certificate]) -> Identity:
    """The certificate is the one whose key it is; the others follow, each after whom it issued."""
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("its private key is neither RSA nor ECDSA")
    own = next((each for each in certificates if each.public_key() == key.public_key()), None)
    if own is None:
        raise ValueError("none of its certificates belongs to the private key")
    left = [each for each in certificates if each != own]
    chain: list[x509.Certificate] = []
    last = own
    while last.issuer != last.subject and (
        issuer := next((each for each in left if each.subject == last.issuer), None)
    ):
        left.remove(issuer)
        chain.append(issuer)
        last = issuer
    return Identity(own, key, tuple(chain))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
