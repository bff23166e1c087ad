"""TLS by pyOpenSSL over memory BIOs: octets in, octets out, no I/O. Sessions of either side, and the server's context.

Rule 1: the handshake completes whatever certificate the client sends (none, self-signed, expired); policy judges it.
Rule 2: no resumption, so that each session proves anew who it is: no tickets, no cache, no renegotiation.
Rule 3: clients speak TLS 1.2 or newer (RFC 8996 §2), but for those of whom an older one is borne. Our own side as a
client is in client_tls.py.
"""

import datetime
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto

_READ_OCTETS = 65536
_SELF_SIGNED_DAYS = 3650


class TlsFailure(Exception):
    """The handshake failed, or the stream is broken. Write outgoing(), which may hold an alert, and close."""


class TlsSession:
    """One TLS session, of either side.

    connection: over memory BIOs (no socket), its side already set.
    is_established: the handshake is complete. is_closed: the peer said that it sends no more.
    """

    __slots__ = ("_connection", "is_closed", "is_established")

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection
        self.is_established = False
        self.is_closed = False

    def receive(self, ciphertext: bytes) -> bytes:
        """Take octets from the wire and return the plaintext that they completed; it may be empty.

        Raises TlsFailure.
        """
        pieces: list[bytes] = []
        try:
            if ciphertext:
                self._connection.bio_write(ciphertext)
            if not self.is_established:
                self._connection.do_handshake()
                self.is_established = True
            while True:
                pieces.append(self._connection.recv(_READ_OCTETS))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.is_closed = True
        except SSL.Error as error:
            raise TlsFailure(text_of(error)) from None
        return b"".join(pieces)

    def send(self, plaintext: bytes) -> None:
        """Encrypt; the result waits in outgoing(). Raises TlsFailure."""
        try:
            self._connection.sendall(plaintext)
        except SSL.Error as error:
            raise TlsFailure(text_of(error)) from None

    def outgoing(self) -> bytes:
        """Return the octets that must now be written to the wire; they may be empty."""
        pieces: list[bytes] = []
        try:
            while True:
                pieces.append(self._connection.bio_read(_READ_OCTETS))
        except SSL.WantReadError:
            return b"".join(pieces)

    def close(self) -> None:
        """Say that we send no more (close_notify); write outgoing() afterwards."""
        if self.is_established:
            try:
                self._connection.shutdown()
            except SSL.Error:  # already broken, so there is nobody to tell
                self.is_closed = True

    @property
    def is_certificate_wanted(self) -> bool:
        """Of our side as a client: whether the server has asked for a certificate."""
        return self._connection.get_app_data() is True

    @property
    def version(self) -> str:
        """ "TLSv1.3"."""
        return self._connection.get_protocol_version_name()

    @property
    def cipher(self) -> str:
        """OpenSSL's name of the cipher suite."""
        return self._connection.get_cipher_name() or ""

    def peer_certificates(self) -> tuple[bytes, ...]:
        """Return what the peer sent as DER, leaf first, then the others in its order; empty where it sent none.

        A server's OpenSSL leaves the leaf out of the chain and a client's does not, hence the comparison. Nothing is
        parsed beyond what OpenSSL did, which takes certificates that a stricter reader does not: policy says so then.
        """
        leaf = self._connection.get_peer_certificate()
        if leaf is None:
            return ()
        leaf_der = _der(leaf)
        chain = [_der(certificate) for certificate in self._connection.get_peer_cert_chain() or []]
        return (leaf_der, *(der for der in chain if der != leaf_der))


@dataclass(frozen=True, slots=True)
class ServerContext:
    """A certificate chain with its key, ready for any number of sessions.

    old_context: for clients that know nothing newer than TLS 1.0 or 1.1, and of whom that is borne.
    """

    context: SSL.Context
    old_context: SSL.Context

    @classmethod
    def load(cls, cert_chain_pem: bytes, key_pem: bytes) -> Self:
        """Make a context. cert_chain_pem: leaf first, then what a client needs to verify it.

        Raises ValueError where they do not fit or cannot be read.
        """
        context = _server_context(cert_chain_pem, key_pem, SSL.TLS1_2_VERSION)
        old_context = _server_context(cert_chain_pem, key_pem, SSL.TLS1_VERSION)
        old_context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")  # beyond level 0, OpenSSL has no signatures for them
        return cls(context, old_context)

    def session(self, *, asks_for_certificate: bool = False, bears_old_tls: bool = False) -> TlsSession:
        """Begin the server's side of a session. asks_for_certificate: of the client, which need not have one."""
        connection = SSL.Connection(self.old_context if bears_old_tls else self.context, None)
        if asks_for_certificate:
            connection.set_verify(SSL.VERIFY_PEER, _let_pass)
        connection.set_accept_state()
        return TlsSession(connection)


def _server_context(cert_chain_pem: bytes, key_pem: bytes, minimum: int) -> SSL.Context:
    """Raises ValueError."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(minimum)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # an idle session keeps no 16 KiB buffers
    try:
        leaf, *others = x509.load_pem_x509_certificates(cert_chain_pem)
        context.use_certificate(leaf)
        for certificate in others:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(_private_key(key_pem))
        context.check_privatekey()
    except SSL.Error as error:
        raise ValueError(f"the private key cannot be used with the certificate: {text_of(error)}") from None
    return context


def self_signed(hostname: str, now: datetime.datetime) -> tuple[bytes, bytes]:
    """Make a certificate for trying things out: (certificate, private key), both PEM, valid from now for ten years.

    now: aware.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])  # RFC 5280 appendix A: ub-common-name
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=_SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key_pem


def _private_key(pem: bytes) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("the private key is encrypted; store it without a password, readable by us alone") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("the private key is neither RSA nor ECDSA")
    return key


def _let_pass(_connection: SSL.Connection, _certificate: crypto.X509, _error: int, _depth: int, _ok: int) -> bool:
    """OpenSSL's verdict is not asked for: the trust that counts is named by a connector, after the handshake."""
    return True


def _der(certificate: crypto.X509) -> bytes:
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)


def text_of(error: Exception) -> str:
    """OpenSSL's own words: each of its entries is (library, function, reason)."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(entry[2]) for entry in entries) or "the connection ended in the middle"
