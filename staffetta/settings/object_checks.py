"""Checks of the objects that an administrator works with, in the file or by the console; see checks.py."""

import re
from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from staffetta.mail.address import AddressError, parse_mailbox
from staffetta.settings.addresses import networks
from staffetta.settings.found import (
    Found,
    Where,
    address_entry,
    domain_name,
    domain_pattern,
    fingerprints,
    known_hint,
)
from staffetta.settings.model import Settings
from staffetta.settings.objects import (
    ANY_ACCOUNT,
    DEFAULT_ORGANIZATION,
    OWN_TRUST,
    PUBLIC_TRUST,
    AcceptedDomain,
    Account,
    ConnectorType,
    InboundConnector,
    SenderRewriting,
)
from staffetta.settings.passwords import is_hash

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check_objects(settings: Settings) -> Found:
    """Yield everything that is wrong with organisations, domains, authorities, accounts and connectors."""
    yield from _organizations(settings)
    yield from _authorities(settings)
    domains: dict[str, list[AcceptedDomain]] = {}
    for index, domain in enumerate(settings.accepted_domains):
        yield from domain_name(("accepted_domains", index, "name"), domain.name)
        domains.setdefault(domain.organization, []).append(domain)
    accounts: dict[str, set[str]] = {}
    for index, account in enumerate(settings.accounts):
        yield from _account(("accounts", index), account)
        accounts.setdefault(account.organization, set()).add(account.user_name.casefold())
    for index, connector in enumerate(settings.inbound_connectors):
        where = ("inbound_connectors", index)
        yield from _connector(where, connector)
        yield from _identification(where, connector)
        yield from _certificate(where, connector, settings)
        yield from _associated(where, connector, domains.get(connector.organization, []))
        yield from _rewriting(where, connector, domains.get(connector.organization, []))
        yield from _sender_accounts(where, connector, accounts.get(connector.organization, set()))


def _organizations(settings: Settings) -> Found:
    known = {DEFAULT_ORGANIZATION, *(organization.name for organization in settings.organizations)}
    endpoints: set[str] = set()
    for index, organization in enumerate(settings.organizations):
        endpoint = organization.endpoint
        where = ("organizations", index, "endpoint")
        if endpoint is None:
            continue
        if not _LABEL.fullmatch(endpoint):
            yield where, f"{endpoint!r} is no label of a name; write lower-case letters, digits and hyphens"
        elif endpoint in endpoints:
            yield where, f"{endpoint!r} is there twice; each organisation has an endpoint of its own"
        endpoints.add(endpoint)
    for section in ("accepted_domains", "accounts", "inbound_connectors", "outbound_connectors"):
        for index, entry in enumerate(getattr(settings, section)):
            if entry.organization not in known:
                text = f"there is no organisation {entry.organization!r}; {known_hint(entry.organization, known)}"
                yield (section, index, "organization"), text


def _authorities(settings: Settings) -> Found:
    for index, authority in enumerate(settings.trusted_authorities):
        where = ("trusted_authorities", index)
        if authority.name in (PUBLIC_TRUST, OWN_TRUST):
            yield (*where, "name"), f"{authority.name!r} means an authority that is there already; write another name"
        for key in ("certificates", "revocation_lists"):
            path = getattr(authority, key)
            if path is not None and not path.is_absolute():
                yield (*where, key), f"'{path}' starts nowhere; write the whole path, from /"


def _account(where: Where, account: Account) -> Found:
    if account.user_name == ANY_ACCOUNT:
        yield (*where, "user_name"), f"{ANY_ACCOUNT!r} stands for every account; write another name"
    for number, text in enumerate(account.password_hashes, 1):
        if not is_hash(text):  # not shown: it may be a password
            yield (
                (*where, "password_hashes"),
                f"entry {number} is no Argon2id hash; make one with `staffetta account hash`",
            )
    for pattern in account.send_as:
        if pattern != "*":
            yield from _sender_pattern((*where, "send_as"), pattern, "a@contoso.com, *@contoso.com, or *")


def _sender_pattern(key: Where, pattern: str, instead: str) -> Found:
    if pattern.startswith("*@"):
        yield from domain_name(key, pattern.removeprefix("*@"))
        return
    try:
        parse_mailbox(pattern)
    except AddressError as error:
        yield key, f"{pattern!r}: {error}; write {instead}"


def _connector(where: Where, connector: InboundConnector) -> Found:
    key = (*where, "sender_ip_addresses")
    problems = [problem for text in connector.sender_ip_addresses for problem in address_entry(key, text)]
    yield from problems
    if not problems and not connector.allow_any_address and _is_everybody(connector.sender_ip_addresses):
        yield key, "this list is every address, an open door; if it is meant, allow_any_address must be true"
    for text in connector.ef_skip_ips:
        yield from address_entry((*where, "ef_skip_ips"), text)
    key = (*where, "sender_domains")
    if not connector.sender_domains:
        yield key, "it is empty, so that no sender would do; write * for all of them"
    for pattern in connector.sender_domains:
        if pattern != "*":
            yield from domain_pattern(key, pattern, "*, contoso.com or *.contoso.com")
    if connector.treat_messages_as_internal and connector.cloud_services_mail_enabled:
        yield (
            (*where, "treat_messages_as_internal"),
            (
                "it goes not together with cloud_services_mail_enabled, which has the sender say what is internal; "
                "switch one of them off"
            ),
        )
    if connector.treat_messages_as_internal and connector.connector_type is not ConnectorType.ON_PREMISES:
        yield (*where, "treat_messages_as_internal"), "it is for connector_type OnPremises; leave it out"


