"""The declarations. A snapshot of Settings is immutable; a session or an attempt holds one for its life."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, StrictBool, StrictInt
from pydantic_core import PydanticCustomError

from staffetta.mail.tolerance import Tolerance
from staffetta.settings.acme import Acme
from staffetta.settings.objects import (
    AcceptedDomain,
    Account,
    InboundConnector,
    Organization,
    OutboundConnector,
    Section,
    TokenIssuer,
    TrustedAuthority,
)
from staffetta.settings.probes import Probe
from staffetta.settings.roads import Route, RouteRule, TokenSource

# Above these a number is a slip of the keyboard, and below a date or an integer of the database that it would break.
_DAY, _WEEK, _MONTH = 86_400, 7 * 86_400, 30 * 86_400
_TEBI = 2**40
WORKERS_MAX = 64


class ListenerKind(StrEnum):
    RELAY = "relay"
    SUBMISSION = "submission"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    JSON = "json"
    POSTFIX = "postfix"


def _workers(given: object) -> object:
    if given == "auto" or (type(given) is int and 1 <= given <= WORKERS_MAX):
        return given
    raise PydanticCustomError("workers", 'Write a number from 1 to {most}, or "auto"', {"most": WORKERS_MAX})


class Listener(Section):
    """Where clients connect."""

    name: Annotated[str, Field(description="Its name in trace, log and metrics.")]
    address: Annotated[str, Field(description="`IP:port`; IPv6 in brackets; port 0 lets the system choose.")]
    kind: Annotated[ListenerKind, Field(description="relay (port 25) or submission (587).")] = ListenerKind.RELAY
    certificate: Annotated[Path | None, Field(description="PEM certificate chain for STARTTLS.")] = None
    private_key: Annotated[Path | None, Field(description="PEM private key of the certificate.")] = None
    implicit_tls: Annotated[
        StrictBool, Field(description="TLS from the first octet (port 465, RFC 8314) instead of STARTTLS.")
    ] = False
    request_client_certificate: Annotated[
        StrictBool,
        Field(description="Ask for a client certificate even while no connector needs one."),
    ] = False
    proxy_protocol_from: Annotated[
        tuple[str, ...], Field(description="Proxies (addresses or CIDR) that must send a PROXY header, v1 or v2.")
    ] = ()
    tolerance: Annotated[str | None, Field(description="Bear of every client here what this profile names.")] = None


class ToleranceProfile(Section):
    """What old devices may get wrong, and until when. Listeners and connectors name it."""

    name: Annotated[str, Field(description="Its name, unique.")]
    tolerates: Annotated[
        tuple[Tolerance, ...],
        Field(
            description="Of old-tls (1.0, 1.1), missing-helo, broken-helo, missing-fields (Date and Message-ID, which "
            "are added), long-lines (content, up to 1 MiB), early-content (before 354)."
        ),
    ]
    until: Annotated[date, Field(description="The last day on which it holds, as 2027-06-30.")]


class QueueSettings(Section):
    """When to try again, and how much is in memory."""

    retry_first_seconds: Annotated[
        float, Field(description="Wait after the first attempt; doubled after each further one.", gt=0, le=_WEEK)
    ] = 300
    retry_max_seconds: Annotated[float, Field(description="Longest wait between two attempts.", gt=0, le=_WEEK)] = (
        4 * 3600
    )
    expire_seconds: Annotated[float, Field(gt=0, le=_MONTH, description="After this a message is returned.")] = (
        2 * 86400
    )
    delay_notice_seconds: Annotated[
        float, Field(description="After this the sender is told once that the message is late.", gt=0, le=_MONTH)
    ] = 4 * 3600
    active_messages_max: Annotated[
        StrictInt, Field(ge=1, le=1_000_000, description="Messages in memory at a time.")
    ] = 4000
    active_octets_max: Annotated[
        StrictInt,
        Field(
            ge=1_048_576,
            le=_TEBI,
            description="Octets of memory for them, with content that is no file; the last one may go beyond it.",
        ),
    ] = 67_108_864
    unknown_retry_seconds: Annotated[
        float, Field(description="Wait after an attempt whose final reply was lost.", gt=0, le=_WEEK)
    ] = 300


class Limits(Section):
    """Limits on what peers may do; each protects the others."""

    message_octets_max: Annotated[
        StrictInt, Field(ge=1, le=_TEBI, description="Largest message, announced as SIZE.")
    ] = 157_286_400
    header_octets_max: Annotated[StrictInt, Field(ge=1, le=16_777_216, description="Largest header section.")] = 262_144
    content_in_memory_octets_max: Annotated[
        StrictInt, Field(ge=1, le=67_108_864, description="Larger content streams to a file.")
    ] = 524_288
    recipients_max: Annotated[
        StrictInt, Field(ge=1, le=100_000, description="Recipients of one transaction; one more gets 452.")
    ] = 1000
    connections_max: Annotated[
        StrictInt, Field(ge=1, le=1_000_000, description="Open connections of all listeners; one more gets 421.")
    ] = 20_000
    connections_for_known_percent: Annotated[
        StrictInt,
        Field(
            ge=0,
            le=90,
            description="Share of these for known clients alone: from connectors' addresses, or proved before.",
        ),
    ] = 25
    connections_per_address_max: Annotated[
        StrictInt, Field(ge=1, le=1_000_000, description="Open connections of a stranger's address (of IPv6 its /64).")
    ] = 100
    connections_per_known_address_max: Annotated[
        StrictInt, Field(ge=1, le=1_000_000, description="Open connections of a known client's address.")
    ] = 5000
    connections_per_minute_max: Annotated[
        StrictInt, Field(ge=1, le=1_000_000, description="Connections a minute of a stranger's address.")
    ] = 600
    messages_per_minute_max: Annotated[
        StrictInt, Field(ge=1, le=1_000_000, description="Transactions a minute of a stranger's address.")
    ] = 600
    recipients_per_minute_max: Annotated[
        StrictInt, Field(ge=1, le=1_000_000, description="Recipients a minute of a stranger's address.")
    ] = 6000
    unknown_recipients_per_minute_max: Annotated[
        StrictInt,
        Field(ge=1, le=1_000_000, description="Recipients a minute that do not exist, of a stranger's address."),
    ] = 60
    errors_per_minute_max: Annotated[
        StrictInt,
        Field(ge=1, le=1_000_000, description="Refused commands a minute after which an address gets 421."),
    ] = 200
    octets_held_max: Annotated[
        StrictInt,
        Field(
            ge=1_048_576,
            le=_TEBI,
            description="Memory for content under way of all sessions; above it strangers get 421, above twice all.",
        ),
    ] = 134_217_728
    errors_max: Annotated[
        StrictInt, Field(ge=1, le=1_000_000, description="Refused commands after which a session is closed.")
    ] = 20
    idle_commands_max: Annotated[
        StrictInt,
        Field(
            ge=1, le=1_000_000, description="Commands that lead nowhere (NOOP, RSET, EHLO, VRFY) between two messages."
        ),
    ] = 100
    command_timeout_seconds: Annotated[
        float,
        Field(gt=0, le=_DAY, description="How long a client may be silent between commands (RFC 5321 §4.5.3.2)."),
    ] = 300
    data_timeout_seconds: Annotated[
        float, Field(gt=0, le=_DAY, description="How long the next 16 KiB of content, or its end, may take.")
    ] = 180
    data_octets_per_second_min: Annotated[
        StrictInt,
        Field(ge=1, le=1_000_000, description="How fast content must come on the whole, data_timeout_seconds apart."),
    ] = 500
    message_wait_seconds: Annotated[
        float, Field(gt=0, le=_DAY, description="How long a session may last without a message, whatever it says.")
    ] = 1800
    stress_timeout_seconds: Annotated[
        float,
        Field(gt=0, le=_DAY, description="How long a stranger may achieve nothing while places or memory are short."),
    ] = 10
    backlog_recipients_max: Annotated[
        StrictInt,
        Field(
            ge=1,
            le=1_000_000_000,
            description="Recipients in the queue above which new mail gets 452; that of strangers at half of it.",
        ),
    ] = 5_000_000
    received_max: Annotated[
        StrictInt, Field(ge=1, le=10_000, description="Received fields above which a message is a loop.")
    ] = 50
    spool_free_octets_min: Annotated[
        StrictInt, Field(ge=0, le=2**62, description="Below this much free disk new mail gets 452.")
    ] = 67_108_864
    spool_free_octets_low: Annotated[
        StrictInt, Field(ge=0, le=2**62, description="Below this much free disk new mail of strangers gets 452.")
    ] = 268_435_456


class Console(Section):
    """The web side: console, API, metrics, health."""

    address: Annotated[str, Field(description="`IP:port` of health, metrics and the page that says what runs.")] = (
        "127.0.0.1:8025"
    )
    certificate: Annotated[
        Path | None, Field(description="PEM certificate chain for https; left out, http, and sign-in from here alone.")
    ] = None
    private_key: Annotated[Path | None, Field(description="PEM private key of the certificate.")] = None
    proxies: Annotated[
        tuple[str, ...],
        Field(description="Proxies (addresses or CIDR) whose word on client and https (X-Forwarded-…) is believed."),
    ] = ("127.0.0.1", "::1")


class Capture(Section):
    """A built-in host that plays the outside: takes everything and keeps it in a Maildir."""

    address: Annotated[str, Field(description="`IP:port` where the capture host listens.")]
    path: Annotated[Path, Field(description="Folder of its Maildir.")]
    hostname: Annotated[str | None, Field(description="Its name; left out, `outside.<hostname>`.")] = None


class Logging(Section):
    format: Annotated[
        LogFormat, Field(description="json: one object per line. postfix: lines in the manner of Postfix.")
    ] = LogFormat.JSON
    level: Annotated[LogLevel, Field(description="debug, info, warning or error.")] = LogLevel.INFO
    postfix_name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_.-]{1,32}$",
            description="In Postfix's manner, the name before its programs, as in `staffetta/smtpd[42]:`; `postfix`"
            " for readers that know no other.",
        ),
    ] = "staffetta"


class Delivery(Section):
    """How we talk to next hops."""

    connect_timeout_seconds: Annotated[
        float, Field(gt=0, le=_DAY, description="How long connecting to a next hop may take.")
    ] = 30
    reply_timeout_seconds: Annotated[
        float, Field(gt=0, le=_DAY, description="How long a next hop may take for a reply.")
    ] = 300
    idle_connection_seconds: Annotated[
        float, Field(ge=0, le=_DAY, description="How long an unused connection is kept.")
    ] = 5
    messages_per_connection_max: Annotated[
        StrictInt, Field(ge=1, le=1_000_000, description="Messages after which a connection is closed.")
    ] = 1000


class Dns(Section):
    """Whom we ask for mail exchangers and addresses."""

    servers: Annotated[
        tuple[str, ...],
        Field(description="Resolvers, `IP` or `IP:port`; left out, those of the system (/etc/resolv.conf)."),
    ] = ()
    trust_authenticated_data: Annotated[
        StrictBool,
        Field(
            description="Believe the servers' word (AD) that DNSSEC vouches for an answer, which DANE needs, from "
            "beyond this machine too: for a network that nobody else writes to."
        ),
    ] = False
    timeout_seconds: Annotated[float, Field(gt=0, le=300, description="How long a lookup may take.")] = 10


class HeaderAnalysis(Section):
    """What the header analyzer believes."""

    trusted_hosts: Annotated[
        tuple[str, ...],
        Field(
            description="Hosts whose Authentication-Results count, as the fields name them: `mx.contoso.com`, or "
            "`*.contoso.com` for all below. Those that take others' fields with their name away."
        ),
    ] = ()


class TlsReports(Section):
    """Daily reports to domains that ask for them, on TLS with their mail exchangers (RFC 8460)."""

    enabled: Annotated[StrictBool, Field(description="Whether results are counted and reports are sent.")] = False
    contact: Annotated[
        str | None, Field(description="Mailbox that they come from and that answers questions about them.")
    ] = None
    dkim_selector: Annotated[
        str | None, Field(description="Sign mailed reports for the contact's domain, with the key of this selector.")
    ] = None
    dkim_key: Annotated[
        str | None, Field(description="Its private key, PEM, by reference: `${VARIABLE}` or `file:/path`.")
    ] = None


class Doctor(Section):
    """What `staffetta doctor` needs to know; the relay itself uses none of it."""

    probe_host: Annotated[
        str | None,
        Field(
            description="A mail server elsewhere, `host` or `host:port`, to see whether port 25 is open to the outside."
        ),
    ] = None
    public_addresses: Annotated[
        tuple[str, ...], Field(description="Addresses that others see our mail come from; left out, what can be seen.")
    ] = ()
    dkim_selectors: Annotated[
        tuple[str, ...], Field(description="Selectors of the keys that sign our domains' mail, by whichever host.")
    ] = ()
    time_server: Annotated[
        str | None, Field(description="A time server (NTP), `host` or `host:port`, to compare this clock with.")
    ] = None


@dataclass(frozen=True, slots=True)
class Origin:
    """The file that settings were read from. changed_at: seconds since 1970."""

    path: Path
    changed_at: float


class Settings(Section):
    """The whole file."""

    _origin: Origin | None = PrivateAttr(None)
    _declared: "Settings | None" = PrivateAttr(None)

    hostname: Annotated[str, Field(description="Our name in the greeting, EHLO and Received.")]
    data_dir: Annotated[Path, Field(description="Spool and state; relative to the file's folder.")]
    run_as: Annotated[
        str | None,
        Field(
            description="User that the relay becomes where root starts it, once it has its ports; `root`: it stays "
            "root. Left out, root is refused where others can connect."
        ),
    ] = None
    secrets_key: Annotated[
        str | None,
        Field(
            description="Key that seals the secrets in the directory, by reference: `file:/path` or `${VARIABLE}`; "
            "left out, the file `secrets.key` beside this one."
        ),
    ] = None
    workers: Annotated[
        int | Literal["auto"],
        BeforeValidator(_workers),
        Field(description="Processes that share the work, a core each; `auto`: as many as there are cores."),
    ] = 1
    listeners: Annotated[tuple[Listener, ...], Field(description="Where clients connect.")] = ()
    accepted_domains: Annotated[tuple[AcceptedDomain, ...], Field(description="Domains that we take mail for.")] = ()
    inbound_connectors: Annotated[
        tuple[InboundConnector, ...], Field(description="Who may send in, and from there to the outside.")
    ] = ()
    mail_domain: Annotated[
        str | None,
        Field(description="Endpoints are named below it: `contoso-com.mail.<mail_domain>`; left out, hostname."),
    ] = None
    organizations: Annotated[tuple[Organization, ...], Field(description="Tenants besides the default one.")] = ()
    tolerances: Annotated[
        tuple[ToleranceProfile, ...], Field(description="What old devices may get wrong, and until when.")
    ] = ()
    trusted_authorities: Annotated[
        tuple[TrustedAuthority, ...], Field(description="Certificate authorities that connectors may name.")
    ] = ()
    accounts: Annotated[tuple[Account, ...], Field(description="Who may log in to send.")] = ()
    token_issuers: Annotated[tuple[TokenIssuer, ...], Field(description="Whose tokens are taken (XOAUTH2).")] = ()
    routes: Annotated[tuple[Route, ...], Field(description="Roads out.")] = ()
    route_rules: Annotated[
        tuple[RouteRule, ...], Field(description="Which mail takes which road, in order, before all else.")
    ] = ()
    outbound_connectors: Annotated[
        tuple[OutboundConnector, ...], Field(description="Roads out as Exchange has them, after the rules.")
    ] = ()
    token_sources: Annotated[tuple[TokenSource, ...], Field(description="Where our access tokens come from.")] = ()
    default_route: Annotated[str | None, Field(description="Route for every other recipient domain.")] = None
    reject_direct_send: Annotated[
        StrictBool,
        Field(description="Refuse mail in the name of an accepted domain from sessions that match no connector."),
    ] = False
    smtp_client_authentication_disabled: Annotated[
        StrictBool, Field(description="Let no account log in (AUTH), whatever its own switch says.")
    ] = False
    acme: Annotated[
        Acme | None, Field(description="A certificate that is got and renewed by itself; left out, there is none.")
    ] = None
    console: Annotated[Console | None, Field(description="The web side; left out, there is none.")] = None
    capture: Annotated[
        Capture | None, Field(description="The built-in host that plays the outside; left out, there is none.")
    ] = None
    drop: Annotated[
        Path | None,
        Field(description="Folder where `sendmail` leaves mail while the relay is down; left out, none is picked up."),
    ] = None
    queue: Annotated[QueueSettings, Field(description="When to try again.")] = QueueSettings()
    limits: Annotated[Limits, Field(description="Limits on what peers may do.")] = Limits()
    delivery: Annotated[Delivery, Field(description="How we talk to next hops.")] = Delivery()
    dns: Annotated[Dns, Field(description="Whom we ask for mail exchangers.")] = Dns()
    header_analysis: Annotated[HeaderAnalysis, Field(description="What the header analyzer believes.")] = (
        HeaderAnalysis()
    )
    probes: Annotated[tuple[Probe, ...], Field(description="Roads that are tried by the clock.")] = ()
    tls_reports: Annotated[TlsReports, Field(description="Daily reports on TLS.")] = TlsReports()
    log: Annotated[Logging, Field(description="How the log looks.")] = Logging()
    doctor: Annotated[Doctor, Field(description="What the doctor needs to know.")] = Doctor()

    @property
    def origin(self) -> Origin | None:
        """The file; None for settings that were made up."""
        return self._origin

    @property
    def declared(self) -> "Settings":
        """What the file alone says: these settings without the directory's objects."""
        return self._declared or self

    def read_from(self, origin: Origin) -> Self:
        """Note the file that these settings come from."""
        self._origin = origin
        return self

    def with_objects(self, lists: Mapping[str, tuple[Section, ...]], tables: Mapping[str, Section]) -> Self:
        """Return these settings with other lists of objects, and tables, which remember what the file declared."""
        merged = self.model_copy(update={**lists, **tables})
        merged._declared = self.declared
        return merged
