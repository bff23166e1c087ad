"""The declarations. A snapshot of Settings is immutable; a session or an attempt holds one for its life."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A table of the file. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ListenerKind(StrEnum):
    RELAY = "relay"
    SUBMISSION = "submission"


class ConnectorType(StrEnum):
    ON_PREMISES = "OnPremises"
    PARTNER = "Partner"


class DomainType(StrEnum):
    AUTHORITATIVE = "Authoritative"
    INTERNAL_RELAY = "InternalRelay"


class Transport(StrEnum):
    SMTP = "smtp"
    LMTP = "lmtp"
    MAILDIR = "maildir"


class TlsLevel(StrEnum):
    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    REQUIRED = "required"


class LogFormat(StrEnum):
    JSON = "json"
    POSTFIX = "postfix"


class Listener(Section):
    """Where clients connect."""

    name: str
    address: Annotated[str, Field(description="`IP:port`; IPv6 in brackets; port 0 lets the system choose.")]
    kind: ListenerKind = ListenerKind.RELAY
    certificate: Annotated[Path | None, Field(description="PEM certificate chain for STARTTLS.")] = None
    private_key: Annotated[Path | None, Field(description="PEM private key of the certificate.")] = None
    request_client_certificate: bool = False
    proxy_protocol_from: Annotated[
        tuple[str, ...], Field(description="Proxies (addresses or CIDR) that must send a PROXY header, v1 or v2.")
    ] = ()


class AcceptedDomain(Section):
    """A domain that we take mail for."""

    name: str
    type: DomainType = DomainType.AUTHORITATIVE
    include_subdomains: bool = False
    recipients: Annotated[
        tuple[str, ...],
        Field(
            description="Local parts that exist in an Authoritative domain; `*` means any. InternalRelay ignores it."
        ),
    ] = ("*",)
    route: str


class InboundConnector(Section):
    """Who may send in. Names are those of Exchange's InboundConnector."""

    name: str
    enabled: bool = True
    connector_type: ConnectorType = ConnectorType.ON_PREMISES
    comment: str = ""
    sender_domains: tuple[str, ...] = ("*",)
    sender_ip_addresses: Annotated[
        tuple[str, ...], Field(description="Addresses, CIDR of any length, or ranges `a-b`; IPv4 and IPv6.")
    ] = ()
    restrict_domains_to_ip_addresses: Annotated[
        bool, Field(description="Partner: refuse these sender domains from any other address.")
    ] = False
    require_tls: bool = False
    allow_any_address: Annotated[bool, Field(description="Must be true for a list that covers every address.")] = False
    never_twice: Annotated[
        bool, Field(description="Hold a message whose final reply was lost instead of trying again.")
    ] = False


class NextHop(Section):
    """A host to hand over to."""

    host: str
    port: int = 25


class Route(Section):
    """A road out."""

    name: str
    transport: Transport = Transport.SMTP
    next_hops: Annotated[tuple[NextHop, ...], Field(description="Tried in order, for smtp and lmtp.")] = ()
    tls: TlsLevel = TlsLevel.OPPORTUNISTIC
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 20
    path: Annotated[
        Path | None, Field(description="Folder of the Maildirs, one per mailbox: `<path>/<domain>/<local part>/`.")
    ] = None


class QueueSettings(Section):
    """When to try again."""

    retry_first_seconds: Annotated[float, Field(gt=0)] = 300
    retry_max_seconds: Annotated[float, Field(gt=0)] = 4 * 3600
    expire_seconds: Annotated[float, Field(gt=0, description="After this a message is returned.")] = 2 * 86400
    delay_notice_seconds: Annotated[float, Field(gt=0)] = 4 * 3600
    active_messages_max: Annotated[int, Field(ge=1, description="Messages in memory at a time.")] = 5000
    unknown_retry_seconds: Annotated[float, Field(gt=0)] = 300


class Limits(Section):
    """Limits on what peers may do; each protects the others."""

    message_octets_max: int = 157_286_400
    header_octets_max: int = 262_144
    content_in_memory_octets_max: Annotated[int, Field(description="Larger content streams to a file.")] = 524_288
    recipients_max: int = 1000
    connections_max: int = 20_000
    connections_per_address_max: int = 20_000
    errors_max: Annotated[int, Field(description="Refused commands after which a session is closed.")] = 20
    command_timeout_seconds: float = 300
    data_timeout_seconds: float = 180
    received_max: Annotated[int, Field(description="Received fields above which a message is a loop.")] = 50
    spool_free_octets_min: Annotated[int, Field(description="Below this much free disk new mail gets 452.")] = (
        67_108_864
    )


class Console(Section):
    """The web side: console, API, metrics, health."""

    address: str = "127.0.0.1:8025"


class Capture(Section):
    """A built-in host that plays the outside: takes everything and keeps it in a Maildir."""

    address: str
    path: Path


class Logging(Section):
    format: LogFormat = LogFormat.JSON
    level: str = "info"


class Delivery(Section):
    """How we talk to next hops."""

    connect_timeout_seconds: float = 30
    reply_timeout_seconds: float = 300
    idle_connection_seconds: Annotated[float, Field(description="How long an unused connection is kept.")] = 5
    messages_per_connection_max: int = 1000


class Settings(Section):
    """The whole file."""

    hostname: Annotated[str, Field(description="Our name in the greeting, EHLO and Received.")]
    data_dir: Annotated[Path, Field(description="Spool and state; relative to the file's folder.")]
    listeners: tuple[Listener, ...] = ()
    accepted_domains: tuple[AcceptedDomain, ...] = ()
    inbound_connectors: tuple[InboundConnector, ...] = ()
    routes: tuple[Route, ...] = ()
    default_route: Annotated[str | None, Field(description="Route for every other recipient domain.")] = None
    reject_direct_send: bool = False
    console: Console | None = None
    capture: Capture | None = None
    queue: QueueSettings = QueueSettings()
    limits: Limits = Limits()
    delivery: Delivery = Delivery()
    log: Logging = Logging()
