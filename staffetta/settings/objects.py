"""The objects that an administrator works with, in the file or by the console: who may send what, and whose it is.

Each is immutable. Names are Exchange's where Exchange has the object.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

DEFAULT_ORGANIZATION = "default"
"""The organisation of everything that names none; while it is the only one, nobody needs to know of it."""
PUBLIC_TRUST = "public"
"""As a trusted authority: the certificate authorities that this machine trusts."""
OWN_TRUST = "own"
"""As a trusted authority: the built-in one, of `staffetta ca`."""
ANY_ACCOUNT = "*"
"""As an account: every one of the organisation."""


_OUTSIDE = {"ip": "IP", "ips": "IPs", "ef": "EF", "mx": "MX", "utc": "UTC"}


def outside_name(name: str) -> str:
    """Return a key as Exchange spells the property: `sender_ip_addresses` is `SenderIPAddresses`."""
    return "".join(_OUTSIDE.get(word, word.capitalize()) for word in name.split("_"))


def _listed(value: object) -> object:
    """One text stands for a list of one."""
    return (value,) if isinstance(value, str) else value


def _lowered(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Domains = Annotated[Texts, AfterValidator(_lowered)]
"""Names of domains, or patterns for them: written in any case, kept in lower case."""


class Section(BaseModel):
    """A table of the file. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ConnectorType(StrEnum):
    ON_PREMISES = "OnPremises"
    PARTNER = "Partner"


class ConnectorSource(StrEnum):
    """Where a connector came from; it changes nothing."""

    DEFAULT = "Default"
    HYBRID_WIZARD = "HybridWizard"
    MIGRATED = "Migrated"
    ADMIN_UI = "AdminUI"


class SenderRewriting(StrEnum):
    KEEP = "keep"
    FORCE = "force"
    FORCE_IF_NOT_ALLOWED = "force-if-not-allowed"


class DomainType(StrEnum):
    AUTHORITATIVE = "Authoritative"
    INTERNAL_RELAY = "InternalRelay"


class Organization(Section):
    """A tenant: it owns domains, connectors and accounts, and sees no other's."""

    name: Annotated[str, Field(description="Its name, unique.")]
    endpoint: Annotated[
        str | None,
        Field(description="The label before `mail.<mail_domain>`; left out, its first domain with dashes for dots."),
    ] = None
    reject_direct_send: Annotated[
        StrictBool, Field(description="As the key of that name above, for this organisation's domains.")
    ] = False
    smtp_client_authentication_disabled: Annotated[
        StrictBool, Field(description="As the key of that name above, for this organisation's accounts.")
    ] = False
    allow_private_next_hops: Annotated[
        StrictBool, Field(description="Let its outbound connectors lead to loopback, private and link-local addresses.")
    ] = False
    routes: Annotated[
        Texts, Field(description="Routes that its own administrators may name in domains and connectors; `*` is every.")
    ] = ()


class AcceptedDomain(Section):
    """A domain that we take mail for."""

    name: Annotated[
        str, AfterValidator(str.lower), Field(description="The domain; an internationalised one as A-labels.")
    ]
    type: Annotated[
        DomainType,
        Field(description="Authoritative: all its recipients are known here. InternalRelay: more exist elsewhere."),
    ] = DomainType.AUTHORITATIVE
    include_subdomains: Annotated[StrictBool, Field(description="Whether every domain below it is accepted too.")] = (
        False
    )
    recipients: Annotated[
        tuple[str, ...],
        Field(
            description="Local parts that exist in an Authoritative domain; `*` means any. InternalRelay ignores it."
        ),
    ] = ("*",)
    route: Annotated[str, Field(description="The route that its recipients take.")]
    organization: Annotated[str, Field(description="The organisation that owns it.")] = DEFAULT_ORGANIZATION


class TrustedAuthority(Section):
    """A certificate authority that connectors may name, besides `public`."""

    name: Annotated[str, Field(description="Its name, unique.")]
    certificates: Annotated[Path, Field(description="PEM file of its certificates, the root among them.")]
    revocation_lists: Annotated[
        Path | None, Field(description="PEM file of its revocation lists; with it, a certificate must not be on one.")
    ] = None


class Account(Section):
    """Who may log in to send (SMTP AUTH): a device, a program or a person."""

    user_name: Annotated[str, Field(description="What the client logs in as, such as `scanner@contoso.com`.")]
    organization: Annotated[str, Field(description="The organisation that owns it.")] = DEFAULT_ORGANIZATION
    enabled: Annotated[StrictBool, Field(description="Whether it may log in.")] = True
    password_hashes: Annotated[
        Texts, Field(description="Argon2id hashes of its passwords, one per device: `staffetta account hash`.")
    ] = ()
    send_as: Annotated[
        Texts,
        Field(description="Senders it may use besides its own name: `a@contoso.com`, `*@contoso.com`, or `*`."),
    ] = ()
    comment: Annotated[str, Field(description="For people.")] = ""


