"""Checks across keys: what no single declaration can say. Each yields (location, what is wrong and what to write)."""

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address

from staffetta.mail.address import AddressError, parse_domain
from staffetta.settings.addresses import networks
from staffetta.settings.model import NO_ROUTE, Listener, NextHop, Route, Settings, Transport
from staffetta.settings.objects import ConnectorType, InboundConnector

_NAMED = ("listeners", "organizations", "accepted_domains", "inbound_connectors", "trusted_authorities", "routes")

Found = Iterator[tuple[tuple[str | int, ...], str]]


def check(settings: Settings) -> Found:
    """Yield everything that is wrong."""
    yield from _names(settings)
    yield from _own_name(settings)
    yield from _ports(settings)
    for index, listener in enumerate(settings.listeners):
        yield from _listener(("listeners", index), listener)
    for index, connector in enumerate(settings.inbound_connectors):
        yield from _connector(("inbound_connectors", index), connector)
    for index, route in enumerate(settings.routes):
        yield from _route(("routes", index), route)
    yield from _queue(settings)
    yield from _domains(settings)
    yield from _references(settings)
    for section in ("console", "capture"):
        value = getattr(settings, section)
        if value is not None:
            yield from _address((section, "address"), value.address)


def _names(settings: Settings) -> Found:
    for section in (
        "listeners",
        "accepted_domains",
        "inbound_connectors",
        "routes",
        "organizations",
        "trusted_authorities",
    ):
        entries = getattr(settings, section)
        counts = Counter(entry.name.lower() for entry in entries)
        seen: set[str] = set()
        for index, entry in enumerate(entries):
            name = entry.name.lower()
            if not entry.name.strip():
                yield (section, index, "name"), "it is empty; give it a name"
            elif counts[name] > 1 and name in seen:
                yield (section, index, "name"), f"{entry.name!r} is there twice; names must differ"
            seen.add(name)


def _own_name(settings: Settings) -> Found:
    try:
        parse_domain(settings.hostname)
    except AddressError as error:
        yield ("hostname",), f"{settings.hostname!r}: {error}; write a name such as relay.example.org"


def _listener(where: tuple[str | int, ...], listener: Listener) -> Found:
    yield from _address((*where, "address"), listener.address)
    if (listener.certificate is None) != (listener.private_key is None):
        missing = "private_key" if listener.private_key is None else "certificate"
        yield (*where, missing), "it is missing; certificate and private_key go together"
    key = (*where, "proxy_protocol_from")
    for text in listener.proxy_protocol_from:
        if "-" in text or " " in text:
            yield key, f"{text!r}: a proxy is no range; write an address, or a network such as 192.0.2.0/24"
        else:
            yield from _entry(key, text)


def _ports(settings: Settings) -> Found:
    taken: dict[str, str] = {}
    for index, listener in enumerate(settings.listeners):
        is_chosen_by_system = listener.address.endswith(":0")
        if listener.address in taken and not is_chosen_by_system:
            other = taken[listener.address]
            yield (
                ("listeners", index, "address"),
                f"{listener.address} is taken by listener {other!r}; write another port",
            )
        taken[listener.address] = listener.name


def _address(where: tuple[str | int, ...], text: str) -> Found:
    host, colon, port = text.rpartition(":")
    is_right = bool(colon) and port.isascii() and port.isdigit() and int(port) < 65536
    try:
        ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
        is_right = is_right and (":" not in host or host.startswith("["))
    except ValueError:
        is_right = False
    if not is_right:
        yield where, f"{text!r} is not IP:port; write 127.0.0.1:2525 or [::1]:2525"


def _connector(where: tuple[str | int, ...], connector: InboundConnector) -> Found:
    key = (*where, "sender_ip_addresses")
    problems = [problem for text in connector.sender_ip_addresses for problem in _entry(key, text)]
    yield from problems
    if not problems and not connector.allow_any_address and _is_everybody(connector.sender_ip_addresses):
        yield key, "this list is every address, an open door; if it is meant, set allow_any_address = true"
    if connector.enabled and not connector.sender_ip_addresses:
        yield from _without_addresses(where, connector)
    for pattern in connector.sender_domains:
        if pattern == "*":
            continue
        try:
            lower = parse_domain(pattern.removeprefix("*."))
        except AddressError as error:
            yield (*where, "sender_domains"), f"{pattern!r}: {error}; write *, contoso.com or *.contoso.com"
        else:
            if lower != pattern.removeprefix("*."):
                yield (*where, "sender_domains"), f"{pattern!r}: write it as {lower!r}"


