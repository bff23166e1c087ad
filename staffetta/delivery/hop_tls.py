"""TLS towards a next hop: OpenSSL over memory BIOs, so that the channel keeps its one protocol and its one write.

Any certificate will do here (RFC 7435 §4.1): who insists on more must judge it after the handshake.
"""

import ipaddress
from functools import lru_cache

from OpenSSL import SSL

_READ_OCTETS = 65536


class TlsFailure(Exception):
    """The handshake failed, or the stream is broken. Close the connection."""


class HopTls:
    """The client's side of one TLS session. server_name: host for SNI; an IP address is not sent (RFC 6066 §3)."""

    def __init__(self, server_name: str) -> None:
        self._connection = SSL.Connection(_context(), None)
        self._connection.set_connect_state()
        if not _is_address(server_name):
            self._connection.set_tlsext_host_name(server_name.encode("idna"))
        self.is_established = False

    def receive(self, octets: bytes) -> bytes:
        """Take octets from the wire, and return what is now readable; may be empty. Raises TlsFailure."""
        self._connection.bio_write(octets)
        if not self.is_established:
            self.shake_hands()
        if not self.is_established:
            return b""
        pieces: list[bytes] = []
        try:
            while True:
                pieces.append(self._connection.recv(_READ_OCTETS))
        except (SSL.WantReadError, SSL.ZeroReturnError):
            return b"".join(pieces)
        except SSL.Error as error:
            raise TlsFailure(_reason(error)) from None

    def shake_hands(self) -> None:
        """Go on with the handshake as far as what came allows. Raises TlsFailure."""
        try:
            self._connection.do_handshake()
            self.is_established = True
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            raise TlsFailure(_reason(error)) from None

    def send(self, octets: bytes) -> None:
        """Encrypt; the result is in outgoing(). Raises TlsFailure."""
        try:
            if octets:
                self._connection.sendall(octets)
        except SSL.Error as error:
            raise TlsFailure(_reason(error)) from None

    def outgoing(self) -> bytes:
        """Return what must be written to the wire; may be empty."""
        pieces: list[bytes] = []
        try:
            while True:
                pieces.append(self._connection.bio_read(_READ_OCTETS))
        except SSL.WantReadError:
            return b"".join(pieces)

    @property
    def version(self) -> str:
        """ "TLSv1.3"."""
        return self._connection.get_protocol_version_name()

    @property
    def name(self) -> str:
        """As in an Outcome: "TLSv1.3 CIPHER"."""
        return f"{self.version} {self._connection.get_cipher_name()}"


@lru_cache(maxsize=1)
def _context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    return context


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _reason(error: SSL.Error) -> str:
    """OpenSSL's own words: the last of (library, function, reason)."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else ()
    return "; ".join(entry[-1] for entry in entries) or str(error) or "the connection was closed"
