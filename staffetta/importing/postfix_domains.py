"""Whose mail Postfix takes and where it goes: address classes and the maps of transports, as domains and rules.

Postfix asks, for a recipient: 1. transport_maps, by the closest name. 2. The class of its domain: local, virtual,
relay, or everything else. 3. For the last two, the sender's own relay. Rules stand in that order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from staffetta.importing.doors import accept_senders, close_to_strangers
from staffetta.importing.draft import Draft, said, unused_name
from staffetta.importing.postfix_parameters import Parameters
from staffetta.importing.postfix_roads import Roads
from staffetta.importing.postfix_tables import Entry, Tables
from staffetta.mail.address import AddressError, parse_domain
from staffetta.settings.objects import AcceptedDomain, DomainType
from staffetta.settings.roads import RouteRule

EVERYTHING = "*"


@dataclass(slots=True)
class Belonging:
    """domains: accepted ones. by_sender: those whose road the sender may change."""

    domains: list[AcceptedDomain] = field(default_factory=list)
    by_sender: list[str] = field(default_factory=list)


def import_domains(
    parameters: Parameters, tables: Tables, roads: Roads, draft: Draft, *, strangers: bool, own: tuple[str, ...]
) -> None:
    """Make accepted domains, the default route and the rules.

    strangers: whether they may send to our domains. own: domains of our senders; empty: what main.cf tells.
    """
    default = _default_road(parameters, roads, draft)
    draft.default_route = default
    belonging = Belonging()
    _local(parameters, roads, belonging, draft)
    _virtual(parameters, tables, roads, belonging, draft)
    _relayed(parameters, tables, roads, belonging, default, draft)
    transports = _transports(parameters, tables, roads, belonging, draft)
    _rules(transports, "transport_maps", draft)
    senders = _senders(parameters, tables, roads, draft)
    if senders:
        fixed = {each.name: each.route for each in belonging.domains if each.name not in belonging.by_sender}
        _rules(fixed, "address class", draft)
        for name, route in senders.items():
            _rule(f"from {name}", route, draft, sender_domains=(name,))
        draft.note("sender_dependent_relayhost_maps", f"route rules for {len(senders)} sender domains")
    _policies(parameters, tables, roads, transports, belonging, default, draft)
    draft.accepted_domains += belonging.domains
    for each in belonging.domains:
        draft.note(each.name, f"accepted domain, {each.type.value}, by route {each.route!r}")
    if not belonging.domains or not strangers:
        close_to_strangers(draft)
    accept_senders(own or _own(parameters), draft)


def _own(parameters: Parameters) -> tuple[str, ...]:
    found = [parameters.text("mydomain"), *([parameters.text("myorigin")] if parameters.is_set("myorigin") else [])]
    return tuple(name for name in dict.fromkeys(each.lower() for each in found) if _is_domain(name))


def _default_road(parameters: Parameters, roads: Roads, draft: Draft) -> str | None:
    service, nexthop = split(parameters.text("default_transport"))
    relayhost = parameters.text("relayhost")
    road = roads.road("relayhost" if relayhost else "default_transport", service, nexthop or relayhost)
    if road is None:
        draft.note("default_transport", "no default_route: mail to other domains has no road")
    return road


def split(value: str) -> tuple[str, str]:
    """Return transport and next hop of `transport:nexthop`, `transport`, `:nexthop`, `:`."""
    service, _, nexthop = value.strip().partition(":")
    return service.strip(), nexthop.strip()


def _local(parameters: Parameters, roads: Roads, belonging: Belonging, draft: Draft) -> None:
    service, nexthop = split(parameters.text("mailbox_transport") or parameters.text("local_transport"))
    names = [name for name in parameters.words("mydestination") if _is_domain(name)]
    if not names:
        return
    if service in ("lmtp", "smtp", "relay"):
        if route := roads.road("mydestination", service, nexthop):
            belonging.domains += [AcceptedDomain(name=name.lower(), route=route) for name in names]
        return
    why = f"mail to {', '.join(names)} went to mailboxes of this machine's users; a relay has none"
    instead = "name those domains as accepted domains, with a route to the server of the mailboxes"
    draft.leave("mydestination", why, instead)


def _virtual(parameters: Parameters, tables: Tables, roads: Roads, belonging: Belonging, draft: Draft) -> None:
    names = _names("virtual_mailbox_domains", parameters, tables)
    if not names:
        return
    service, nexthop = split(parameters.text("virtual_transport"))
    route = roads.road("virtual_mailbox_domains", service, nexthop)
    if route is None:
        return
    known = tables.of("virtual_mailbox_maps", parameters.words("virtual_mailbox_maps"))
    for name in names:
        recipients = _recipients(name, known)
        belonging.domains.append(said(AcceptedDomain, name=name, route=route, recipients=recipients or None))


def _relayed(
    parameters: Parameters, tables: Tables, roads: Roads, belonging: Belonging, default: str | None, draft: Draft
) -> None:
    service, nexthop = split(parameters.text("relay_transport"))
    known = tables.of("relay_recipient_maps", parameters.words("relay_recipient_maps"))
    with_subdomains = "relay_domains" in parameters.words("parent_domain_matches_subdomains")
    taken = {each.name for each in belonging.domains}
    for name in _names("relay_domains", parameters, tables):
        if name in taken or name in [each.lower() for each in parameters.words("mydestination")]:
            continue
        hop = nexthop or parameters.text("relayhost")
        route = roads.road(f"relay_domains, {name}", service, hop, domain=name) or default
        if route is None:
            draft.leave(f"relay_domains, {name}", "it has no road", "name it as an accepted domain, with a route")
            continue
        recipients = _recipients(name, known)
        domain = said(
            AcceptedDomain,
            name=name,
            type=None if recipients else DomainType.INTERNAL_RELAY,
            include_subdomains=(with_subdomains and not recipients) or None,
            recipients=recipients or None,
            route=route,
        )
        belonging.domains.append(domain)
        belonging.by_sender.append(name)


def _transports(
    parameters: Parameters, tables: Tables, roads: Roads, belonging: Belonging, draft: Draft
) -> dict[str, str]:
    """Return the route by pattern, as rules write them; and let accepted domains take the road that is theirs."""
    covers_subdomains = "transport_maps" in parameters.words("parent_domain_matches_subdomains")
    found: dict[str, str] = {}
    entries = tables.of("transport_maps", parameters.words("transport_maps"))
    unchanged: list[str] = []
    for entry in entries:
        key = entry.key.lower()
        what = f"transport_maps, {entry.key}"
        if "@" in key or (key != EVERYTHING and not _is_domain(key.removeprefix("."))):
            draft.leave(what, "it is one recipient, and a rule knows domains", "write a rule for the domain, if it may")
            continue
        service, nexthop = split(entry.value)
        domain = key.removeprefix(".")
        if not service and not nexthop:
            unchanged.append(key)
            continue
        route = roads.road(what, service or "smtp", nexthop, domain=None if key == EVERYTHING else domain)
        if route is None:
            continue
        if key.startswith("."):
            found[f"*.{domain}"] = route
        elif key == EVERYTHING or not covers_subdomains:
            found[key] = route
        else:
            found[f"*.{key}"] = route
    exact = {entry.key.lower() for entry in entries}
    for pattern in [each for each in found if each.startswith("*.")]:
        domain = pattern.removeprefix("*.")
        if not covers_subdomains and domain not in exact:  # `.contoso.com` is all below it, and not contoso.com
            unchanged.append(domain)
    for key in unchanged:
        usual = _usual(key.removeprefix("."), belonging, draft.default_route)
        if usual is not None and any(_covers(pattern, key) for pattern in found):
            found.setdefault(f"*{key}" if key.startswith(".") else key, usual)
    return found


def _usual(domain: str, belonging: Belonging, default: str | None) -> str | None:
    return next((each.route for each in belonging.domains if each.name == domain), default)


def _covers(pattern: str, key: str) -> bool:
    domain = key.removeprefix(".")
    return pattern == EVERYTHING or (pattern.startswith("*.") and f".{domain}".endswith(pattern[1:]))


def _senders(parameters: Parameters, tables: Tables, roads: Roads, draft: Draft) -> dict[str, str]:
    found: dict[str, str] = {}
    service = split(parameters.text("default_transport"))[0]
    for name, is_hop in (("sender_dependent_relayhost_maps", True), ("sender_dependent_default_transport_maps", False)):
        for entry in tables.of(name, parameters.words(name)):
            what = f"{name}, {entry.key}"
            if not entry.key.startswith("@") or not _is_domain(entry.key[1:]):
                why = "it is one sender, and a rule knows domains"
                draft.leave(what, why, "write a rule for the domain, or for the connector that it comes by")
                continue
            if entry.value.upper() == "DUNNO" or not entry.value:
                continue
            used, nexthop = (service, entry.value) if is_hop else split(entry.value)
            if route := roads.road(what, used or service, nexthop):
                found.setdefault(entry.key[1:].lower(), route)
    return found


def _policies(
    parameters: Parameters,
    tables: Tables,
    roads: Roads,
    transports: Mapping[str, str],
    belonging: Belonging,
    default: str | None,
    draft: Draft,
) -> None:
    """Domains that go by their own exchangers, with TLS of their own."""
    service, nexthop = split(parameters.text("default_transport"))
    if nexthop or parameters.text("relayhost") or default is None:
        return
    taken = {each.name for each in belonging.domains}
    found: dict[str, str] = {}
    for entry in tables.of("smtp_tls_policy_maps", parameters.words("smtp_tls_policy_maps")):
        domain = entry.key.lower()
        if not _is_domain(domain.removeprefix(".")) or domain in transports or domain in taken:
            continue
        if domain.startswith("."):
            what = f"smtp_tls_policy_maps, {entry.key}"
            draft.leave(what, "it is all below a domain", "write a rule for that domain")
            continue
        route = roads.road(f"smtp_tls_policy_maps, {domain}", service, "", domain=domain)
        if route is not None and route != default:
            found[domain] = route
    _rules(found, "smtp_tls_policy_maps", draft)


def _rules(routes: Mapping[str, str], what: str, draft: Draft) -> None:
    """The closest name first: exact ones, then the longest of those below a domain, then everything."""

    def closeness(pattern: str) -> tuple[int, int]:
        if pattern == EVERYTHING:
            return 2, 0
        return (1, -pattern.count(".")) if pattern.startswith("*.") else (0, 0)

    groups: dict[tuple[tuple[int, int], str], list[str]] = {}
    for pattern, route in routes.items():
        groups.setdefault((closeness(pattern), route), []).append(pattern)
    for (_, route), patterns in sorted(groups.items(), key=lambda item: item[0][0]):
        label = patterns[0] if len(patterns) == 1 else f"{patterns[0]} and {len(patterns) - 1} more"
        _rule(f"to {label}", route, draft, recipient_domains=tuple(patterns))
        draft.note(f"{what}, {label}", f"route rule, by route {route!r}")


def _rule(name: str, route: str, draft: Draft, **conditions: tuple[str, ...]) -> None:
    unused = unused_name(name, [each.name for each in draft.route_rules])
    draft.route_rules.append(said(RouteRule, name=unused, route=route, **conditions))


def _names(parameter: str, parameters: Parameters, tables: Tables) -> list[str]:
    """Domains of a list that may name tables and files."""
    found: list[str] = []
    for word in parameters.words(parameter):
        if word.startswith("/"):
            found += tables.text(parameter, tables.found(word)).split()
        elif ":" in word:
            found += [entry.key for entry in tables.table(parameter, word)]
        else:
            found.append(word)
    return list(dict.fromkeys(name.lower() for name in found if _is_domain(name)))


def _recipients(domain: str, known: Iterable[Entry]) -> tuple[str, ...]:
    """Local parts of a domain that a map names; empty where it names any, or none at all."""
    found = []
    for entry in known:
        local_part, at, of = entry.key.lower().rpartition("@")
        if at and of == domain:
            if not local_part:
                return ("*",)
            found.append(local_part)
    return tuple(found)


def _is_domain(text: str) -> bool:
    try:
        parse_domain(text.lower())
    except AddressError:
        return False
    return "." in text