class TokenIssuer(Section):
    """An identity provider whose tokens let accounts log in (XOAUTH2)."""

    issuer: Annotated[str, Field(description="The `iss` of its tokens.")]
    audience: Annotated[Texts, Field(description="The `aud` that a token must have, one of these.")]
    keys: Annotated[str, Field(description="Where its JSON Web Key Set is: an https address, or a file's path.")]
    user_claim: Annotated[str, Field(description="The claim that names the account.")] = "preferred_username"


class InboundConnector(Section):
    """Who may send in. Names are those of Exchange's InboundConnector.

    Of accounts, certificates and addresses, all that it names must hold.
    """

    name: Annotated[str, Field(description="Its name, unique.")]
    organization: Annotated[str, Field(description="The organisation that owns it.")] = DEFAULT_ORGANIZATION
    enabled: Annotated[StrictBool, Field(description="Whether it is switched on.")] = True
    connector_type: Annotated[
        ConnectorType, Field(description="OnPremises may relay to the outside; Partner only restricts its own domains.")
    ] = ConnectorType.ON_PREMISES
    comment: Annotated[str, Field(description="For people.")] = ""
    sender_domains: Annotated[
        Domains,
        Field(description="Domains of the reverse-path: `*`, `contoso.com`, or `*.contoso.com` for it and all below."),
    ] = ("*",)
    sender_ip_addresses: Annotated[
        Texts, Field(description="Addresses, CIDR of any length, or ranges `a-b`; IPv4 and IPv6.")
    ] = ()
    restrict_domains_to_ip_addresses: Annotated[
        StrictBool, Field(description="Partner: refuse these sender domains from any other address.")
    ] = False
    restrict_domains_to_certificate: Annotated[
        StrictBool, Field(description="Partner: refuse these sender domains without the named certificate.")
    ] = False
    require_tls: Annotated[StrictBool, Field(description="Refuse mail that comes without TLS.")] = False
    tls_sender_certificate_name: Annotated[
        Domains,
        Field(description="Names in the client's certificate: `mail.contoso.com`, or `*.contoso.com` and all below."),
    ] = ()
    trusted_authority: Annotated[
        str, Field(description="Who must have issued the certificate: `public`, or the name of a trusted authority.")
    ] = PUBLIC_TRUST
    tls_sender_certificate_fingerprints: Annotated[
        Texts,
        Field(description="SHA-256 of certificates that are taken whoever issued them, as `openssl x509` prints it."),
    ] = ()
    sender_accounts: Annotated[
        Texts, Field(description="Accounts that the client may have logged in as; `*` is every one.")
    ] = ()
    associated_accepted_domains: Annotated[
        Domains, Field(description="Only senders in these accepted domains may use it; none named means all.")
    ] = ()
    allow_authentication_without_tls: Annotated[
        StrictBool, Field(description="Offer AUTH in clear to the addresses of this connector, for old devices.")
    ] = False
    blocked: Annotated[
        StrictBool, Field(description="Refuse its mail with 5.7.711 until an administrator unblocks it.")
    ] = False
    allow_any_address: Annotated[
        StrictBool, Field(description="Must be true for a list that covers every address.")
    ] = False
    never_twice: Annotated[
        StrictBool, Field(description="Hold a message whose final reply was lost instead of trying again.")
    ] = False
    messages_per_minute: Annotated[
        StrictInt | None,
        Field(ge=1, description="Messages that it hands to delivery in a minute; more wait, and none is refused."),
    ] = None
    tolerance: Annotated[
        str | None, Field(description="Bear of its clients what this profile of the settings names.")
    ] = None
    sender_rewriting: Annotated[
        SenderRewriting,
        Field(description="keep, force or force-if-not-allowed: put rewritten_sender in the place of the sender."),
    ] = SenderRewriting.KEEP
    rewritten_sender: Annotated[
        str | None, Field(description="The address for envelope and From; Reply-To and the shown name are kept.")
    ] = None
    allowed_senders: Annotated[
        Texts, Field(description="Senders that force-if-not-allowed leaves: `a@contoso.com`, `*@contoso.com`.")
    ] = ()
    connector_source: Annotated[ConnectorSource, Field(description="Where it came from; changes nothing.")] = (
        ConnectorSource.DEFAULT
    )
    cloud_services_mail_enabled: Annotated[
        StrictBool, Field(description="Keep Exchange's internal header fields of its mail; from all others they go.")
    ] = False
    treat_messages_as_internal: Annotated[
        StrictBool, Field(description="Count its mail as internal where the sender's domain is accepted.")
    ] = False
    trusted_organizations: Annotated[Texts, Field(description="Kept for Exchange's sake; changes nothing.")] = ()
    client_host_names: Annotated[Texts, Field(description="Kept for Exchange's sake; changes nothing.")] = ()
    ef_skip_last_ip: Annotated[StrictBool, Field(description="Kept for Exchange's sake; changes nothing.")] = False
    ef_skip_ips: Annotated[Texts, Field(description="Kept for Exchange's sake; changes nothing.")] = ()
    ef_skip_mail_gateway: Annotated[Texts, Field(description="Kept for Exchange's sake; changes nothing.")] = ()
    ef_users: Annotated[Texts, Field(description="Kept for Exchange's sake; changes nothing.")] = ()
    ef_test_mode: Annotated[StrictBool, Field(description="Kept for Exchange's sake; changes nothing.")] = False
    scan_and_drop_recipients: Annotated[Texts, Field(description="Kept for Exchange's sake; changes nothing.")] = ()


