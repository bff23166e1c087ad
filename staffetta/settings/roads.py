"""The roads out: which mail takes which (RouteRule), and how it travels there (Route)."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, StrictBool, StrictInt

from staffetta.settings.objects import PUBLIC_TRUST, Section, Texts

NO_ROUTE = "none"
"""Names no route: the courier defers, and says so, until the settings have a default_route."""
ANY_NAME = "*"
"""As a TLS name: a trusted certificate is enough, whatever names it has."""


class Transport(StrEnum):
    SMTP = "smtp"
    LMTP = "lmtp"
    MAILDIR = "maildir"
    MX = "mx"  # to the mail exchangers of each recipient's domain
    GRAPH = "graph"  # Microsoft Graph's sendMail


class TlsLevel(StrEnum):
    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    REQUIRED = "required"
    VERIFIED = "verified"


class TlsVersion(StrEnum):
    TLS_1_0 = "1.0"
    TLS_1_1 = "1.1"
    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


class Mechanism(StrEnum):
    PLAIN = "plain"
    LOGIN = "login"
    XOAUTH2 = "xoauth2"


class Preset(StrEnum):
    """A far side that we know: what a route leaves unsaid is as it wants it (settings/presets.py)."""

    EXCHANGE_CONNECTOR = "exchange-connector"  # MX endpoint, port 25, by address or client certificate
    EXCHANGE_SUBMISSION = "exchange-submission"  # smtp.office365.com:587, XOAUTH2
    EXCHANGE_GRAPH = "exchange-graph"
    GOOGLE_WORKSPACE = "google-workspace"
    AMAZON_SES = "amazon-ses"


class NextHop(Section):
    """A host to hand over to."""

    host: Annotated[str, Field(description="Name, IP address, or for lmtp the path of a socket.")]
    port: Annotated[StrictInt, Field(description="TCP port.")] = 25
    priority: Annotated[StrictInt, Field(ge=0, le=65535, description="Lower is tried first, as with MX.")] = 0
    weight: Annotated[
        StrictInt, Field(ge=0, le=65535, description="Share among those of equal priority; 0: only when others fail.")
    ] = 1


class Authentication(Section):
    """How we log in to a next hop."""

    mechanism: Annotated[Mechanism, Field(description="plain, login or xoauth2.")] = Mechanism.PLAIN
    user_name: Annotated[str, Field(description="Who we are there; for xoauth2 the mailbox.")]
    password: Annotated[
        str | None, Field(description="For plain and login, by reference: `${VARIABLE}` or `file:/path`.")
    ] = None
    token_source: Annotated[str | None, Field(description="For xoauth2: the name of a token source.")] = None


class TokenSource(Section):
    """Where access tokens come from (OAuth 2.0)."""

    name: Annotated[str, Field(description="Its name, unique.")]
    token_endpoint: Annotated[
        str, Field(description="Such as `https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`.")
    ]
    client_id: Annotated[str, Field(description="The application's id.")]
    client_secret: Annotated[str | None, Field(description="By reference: `${VARIABLE}` or `file:/path`.")] = None
    client_certificate: Annotated[
        Path | None, Field(description="PEM file of certificate and key that sign an assertion, instead of a secret.")
    ] = None
    device_endpoint: Annotated[
        str | None, Field(description="Where a login by device code begins; left out, as Entra and Google have it.")
    ] = None
    refresh_token_file: Annotated[
        Path | None, Field(description="Where `staffetta oauth login` keeps the refresh token of a person's consent.")
    ] = None
    scope: Annotated[str, Field(description="What the token is for.")] = "https://outlook.office365.com/.default"


class Route(Section):
    """A road out."""

    name: Annotated[str, Field(description="Its name, unique.")]
    transport: Annotated[Transport, Field(description="smtp, lmtp, maildir, mx or graph.")] = Transport.SMTP
    preset: Annotated[Preset | None, Field(description="A far side that we know; other keys go before it.")] = None
    next_hops: Annotated[tuple[NextHop, ...], Field(description="Tried by priority, for smtp and lmtp.")] = ()
    tls: Annotated[
        TlsLevel,
        Field(
            description="none, opportunistic (TLS where it is offered), required (any certificate), or verified "
            "(a trusted certificate with the right name)."
        ),
    ] = TlsLevel.OPPORTUNISTIC
    implicit_tls: Annotated[StrictBool, Field(description="TLS from the first octet instead of STARTTLS.")] = False
    tls_minimum: Annotated[TlsVersion, Field(description="1.0 and 1.1 are for old hosts alone.")] = TlsVersion.TLS_1_2
    tls_names: Annotated[
        Texts,
        Field(description="For verified: names, of which the certificate must have one; `*` is any; else the host's."),
    ] = ()
    trusted_authority: Annotated[
        str, Field(description="For verified: `public`, `own`, or the name of a trusted authority.")
    ] = PUBLIC_TRUST
    tls_fingerprints: Annotated[
        Texts, Field(description="For verified: SHA-256 of certificates that are taken whoever issued them.")
    ] = ()
    client_certificate: Annotated[
        Path | None, Field(description="PEM (chain, and key where client_key is left out) or PFX that we show.")
    ] = None
    client_key: Annotated[Path | None, Field(description="PEM private key of the client certificate.")] = None
    client_certificate_password: Annotated[
        str | None, Field(description="Of the PFX, by reference: `${VARIABLE}` or `file:/path`.")
    ] = None
    authentication: Annotated[Authentication | None, Field(description="How we log in; left out, we do not.")] = None
    token_source: Annotated[str | None, Field(description="For graph: the name of a token source.")] = None
    graph_endpoint: Annotated[str, Field(description="For graph: another one in the national clouds.")] = (
        "https://graph.microsoft.com/v1.0"
    )
    graph_mailbox: Annotated[
        str | None, Field(description="For graph: the mailbox that sends everything; left out, the sender's own.")
    ] = None
    source_addresses: Annotated[
        Texts, Field(description="Addresses of ours to connect from, one for IPv4 and one for IPv6.")
    ] = ()
    proxy: Annotated[
        str | None, Field(description="Connect through it: `socks5://HOST:PORT`; a user and password by reference.")
    ] = None
    allow_private_addresses: Annotated[
        StrictBool, Field(description="mx: whether exchangers may have loopback, private or link-local addresses.")
    ] = False
    public_addresses_only: Annotated[
        StrictBool, Field(description="smtp: never connect to loopback, private or link-local addresses.")
    ] = False
    dane: Annotated[StrictBool, Field(description="mx: honour TLSA records (RFC 7672).")] = True
    dane_required: Annotated[
        StrictBool, Field(description="mx: only to exchangers whose TLSA records can be honoured.")
    ] = False
    mta_sts: Annotated[StrictBool, Field(description="mx: honour MTA-STS policies (RFC 8461).")] = True
    internal_fields: Annotated[
        StrictBool, Field(description="Leave Exchange's internal header fields in, of mail that came with them.")
    ] = True
    concurrency: Annotated[StrictInt, Field(description="Attempts to one destination at a time.", ge=1, le=1000)] = 20
    messages_per_minute: Annotated[
        StrictInt | None, Field(ge=1, description="Messages to one destination in a minute; more wait.")
    ] = None
    recipients_per_day: Annotated[
        StrictInt | None, Field(ge=1, description="Recipients in any 24 hours; more wait.")
    ] = None
    licenses: Annotated[
        StrictInt | None,
        Field(ge=1, description="Exchange licences: external recipients in 24 hours are 500 × licences^0.7 + 9500."),
    ] = None
    path: Annotated[
        Path | None, Field(description="Folder of the Maildirs, one per mailbox: `<path>/<domain>/<local part>/`.")
    ] = None


class RouteRule(Section):
    """Which mail takes which road: the first rule whose conditions all hold. A condition left out holds."""

    name: Annotated[str, Field(description="Its name, unique.")]
    route: Annotated[str, Field(description="The route, or the outbound connector, that its mail takes.")]
    enabled: Annotated[StrictBool, Field(description="Whether it is switched on.")] = True
    priority: Annotated[
        StrictInt, Field(ge=0, le=1_000_000, description="Lower goes first; among equals, the one that stands first.")
    ] = 100
    comment: Annotated[str, Field(description="For people.")] = ""
    recipient_domains: Annotated[Texts, Field(description="`contoso.com`, `*.contoso.com` for it and below, `*`.")] = ()
    sender_domains: Annotated[Texts, Field(description="The same of the reverse-path; `<>` is the null path.")] = ()
    connectors: Annotated[Texts, Field(description="Names of inbound connectors that let the message in.")] = ()
    octets_min: Annotated[StrictInt, Field(ge=0, description="Messages at least so large.")] = 0
    octets_max: Annotated[StrictInt | None, Field(ge=0, description="Messages at most so large.")] = None
