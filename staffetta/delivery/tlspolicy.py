"""Whether a connection to a next hop goes into TLS, and with what (RFC 3207; RFC 7435 for "opportunistic").

none: never. opportunistic: where it is offered, with any certificate, since the alternative is clear text; where it
cannot be had, in clear. required: in TLS or not at all; which certificate is not judged here yet.
"""

import ipaddress
from functools import lru_cache

from OpenSSL import SSL

from staffetta.net.tls import TlsSession
from staffetta.settings.model import TlsLevel
from staffetta.smtp.capabilities import Capabilities


def wants_tls(level: TlsLevel, capabilities: Capabilities) -> bool:
    """Whether STARTTLS is to be tried; with `required` it is wanted even where it is not offered."""
    return level is TlsLevel.REQUIRED or (level is TlsLevel.OPPORTUNISTIC and capabilities.starttls)


def allows_clear(level: TlsLevel) -> bool:
    """Whether mail may travel in clear where TLS cannot be had."""
    return level is not TlsLevel.REQUIRED


def client_session(host: str) -> TlsSession:
    """Begin our side of a TLS session, which accepts any certificate. host: for SNI, where it is a domain name."""
    connection = SSL.Connection(_client_context(), None)
    connection.set_connect_state()
    if not host.startswith("/") and not _is_address(host):  # RFC 6066 §3: a name, and not an address
        connection.set_tlsext_host_name(host.encode("idna"))
    return TlsSession(connection)


@lru_cache(maxsize=1)
def _client_context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    return context


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
