"""Checks of routes: what their transport needs and cannot use, and what their preset does not go with; see checks.py.

Rule: a key that would do nothing is refused, so that nobody trusts in what is not done.
"""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from staffetta.settings.found import Found, Where, fingerprints, known_hint
from staffetta.settings.model import Settings
from staffetta.settings.objects import OWN_TRUST, PUBLIC_TRUST
from staffetta.settings.outbound import is_host
from staffetta.settings.presets import FAR_SIDES, effective
from staffetta.settings.roads import NO_ROUTE, Mechanism, NextHop, Preset, Route, TlsLevel, Transport

_SMTPS_PORT = 465
_CLEAR_FIRST_PORTS = (25, 587)  # where everybody expects STARTTLS

_TALKERS = (Transport.SMTP, Transport.LMTP, Transport.MX)
_USERS: dict[str, tuple[Transport, ...]] = {
    "next_hops": (Transport.SMTP, Transport.LMTP),
    "implicit_tls": (Transport.SMTP, Transport.LMTP),
    "authentication": (Transport.SMTP,),
    "token_source": (Transport.GRAPH,),
    "graph_endpoint": (Transport.GRAPH,),
    "graph_mailbox": (Transport.GRAPH,),
    "allow_private_addresses": (Transport.MX,),
    "public_addresses_only": (Transport.SMTP,),
    "dane": (Transport.MX,),
    "dane_required": (Transport.MX,),
    "mta_sts": (Transport.MX,),
    "path": (Transport.MAILDIR,),
    **dict.fromkeys(
        (
            *("tls", "tls_minimum", "tls_names", "trusted_authority", "tls_fingerprints", "client_certificate"),
            *("client_key", "client_certificate_password", "source_addresses", "proxy"),
        ),
        _TALKERS,
    ),
}
"""Which transports look at a key; those that are not here, all of them."""


def check_routes(settings: Settings) -> Found:
    """Yield everything that is wrong with routes by themselves. Secrets are secret_checks.py's."""
    authorities = {PUBLIC_TRUST, OWN_TRUST, *(authority.name for authority in settings.trusted_authorities)}
    for index, written in enumerate(settings.routes):
        where = ("routes", index)
        route = effective(written)
        if route.name == NO_ROUTE:
            yield (*where, "name"), f"{NO_ROUTE!r} means that there is no route; write another name"
        yield from _preset(where, written, route)
        yield from _useless(where, written, route)
        yield from _hops(where, written, route)
        yield from _tls(where, route, authorities)
        yield from _dane(where, route)
        yield from _login(where, route)
        yield from _way(where, route)


def _preset(where: Where, written: Route, route: Route) -> Found:
    if written.preset is None:
        return
    far_side, name = FAR_SIDES[written.preset], written.preset.value
    if route.transport is not far_side.transport:
        yield (*where, "transport"), f"the preset {name} is for {far_side.transport.value}; leave transport out"
        return
    if route.transport is Transport.SMTP and route.tls in (TlsLevel.NONE, TlsLevel.OPPORTUNISTIC):
        yield (*where, "tls"), f"{name} takes no mail in clear; write verified, or leave it out"
    if far_side.needs_login and route.authentication is None:
        yield (*where, "authentication"), f"it is missing; {name} wants a login: {_login_example(written.preset)}"
    if far_side.needs_login is False and route.authentication is not None:
        other = Preset.EXCHANGE_SUBMISSION.value
        text = f"{name} knows us by our address or certificate; leave it out, or write preset = {other!r}"
        yield (*where, "authentication"), text
    if written.preset is Preset.EXCHANGE_SUBMISSION and route.implicit_tls:
        yield (*where, "implicit_tls"), f"{name} speaks STARTTLS alone; leave it out"


def _login_example(preset: Preset) -> str:
    if FAR_SIDES[preset].mechanism is Mechanism.XOAUTH2:
        return 'authentication = { user_name = "relay@contoso.com", token_source = "..." }'
    return 'authentication = { user_name = "...", password = "${SES_PASSWORD}" }'


def _useless(where: Where, written: Route, route: Route) -> Found:
    defaults = Route(name="defaults")
    for key, users in _USERS.items():
        if route.transport in users or getattr(written, key) == getattr(defaults, key):
            continue
        if key == "next_hops" and route.transport is Transport.MX:
            why = "the next hops are the mail exchangers of each recipient's domain"
        else:
            why = f"it does nothing while transport is {route.transport.value}"
        yield (*where, key), f"{why}; leave it out"


