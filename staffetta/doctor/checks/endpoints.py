"""Whether the hosts that mail goes to can be found: next hops, and the mail exchangers of our own domains."""

from collections.abc import Iterator

from staffetta.doctor.certificate import some
from staffetta.doctor.facts import DomainFacts, Facts, Whose
from staffetta.doctor.finding import Finding, Kind, NotChecked, Severity
from staffetta.doctor.roads import roads
from staffetta.policy.certificate import names_match, read
from staffetta.settings.model import ListenerKind

UNKNOWN_HOP = Kind(
    "next-hop-unknown",
    Severity.ERROR,
    "Mail on that route waits, and is returned when it has waited too long.",
    "Write the host as its provider shows it into route {route}; for Exchange Online that is the domain's MX record.",
)
NO_EXCHANGER = Kind(
    "mx-missing",
    Severity.WARNING,
    "Others try the domain's own address instead, or take it for a domain without mail.",
    "Publish where its mail goes, such as `{domain}. IN MX 0 {hostname}.`",
)
TAKES_NONE = Kind(
    "mx-says-no-mail",
    Severity.WARNING,
    "The null MX says that the domain takes no mail: nobody sends any, and some refuse mail that comes from it.",
    "Publish where its mail goes, such as `{domain}. IN MX 0 {hostname}.`",
)
UNKNOWN_EXCHANGER = Kind(
    "mx-host-unknown",
    Severity.ERROR,
    "Mail to the domain does not arrive.",
    "Publish an address for {host}, or name another host in the domain's MX record.",
)
DNS_FAILS = Kind(
    "domain-dns-fails",
    Severity.ERROR,
    "While its DNS fails, nobody can send to the domain, and what comes from it is refused.",
    "Look at the servers of its zone; where it is signed, at whether the signatures are still valid.",
)
UNNAMED = Kind(
    "mx-not-in-certificate",
    Severity.WARNING,
    "Senders that check, such as for MTA-STS, do not hand over to a host whose certificate lacks its name.",
    "Get a certificate with {host} among its names for the listener that takes mail.",
)
KINDS = (UNKNOWN_HOP, NO_EXCHANGER, TAKES_NONE, UNKNOWN_EXCHANGER, UNNAMED, DNS_FAILS)


def judge(facts: Facts) -> Iterator[Finding | NotChecked]:
    hosts = facts.online.hosts
    for road in roads(facts.settings):
        for hop in road.next_hops:
            found = hosts.get(hop.host.lower())
            if found is not None and not found.addresses:
                yield UNKNOWN_HOP.found(
                    f"route {road.name!r} goes to {hop.host}: {found.trouble or 'it has no address'}",
                    route=repr(road.name),
                )
    for domain in facts.online.domains:
        yield from _of(domain, facts)
    yield from _unnamed(facts)
    if facts.online.unasked_domains:
        yield NotChecked(f"{facts.online.unasked_domains} domains after the first {len(facts.online.domains)}")


def _of(domain: DomainFacts, facts: Facts) -> Iterator[Finding]:
    if domain.trouble is not None:
        yield DNS_FAILS.found(domain.trouble)
        return
    words = {"domain": domain.name, "hostname": facts.settings.hostname}
    if not domain.exchangers:
        yield NO_EXCHANGER.found(f"{domain.name} has no MX record", **words)
    elif any(not each.name for each in domain.exchangers):
        yield TAKES_NONE.found(f"{domain.name} has a null MX", **words)
    elif not any(each.addresses for each in domain.exchangers):
        names = [each.name for each in domain.exchangers]
        yield UNKNOWN_EXCHANGER.found(
            f"the mail exchangers of {domain.name} have no address: {some(names, '')}", host=names[0]
        )


def _unnamed(facts: Facts) -> Iterator[Finding]:
    """Exchangers that are this relay, and that no certificate of a relay listener names; our own name is told apart."""
    relays = [listener.name for listener in facts.settings.listeners if listener.kind is ListenerKind.RELAY]
    served = [each for each in facts.certificates if each.whose is Whose.LISTENER and each.names[0] in relays]
    names = [name for each in served if each.shown is not None for name in read(each.shown).names]
    ours = {own.address for own in facts.online.own}
    hosts = {each.name: each for domain in facts.online.domains for each in domain.exchangers}
    for host in hosts.values():
        is_us = bool(ours & set(host.addresses)) and host.name != facts.settings.hostname.lower()
        if is_us and names and not any(names_match(host.name, name) for name in names):
            yield UNNAMED.found(f"{host.name} is this relay; its certificate names {some(names, '')}", host=host.name)
