"""The open-relay test from a stranger's point of view: by the functions that decide live mail, without sending any.

A stranger claims to be one of ours, and writes to the outside, from an address in every part of the Internet.
"""

import ipaddress
from collections.abc import Iterator, Sequence

from staffetta.doctor.facts import Facts
from staffetta.doctor.finding import Finding, Kind, Severity
from staffetta.mail.address import Mailbox, parse_mailbox
from staffetta.mail.envelope import BodyType, Recipient
from staffetta.policy import relay
from staffetta.policy.connector import attribute
from staffetta.policy.decision import Decision, IPAddress, SessionFacts
from staffetta.policy.domain import accepted_domain
from staffetta.settings.addresses import Network, networks
from staffetta.settings.model import ListenerKind, Settings
from staffetta.settings.objects import ConnectorType, InboundConnector
from staffetta.smtp.events import Mail, Rcpt

VICTIM = parse_mailbox("somebody@example.org")
_FIRST_OCTETS = range(1, 224)
_IPV6_NETWORKS = ("2001:67c::", "2400:cb00::", "2600:1f00::", "2804:14c::", "2a00:1450::", "2c0f:f248::")
_WIDEST = {4: 16, 6: 32}  # a large company's; a provider's is wider

OPEN = Kind(
    "open-relay",
    Severity.ERROR,
    "Strangers find it within hours, send spam in your name, and your address is on every blocklist for weeks.",
    "Narrow sender_ip_addresses of connector {connector} to the addresses of your own clients.",
)
WIDE = Kind(
    "connector-very-wide",
    Severity.WARNING,
    "Whoever has one of these addresses, now or later, may relay in your name.",
    "List the addresses of your own clients; let others show a certificate, or log in.",
)
WIDE_DOMAIN = Kind(
    "accepted-domain-very-wide",
    Severity.ERROR,
    "Everybody may send to an accepted domain, and what is for domains that are not yours goes out in your name.",
    "Accept your own domains alone; take {domain} out.",
)
KINDS = (OPEN, WIDE, WIDE_DOMAIN)


def judge(facts: Facts) -> Iterator[Finding]:
    victim = accepted_domain(VICTIM.domain, facts.settings)
    if victim is not None:
        yield WIDE_DOMAIN.found(f"{VICTIM.domain} is one of the accepted domain {victim.name!r}", domain=victim.name)
        return
    opened: dict[str, list[tuple[IPAddress, str]]] = {}
    strangers = _strangers()
    for peer in strangers:
        for sender in _senders(facts.settings):
            decision, by = decided(peer, sender, facts, _listener(facts.settings))
            if decision.is_accepted:
                opened.setdefault(by, []).append((peer, str(sender or "<>")))
                break
    for connector, those in opened.items():
        place, claimed = those[0]
        yield OPEN.found(
            f"a stranger at {place} may send from {claimed} to {VICTIM}, and so may those of {len(those)} out of "
            f"{len(strangers)} places of the Internet that were tried",
            connector=repr(connector),
        )
    for each in facts.settings.inbound_connectors:
        if each.name not in opened and _lets_out(each) and (wide := _wide(each)):
            yield WIDE.found(f"connector {each.name!r} lets in {', '.join(map(str, wide))}")


def decided(peer: IPAddress, sender: Mailbox | None, facts: Facts, listener: str) -> tuple[Decision, str]:
    """Return what a client of that address is answered, and by which connector ("" for none)."""
    settings = facts.settings
    session = SessionFacts("0", listener, peer, "stranger.invalid")
    mail = Mail(sender, None, BodyType.SEVEN_BIT, smtputf8=False, ret=None, envelope_id=None)
    attribution = attribute(session, sender, settings, facts.now)
    connector = attribution.connector.name if attribution.connector is not None else ""
    for decision in (relay.connect(session, settings), relay.sender(session, attribution, mail, settings)):
        if not decision.is_accepted:
            return decision, connector
    to = Rcpt(Recipient(VICTIM))
    return relay.recipient(session, attribution, sender, to, settings), connector


def _listener(settings: Settings) -> str:
    names = [each.name for each in settings.listeners if each.kind is ListenerKind.RELAY]
    return next(iter(names), "relay")


def _senders(settings: Settings) -> Sequence[Mailbox | None]:
    """One of each organisation that lets addresses relay, a stranger's own, and the null path."""
    relaying = {each.organization for each in settings.inbound_connectors if _lets_out(each)}
    ours: dict[str, str] = {}
    for domain in settings.accepted_domains:
        if domain.organization in relaying or not ours:
            ours.setdefault(domain.organization, domain.name)
    names = [*ours.values(), "stranger.invalid"]
    return [*(parse_mailbox(f"postmaster@{name}") for name in names), None]


def _strangers() -> list[IPAddress]:
    addresses: list[IPAddress] = [ipaddress.IPv4Address(f"{first}.77.98.123") for first in _FIRST_OCTETS]
    addresses += [ipaddress.IPv6Address(f"{network}25") for network in _IPV6_NETWORKS]
    return [address for address in addresses if address.is_global]


def _lets_out(connector: InboundConnector) -> bool:
    """Whether an address alone is enough to relay by it."""
    others = (
        connector.tls_sender_certificate_name,
        connector.tls_sender_certificate_fingerprints,
        connector.sender_accounts,
    )
    is_on = connector.enabled and not connector.blocked
    return is_on and connector.connector_type is ConnectorType.ON_PREMISES and not any(others)


def _wide(connector: InboundConnector) -> list[Network]:
    found = [network for text in connector.sender_ip_addresses for network in networks(text)]
    return [each for each in found if each.is_global and each.prefixlen < _WIDEST[each.version]]
