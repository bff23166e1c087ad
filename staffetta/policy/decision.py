"""Facts that policy is given, and the decision that it returns."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from staffetta.settings.objects import InboundConnector
from staffetta.smtp.reply import Reply
from staffetta.trace.events import Detail

IPAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The certificate that the client presented; nothing about it has been judged yet.

    leaf_der: DER of the leaf. chain_der: DER of what else the client sent, in its order.
    """

    leaf_der: bytes
    chain_der: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """version: "TLSv1.3"; cipher: OpenSSL's name."""

    version: str
    cipher: str
    peer_certificate: PeerCertificate | None = None


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What is known of a session. peer: IPv4-mapped addresses already unmapped."""

    session_id: str
    listener: str
    peer: IPAddress
    helo: str | None = None
    tls: TlsFacts | None = None


class Reason(StrEnum):
    """Why a decision fell as it did; stable names for trace, metrics and explanation."""

    CONNECTOR = "connector"
    DIRECT_SEND = "direct send"
    RELAY_DENIED = "relay denied"
    SENDER_DOMAIN_NOT_ACCEPTED = "sender domain not accepted"
    RECIPIENT_UNKNOWN = "recipient unknown"
    DIRECT_SEND_REJECTED = "direct send rejected"
    PARTNER_RESTRICTED = "partner restricted"
    TLS_REQUIRED = "tls required"
    AMBIGUOUS_ADDRESS = "ambiguous address"
    TOO_MANY_RECIPIENTS = "too many recipients"
    TOO_MANY_CONNECTIONS = "too many connections"
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
    """Which connector a session matches; None: none. Why not another is connector.failed_conditions()'s to tell."""

    connector: InboundConnector | None