class OutboundTls(StrEnum):
    ENCRYPTION_ONLY = "EncryptionOnly"
    CERTIFICATE_VALIDATION = "CertificateValidation"
    DOMAIN_VALIDATION = "DomainValidation"


class MtaStsMode(StrEnum):
    OPPORTUNISTIC = "Opportunistic"
    NONE = "None"


class SmtpDaneMode(StrEnum):
    OPPORTUNISTIC = "Opportunistic"
    MANDATORY = "Mandatory"
    NONE = "None"


class OutboundConnector(Section):
    """Where mail goes out. Names are those of Exchange's OutboundConnector."""

    name: Annotated[str, Field(description="Its name, unique, 64 characters at most.", max_length=64)]
    organization: Annotated[str, Field(description="The organisation that owns it.")] = DEFAULT_ORGANIZATION
    enabled: Annotated[StrictBool, Field(description="Whether it is switched on.")] = True
    connector_type: Annotated[ConnectorType, Field(description="OnPremises or Partner.")] = ConnectorType.PARTNER
    connector_source: Annotated[ConnectorSource, Field(description="Where it came from; changes nothing.")] = (
        ConnectorSource.DEFAULT
    )
    comment: Annotated[str, Field(description="For people.")] = ""
    recipient_domains: Annotated[
        Texts, Field(description="Domains that it serves: `contoso.com`, `*.contoso.com` for it and below, or `*`.")
    ] = ()
    all_accepted_domains: Annotated[StrictBool, Field(description="Serve every accepted domain.")] = False
    use_mx_record: Annotated[StrictBool, Field(description="To the mail exchangers; false: to the smart hosts.")] = True
    smart_hosts: Annotated[Texts, Field(description="Names or IP addresses, with `:port` where it is not 25.")] = ()
    tls_settings: Annotated[
        OutboundTls | None,
        Field(description="EncryptionOnly, CertificateValidation, DomainValidation; left out: TLS if offered."),
    ] = None
    tls_domain: Annotated[str | None, Field(description="For DomainValidation: the name in the certificate.")] = None
    mta_sts_mode: Annotated[MtaStsMode, Field(description="Opportunistic or None.")] = MtaStsMode.OPPORTUNISTIC
    smtp_dane_mode: Annotated[SmtpDaneMode, Field(description="Opportunistic, Mandatory or None.")] = (
        SmtpDaneMode.OPPORTUNISTIC
    )
    route: Annotated[
        str | None, Field(description="Take this route of the settings, for what a connector cannot say.")
    ] = None
    sender_rewriting_enabled: Annotated[StrictBool, Field(description="Kept for Exchange's sake; changes nothing.")] = (
        False
    )
    is_transport_rule_scoped: Annotated[StrictBool, Field(description="Used by no domain, only where a rule says.")] = (
        False
    )
    route_all_messages_via_on_premises: Annotated[
        StrictBool, Field(description="OnPremises: serve every recipient domain.")
    ] = False
    cloud_services_mail_enabled: Annotated[
        StrictBool, Field(description="Leave Exchange's internal header fields in; off, they are taken out.")
    ] = False
    test_mode: Annotated[StrictBool, Field(description="Not used for mail, only to be validated.")] = False
    is_validated: Annotated[StrictBool, Field(description="Whether the last validation went well.")] = False
    validation_recipients: Annotated[Texts, Field(description="Whom the last validation wrote to.")] = ()
    last_validation_at: Annotated[float | None, Field(description="When that was, seconds since 1970.")] = None