def _without_addresses(where: tuple[str | int, ...], connector: InboundConnector) -> Found:
    """Such a connector would do nothing, or refuse everything, without a word."""
    if connector.connector_type is ConnectorType.ON_PREMISES:
        yield (
            (*where, "sender_ip_addresses"),
            ("it is missing, so the connector matches nobody; list addresses, or set enabled = false"),
        )
    elif connector.restrict_domains_to_ip_addresses:
        yield (
            (*where, "restrict_domains_to_ip_addresses"),
            ("there are no sender_ip_addresses to restrict to, so these domains could not send at all; list addresses"),
        )


def _is_everybody(entries: tuple[str, ...]) -> bool:
    """Whether the entries together are every IPv4 or every IPv6 address, also in halves."""
    named = [network for text in entries for network in networks(text)]
    four = collapse_addresses(network for network in named if isinstance(network, IPv4Network))
    six = collapse_addresses(network for network in named if isinstance(network, IPv6Network))
    return any(network.prefixlen == 0 for network in four) or any(network.prefixlen == 0 for network in six)


def _entry(where: tuple[str | int, ...], text: str) -> Found:
    try:
        networks(text)
    except ValueError as error:
        yield where, f"{text!r}: {error}; write an address, a network such as 192.0.2.0/24, or a range a-b"


def _route(where: tuple[str | int, ...], route: Route) -> Found:
    if route.transport is Transport.MAILDIR and route.path is None:
        yield (*where, "path"), "it is missing; a maildir route names the folder of its mailboxes"
    if route.transport is not Transport.MAILDIR and not route.next_hops:
        yield (*where, "next_hops"), 'it is missing; write next_hops = [{ host = "192.0.2.1", port = 25 }]'
    if route.name == NO_ROUTE:
        yield (*where, "name"), f"{NO_ROUTE!r} means that there is no route; write another name"
    for hop in route.next_hops:
        if not 0 < hop.port < 65536:
            yield (*where, "next_hops"), f"{hop.port} is not a port; write 1 to 65535"
        if not _is_host(hop, route.transport):
            yield (*where, "next_hops"), f"{hop.host!r} is not a host; write a name or an IP address without brackets"


def _is_host(hop: NextHop, transport: Transport) -> bool:
    """Whether this can be a host. Names of containers may hold an underscore, which no mail domain does."""
    if transport is Transport.LMTP and hop.host.startswith("/"):
        return True
    try:
        ip_address(hop.host)
    except ValueError:
        try:
            parse_domain(hop.host.removesuffix(".").replace("_", "x"))
        except AddressError:
            return False
    return True


def _queue(settings: Settings) -> Found:
    queue = settings.queue
    if queue.retry_first_seconds > queue.retry_max_seconds:
        yield (
            ("queue", "retry_first_seconds"),
            f"it is above retry_max_seconds, {queue.retry_max_seconds:g}; write less",
        )


def _domains(settings: Settings) -> Found:
    for index, domain in enumerate(settings.accepted_domains):
        try:
            lower = parse_domain(domain.name)
        except AddressError as error:
            yield ("accepted_domains", index, "name"), f"{domain.name!r}: {error}"
        else:
            if lower != domain.name:
                yield ("accepted_domains", index, "name"), f"{domain.name!r}: write it as {lower!r}"


def _references(settings: Settings) -> Found:
    names = {route.name for route in settings.routes}
    known = ", ".join(sorted(names)) or "none is declared"
    for index, domain in enumerate(settings.accepted_domains):
        if domain.route not in names:
            yield ("accepted_domains", index, "route"), f"there is no route {domain.route!r}; known: {known}"
    if settings.default_route is not None and settings.default_route not in names:
        yield ("default_route",), f"there is no route {settings.default_route!r}; known: {known}"