def _identification(where: Where, connector: InboundConnector) -> Found:
    """A connector that can tell nobody would do nothing, or refuse everything, without a word."""
    has_addresses = bool(connector.sender_ip_addresses)
    has_certificate = bool(connector.tls_sender_certificate_name or connector.tls_sender_certificate_fingerprints)
    if connector.allow_authentication_without_tls:
        key = (*where, "allow_authentication_without_tls")
        if not has_addresses:
            yield key, "it is for addresses, and there are no sender_ip_addresses; list those of the old devices"
        if connector.require_tls:
            yield key, "require_tls refuses what it allows; switch one of them off"
    if not connector.enabled:
        return
    if connector.connector_type is ConnectorType.ON_PREMISES:
        if not (has_addresses or has_certificate or connector.sender_accounts):
            yield (
                (*where, "sender_ip_addresses"),
                (
                    "it is missing, and nothing else tells the client, so the connector matches nobody; "
                    "list addresses, certificate names, fingerprints or accounts, or switch it off"
                ),
            )
        return
    if connector.restrict_domains_to_ip_addresses and not has_addresses:
        yield (
            (*where, "restrict_domains_to_ip_addresses"),
            "there are no sender_ip_addresses to restrict to, so these domains could not send at all; list addresses",
        )
    if connector.restrict_domains_to_certificate and not has_certificate:
        yield (
            (*where, "restrict_domains_to_certificate"),
            (
                "there is no tls_sender_certificate_name to restrict to, so these domains could not send at all; "
                "name one, or give tls_sender_certificate_fingerprints"
            ),
        )


def _certificate(where: Where, connector: InboundConnector, settings: Settings) -> Found:
    if connector.tls_sender_certificate_name and not connector.require_tls:
        yield (*where, "require_tls"), "RequiredTls flag should be set to true if TlsCertificateName is specified"
    elif connector.tls_sender_certificate_fingerprints and not connector.require_tls:
        yield (
            (*where, "require_tls"),
            "it must be true with tls_sender_certificate_fingerprints: a certificate needs TLS",
        )
    for name in connector.tls_sender_certificate_name:
        key = (*where, "tls_sender_certificate_name")
        yield from domain_pattern(key, name, "mail.contoso.com or *.contoso.com")
    yield from fingerprints(
        (*where, "tls_sender_certificate_fingerprints"), connector.tls_sender_certificate_fingerprints
    )
    known = {PUBLIC_TRUST, OWN_TRUST, *(authority.name for authority in settings.trusted_authorities)}
    if (name := connector.trusted_authority) not in known:
        yield (*where, "trusted_authority"), f"there is no trusted authority {name!r}; {known_hint(name, known)}"


def _associated(where: Where, connector: InboundConnector, domains: Collection[AcceptedDomain]) -> Found:
    for name in connector.associated_accepted_domains:
        yield from _own_domain((*where, "associated_accepted_domains"), name, domains)


def _own_domain(key: Where, name: str, domains: Collection[AcceptedDomain]) -> Found:
    """domains: the accepted ones of the connector's organisation."""
    exact = {domain.name for domain in domains}
    above = tuple(f".{domain.name}" for domain in domains if domain.include_subdomains)
    if name not in exact and not (above and name.endswith(above)):
        yield key, f"{name!r} is not an accepted domain of the connector's organisation; {known_hint(name, exact)}"


def _rewriting(where: Where, connector: InboundConnector, domains: Collection[AcceptedDomain]) -> Found:
    key = (*where, "rewritten_sender")
    if connector.rewritten_sender is not None:
        try:
            sender = parse_mailbox(connector.rewritten_sender)
        except AddressError as error:
            yield key, f"{connector.rewritten_sender!r}: {error}; write relay@contoso.com"
        else:
            if not sender.is_ascii:  # not every message may have one, and not every next hop takes it
                yield key, f"{sender.text!r} needs SMTPUTF8; write an address in ASCII, the domain as A-labels"
            # Else an organisation could send in the name of another, or of a stranger.
            yield from _own_domain(key, sender.domain, domains)
    elif connector.sender_rewriting is not SenderRewriting.KEEP:
        yield (*where, "sender_rewriting"), "there is no rewritten_sender to put in the sender's place; name one"
    for pattern in connector.allowed_senders:
        key, instead = (*where, "allowed_senders"), "a@contoso.com or *@contoso.com"
        if pattern == "*":
            yield key, f"'*' leaves every sender, which is sender_rewriting = \"keep\"; write {instead}"
        else:
            yield from _sender_pattern(key, pattern, instead)


def _sender_accounts(where: Where, connector: InboundConnector, accounts: Collection[str]) -> Found:
    for name in connector.sender_accounts:
        if name != ANY_ACCOUNT and name.casefold() not in accounts:
            yield (
                (*where, "sender_accounts"),
                f"there is no account {name!r} in the connector's organisation; {known_hint(name, accounts)}",
            )


def _is_everybody(entries: Collection[str]) -> bool:
    """Whether the entries together are every IPv4 or every IPv6 address, also in halves."""
    named = [network for text in entries for network in networks(text)]
    four = collapse_addresses(network for network in named if isinstance(network, IPv4Network))
    six = collapse_addresses(network for network in named if isinstance(network, IPv6Network))
    return any(network.prefixlen == 0 for network in four) or any(network.prefixlen == 0 for network in six)
