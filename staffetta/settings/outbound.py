"""Roads by name: the routes of the file as their presets complete them, and those that outbound connectors stand for.

Whoever carries or queues asks find_route() and knows nothing of connectors or presets.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from staffetta.mail.address import AddressError, parse_domain
from staffetta.settings.model import Settings
from staffetta.settings.objects import DEFAULT_ORGANIZATION, MtaStsMode, OutboundConnector, OutboundTls, SmtpDaneMode
from staffetta.settings.presets import effective
from staffetta.settings.remembered import Remembered
from staffetta.settings.roads import ANY_NAME, NextHop, Route, TlsLevel, Transport

_KEPT = 4  # snapshots, as policy/index.py keeps them

_TLS_LEVELS = {
    None: TlsLevel.OPPORTUNISTIC,
    OutboundTls.ENCRYPTION_ONLY: TlsLevel.REQUIRED,
    OutboundTls.CERTIFICATE_VALIDATION: TlsLevel.VERIFIED,
    OutboundTls.DOMAIN_VALIDATION: TlsLevel.VERIFIED,
}

_roads: Remembered[int, tuple[Settings, Mapping[str, Route]]] = Remembered(_KEPT)


def find_route(settings: Settings, name: str) -> Route | None:
    """Return the road of that name as it is travelled; None: there is none. Costs two look-ups."""
    return all_routes(settings).get(name)


def all_routes(settings: Settings) -> Mapping[str, Route]:
    """Return every road by name: routes, then outbound connectors. A connector with a route is that route."""
    kept = _roads.get(id(settings))
    if kept is None or kept[0] is not settings:
        kept = (settings, dict(_all(settings)))
        _roads.keep(id(settings), kept)
    return kept[1]


def _all(settings: Settings) -> Iterator[tuple[str, Route]]:
    routes = {route.name: effective(route) for route in settings.routes}
    for connector in settings.outbound_connectors:
        if connector.route is None:
            allows_private = may_lead_inside(connector.organization, settings)
            yield connector.name, route_of(connector, public_addresses_only=not allows_private)
        elif connector.route in routes:
            yield connector.name, routes[connector.route]
    yield from routes.items()


def may_lead_inside(organization: str, settings: Settings) -> bool:
    """Whether connectors of an organisation may lead to addresses that are not public (decision 081)."""
    return organization == DEFAULT_ORGANIZATION or any(
        each.name == organization and each.allow_private_next_hops for each in settings.organizations
    )


def route_of(connector: OutboundConnector, *, public_addresses_only: bool = False) -> Route:
    """Return the road that a connector without a route of its own stands for, under the connector's name."""
    level = _TLS_LEVELS[connector.tls_settings]
    names = {
        OutboundTls.DOMAIN_VALIDATION: (connector.tls_domain,) if connector.tls_domain else (),
        OutboundTls.CERTIFICATE_VALIDATION: (ANY_NAME,),
    }
    tls_names = names.get(connector.tls_settings, ()) if connector.tls_settings else ()
    if connector.use_mx_record:
        return Route(
            name=connector.name,
            transport=Transport.MX,
            tls=level,
            tls_names=tls_names,
            dane=connector.smtp_dane_mode is not SmtpDaneMode.NONE,
            dane_required=connector.smtp_dane_mode is SmtpDaneMode.MANDATORY,
            mta_sts=connector.mta_sts_mode is not MtaStsMode.NONE,
            internal_fields=connector.cloud_services_mail_enabled,
        )
    hops = tuple(smart_host(text) for text in connector.smart_hosts)
    return Route(
        name=connector.name,
        next_hops=hops,
        tls=level,
        tls_names=tls_names,
        public_addresses_only=public_addresses_only,
        internal_fields=connector.cloud_services_mail_enabled,
    )


def smart_host(text: str) -> NextHop:
    """Return the next hop of `name`, `192.0.2.1`, `[192.0.2.1]`, `2001:db8::1`, each with `:port` or without.

    With a port, an IPv6 address stands in brackets. Raises ValueError, with what to write instead.
    """
    host, port = text.strip(), ""
    if host.startswith("["):
        host, bracket, port = host[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise ValueError("write [192.0.2.1] or [2001:db8::1]:2525")
        port = port[1:] if port else ""
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
        port = port or "none"
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise ValueError("the port is 1 to 65535; write mail.contoso.com:2525")
    if not is_host(host):
        raise ValueError("write a name or an IP address, with :port where it is not 25")
    return NextHop(host=host, port=int(port)) if port else NextHop(host=host)


def hop_label(hop: NextHop) -> str:
    """Return a hop as it is told: `mail.contoso.com:25`, or the path of a socket."""
    if hop.host.startswith("/"):
        return hop.host
    return f"[{hop.host}]:{hop.port}" if ":" in hop.host else f"{hop.host}:{hop.port}"


def is_host(text: str) -> bool:
    """Whether this can be a host. Names of containers may hold an underscore, which no mail domain does."""
    try:
        ip_address(text)
    except ValueError:
        try:
            parse_domain(text.removesuffix(".").replace("_", "x"))
        except AddressError:
            return False
    return True