def _hops(where: Where, written: Route, route: Route) -> Found:
    key = (*where, "next_hops")
    if route.transport is Transport.MAILDIR and route.path is None:
        yield (*where, "path"), "it is missing; a maildir route names the folder of its mailboxes"
    if route.transport in (Transport.SMTP, Transport.LMTP) and not route.next_hops:
        host = FAR_SIDES[written.preset].host_example if written.preset else ""
        example = f'{{ host = "{host}" }}' if host else '{ host = "192.0.2.1", port = 25 }'
        yield key, f"it is missing; write next_hops = [{example}]"
    seen: set[tuple[str, int]] = set()
    for hop in route.next_hops:
        if not 0 < hop.port < 65536:
            yield key, f"{hop.port} is not a port; write 1 to 65535"
        if not (is_host(hop.host) or _is_socket(hop, route.transport)):
            yield key, f"{hop.host!r} is not a host; write a name or an IP address without brackets"
        if (place := (hop.host.lower(), hop.port)) in seen:
            yield key, f"{hop.host}:{hop.port} is there twice; to prefer it, give it more weight"
        seen.add(place)
        if hop.port == _SMTPS_PORT and route.transport is Transport.SMTP and not route.implicit_tls:
            yield (*where, "implicit_tls"), "on port 465 TLS begins with the first octet; write implicit_tls = true"
        if hop.port in _CLEAR_FIRST_PORTS and route.implicit_tls:
            yield (
                (*where, "implicit_tls"),
                f"on port {hop.port} a session begins in clear; write port = 465, or leave implicit_tls out",
            )


def _is_socket(hop: NextHop, transport: Transport) -> bool:
    return transport is Transport.LMTP and hop.host.startswith("/")


def _tls(where: Where, route: Route, authorities: Iterable[str]) -> Found:
    if route.transport not in _TALKERS:
        return
    if route.implicit_tls and route.tls is TlsLevel.NONE:
        yield (*where, "tls"), "implicit_tls is TLS, and tls is none; write required or verified"
    if route.tls is not TlsLevel.VERIFIED:
        for key, is_given in (
            ("tls_names", bool(route.tls_names)),
            ("trusted_authority", route.trusted_authority != PUBLIC_TRUST),
            ("tls_fingerprints", bool(route.tls_fingerprints)),
        ):
            if is_given:
                yield (*where, key), f'it does nothing while tls is {route.tls.value}; write tls = "verified"'
    if (name := route.trusted_authority) not in authorities:
        yield (
            (*where, "trusted_authority"),
            f"there is no trusted authority {name!r}; {known_hint(name, [*authorities])}",
        )
    yield from fingerprints((*where, "tls_fingerprints"), route.tls_fingerprints)
    for key, value in (
        ("client_key", route.client_key),
        ("client_certificate_password", route.client_certificate_password),
    ):
        if value is not None and route.client_certificate is None:
            yield (*where, "client_certificate"), f"it is missing, and {key} is for it; name the certificate's file"
    if route.client_certificate is not None and route.tls is TlsLevel.NONE:
        yield (*where, "client_certificate"), "it is shown in TLS alone, and tls is none; write required or verified"


def _dane(where: Where, route: Route) -> Found:
    if route.dane_required and not route.dane and route.transport is Transport.MX:
        yield (*where, "dane"), "it is false, and dane_required is true; switch one of them"


def _login(where: Where, route: Route) -> Found:
    login = route.authentication
    if login is None or route.transport is not Transport.SMTP:
        return
    key = (*where, "authentication")
    if login.mechanism is Mechanism.XOAUTH2:
        if login.password is not None:
            yield key, "xoauth2 logs in with tokens; leave the password out, or write plain"
    elif login.password is None:
        yield key, 'for plain and login it has a password; write password = "${SMARTHOST_PASSWORD}"'
    elif login.token_source is not None:
        yield key, f'tokens are for xoauth2, and mechanism is {login.mechanism.value}; write mechanism = "xoauth2"'
    if route.tls is TlsLevel.NONE and not all(_is_this_machine(hop.host) for hop in route.next_hops):
        yield (*where, "tls"), "a login never goes out in clear; write verified, or required"


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _way(where: Where, route: Route) -> Found:
    key = (*where, "source_addresses")
    versions: list[int] = []
    for text in route.source_addresses:
        try:
            versions.append(ip_address(text).version)
        except ValueError:
            yield key, f"{text!r} is no IP address; write one of this machine's"
    if len(versions) != len(set(versions)):
        yield key, "there are two of one IP version; write one for IPv4 and one for IPv6"
    if route.proxy is None:
        return
    try:
        url = urlsplit(route.proxy)
        is_right = url.scheme == "socks5" and bool(url.hostname) and url.port != 0
    except ValueError:
        is_right = False
    if not is_right:  # not shown: it may hold a password
        yield (*where, "proxy"), "it is no SOCKS proxy; write socks5://proxy.example.org:1080"
    elif route.source_addresses:
        yield key, "with a proxy it is the proxy's addresses that are seen; leave one of them out"
    elif route.public_addresses_only:
        yield (
            (*where, "public_addresses_only"),
            "with a proxy it is the proxy that looks names up; leave one of them out",
        )
