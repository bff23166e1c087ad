"""Facts that policy is given, and the decision that it returns."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from staffetta.settings.objects import Account, InboundConnector
from staffetta.smtp.reply import Reply
from staffetta.trace.events import Detail

IPAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The certificate that the client presented; nothing about it has been judged yet.

    leaf_der: DER of the leaf. chain_der: DER of what else the client sent, in its order.
    digest: of all of it, so that what was found out about it can be remembered.
    """

    leaf_der: bytes = field(repr=False)
    chain_der: tuple[bytes, ...] = field(default=(), repr=False)
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        each = b"".join(hashlib.sha256(der).digest() for der in (self.leaf_der, *self.chain_der))
        object.__setattr__(self, "digest", hashlib.sha256(each).digest())


@dataclass(frozen=True, slots=True)
class AssumedCertificate:
    """A certificate that the simulator is told to assume: of this name, and good to every authority."""

    name: str


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """version: "TLSv1.3"; cipher: OpenSSL's name."""

    version: str
    cipher: str
    peer_certificate: PeerCertificate | AssumedCertificate | None = None


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What is known of a session.

    peer: IPv4-mapped addresses already unmapped. account: the user name that the client has proved to be.
    """

    session_id: str
    listener: str
    peer: IPAddress
    helo: str | None = None
    tls: TlsFacts | None = None
    account: str | None = None


class Reason(StrEnum):
    """Why a decision fell as it did; stable names for trace, metrics and explanation."""

    CONNECTOR = "connector"
    SUBMISSION = "submission"
    DIRECT_SEND = "direct send"
    RELAY_DENIED = "relay denied"
    SENDER_DOMAIN_NOT_ACCEPTED = "sender domain not accepted"
    CERTIFICATE_DOMAIN_NOT_ACCEPTED = "certificate domain not accepted"
    CONNECTOR_BLOCKED = "connector blocked"
    RECIPIENT_UNKNOWN = "recipient unknown"
    DIRECT_SEND_REJECTED = "direct send rejected"
    PARTNER_RESTRICTED = "partner restricted"
    NOT_AUTHENTICATED = "not authenticated"
    SEND_AS_DENIED = "send as denied"
    TLS_REQUIRED = "tls required"
    AUTHENTICATION_FAILED = "authentication failed"
    AUTHENTICATION_DISABLED = "authentication disabled"
    AUTHENTICATION_UNAVAILABLE = "authentication unavailable"
    TOO_MANY_GUESSES = "too many guesses"
    AMBIGUOUS_ADDRESS = "ambiguous address"
    TOO_MANY_RECIPIENTS = "too many recipients"
    TOO_MANY_CONNECTIONS = "too many connections"
    TOO_FAST = "too fast"  # for an address that no connector names
    MEMORY_SHORT = "memory short"
    EARLY_TALK = "early talk"
    MESSAGE_TOO_LARGE = "message too large"
    HEADER_TOO_LARGE = "header too large"
    LOOP = "loop"
    BARE_LINE_END = "bare line end"
    NUL_OCTET = "nul octet"
    LINE_TOO_LONG = "line too long"
    SPOOL_TROUBLE = "spool trouble"
    SHUTTING_DOWN = "shutting down"
    PROTOCOL = "protocol"  # the session itself refused a line: syntax, order or limit
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Decision:
    """reply: what to answer. reason: the name. evidence: what was looked at, for trace and explanation."""

    reply: Reply
    reason: Reason
    evidence: Detail = field(default_factory=dict)

    @property
    def is_accepted(self) -> bool:
        return self.reply.is_positive


@dataclass(frozen=True, slots=True)
class Attribution:
    """Whose mail this is. Why it is not another connector's is connector.failed_conditions()'s to tell.

    connector: the OnPremises connector that the session matches; None: none.
    account: the account that the client logged in to; None: it did not, or the account is no more.
    organization: whose connectors counted; None: nothing told.
    certificate_names: the names by which the certificate matched the connector; empty: it was no certificate's match.
    at: when, in seconds since 1970; later decisions about the transaction are made as of then.
    """

    connector: InboundConnector | None
    account: Account | None = None
    organization: str | None = None
    certificate_names: tuple[str, ...] = ()
    at: float = 0.0

    @property
    def reason(self) -> Reason:
        """Why mail is accepted that is attributed so."""
        if self.connector is not None:
            return Reason.CONNECTOR
        return Reason.DIRECT_SEND if self.account is None else Reason.SUBMISSION
