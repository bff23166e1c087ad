"""IIS SMTP: MetaBase.xml, or its settings as PowerShell exports them, as settings of ours."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from staffetta.importing.doors import accept_senders, close_to_strangers
from staffetta.importing.draft import CannotImport, Draft, Imported, finished, said, unused_name
from staffetta.importing.exported import Row, rows
from staffetta.importing.iis_addresses import relay_addresses
from staffetta.importing.networks import covers_everybody, shown
from staffetta.mail.address import AddressError, parse_domain
from staffetta.settings.model import Listener, ListenerKind
from staffetta.settings.objects import AcceptedDomain, DomainType, InboundConnector
from staffetta.settings.outbound import smart_host
from staffetta.settings.roads import Authentication, NextHop, Route, RouteRule, TlsLevel, Transport

EXPORT = "Get-WmiObject -Namespace root\\MicrosoftIISv2 -Class IIsSmtpServerSetting | Select-Object *"

# Of RouteAction.
_SMARTHOST, _TLS, _LOCAL_ALIAS, _DELIVER, _DEFAULT = 0x2, 0x4, 0x10, 0x20, 0x40
_NTLM, _BASIC, _RELAYS = 0x80, 0x100, 0x1000

# Of AuthFlags.
_AUTH_BASIC, _AUTH_NTLM = 2, 4
_ALWAYS_SMARTHOST, _SMARTHOST_AFTER_DNS = 2, 1
_PASSWORD = "file:/etc/staffetta/secrets/smarthost"
_SERVER, _DOMAIN = "iissmtpserver", "iissmtpdomain"


@dataclass(frozen=True, slots=True)
class _Found:
    """server: the virtual server. domains: its IIsSmtpDomain entries, by name."""

    server: Row
    domains: tuple[tuple[str, Row], ...]


def import_iis(name: str, text: str, hostname: str, own: tuple[str, ...] = ()) -> Imported:
    """Return what the first virtual server's settings are here. own: domains of our senders. Raises CannotImport."""
    found = _metabase(text) if text.lstrip().startswith("<") else _exported(text)
    server = found.server
    draft = Draft(name, (server.text("FullyQualifiedDomainName") or hostname).lower())
    draft.note("FullyQualifiedDomainName", f"hostname {draft.hostname!r}")
    draft.default_route = _default_route(server, draft)
    _domains(found, draft)
    _clients(server, draft)
    _listeners(server, draft)
    _limits(server, draft)
    _left(server, draft)
    default_domain = server.text("DefaultDomain").lower()
    if not any(each.type is DomainType.INTERNAL_RELAY for each in draft.accepted_domains):
        close_to_strangers(draft)
    wanted = own or ((default_domain,) if _is_domain(default_domain) else ())
    accept_senders(wanted, draft)
    return finished(draft)


def _metabase(text: str) -> _Found:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise CannotImport("this XML declares entities, which no MetaBase.xml does")
    try:
        tree = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except ElementTree.ParseError as error:
        raise CannotImport(f"this is no XML: {error}; give MetaBase.xml, or what this prints: {EXPORT}") from None
    servers: list[tuple[str, Row]] = []
    domains: list[tuple[str, str, Row]] = []
    for element in tree.iter():
        kind = element.tag.rpartition("}")[2].lower()
        location = element.get("Location", "").strip()
        if kind == _SERVER:
            servers.append((location, Row(element.attrib)))
        elif kind == _DOMAIN and "/Domain/" in location:
            place, _, domain = location.partition("/Domain/")
            domains.append((place, domain, Row(element.attrib)))
    if not servers:
        raise CannotImport("there is no IIsSmtpServer in it; the file is %windir%\\System32\\inetsrv\\MetaBase.xml")
    location, server = servers[0]
    return _Found(server, tuple((name, row) for place, name, row in domains if place.lower() == location.lower()))


def _exported(text: str) -> _Found:
    found = rows(text, EXPORT)
    servers = [each for each in found if "ServerBindings" in each or "SmartHost" in each or "RelayIpList" in each]
    servers = [each for each in servers if "/domain/" not in each.text("Name").lower()]
    if not servers:
        raise CannotImport(f"these are no settings of IIS SMTP; write them by: {EXPORT} | ConvertTo-Json -Depth 4")
    domains = [(each.text("Name").lower().partition("/domain/")[2], each) for each in found if each not in servers]
    return _Found(servers[0], tuple((name, row) for name, row in domains if name))


def _default_route(server: Row, draft: Draft) -> str:
    host = server.text("SmartHost").strip()
    action = server.number("RouteAction") or 0
    if not host:
        draft.routes.append(_by_mx("internet", action, server))
        draft.note("SmartHost", "none: route 'internet', by MX")
        return "internet"
    if server.number("SmartHostType") == _SMARTHOST_AFTER_DNS:
        why = "IIS tries the recipient's own exchangers first, and the smart host after"
        draft.leave("SmartHostType", why, 'here all goes to the smart host; transport = "mx" is the other way')
    route = _fixed("smarthost", host, action, server, draft)
    if route is None:
        draft.routes.append(_by_mx("internet", action, server))
        return "internet"
    draft.routes.append(route)
    draft.note("SmartHost", f"route {route.name!r} to {host}")
    return route.name


def _by_mx(name: str, action: int, server: Row) -> Route:
    needs_tls = action & _TLS or server.is_on("AlwaysUseSsl")
    return said(Route, name=name, transport=Transport.MX, tls=TlsLevel.REQUIRED if needs_tls else None)


def _fixed(name: str, host: str, action: int, row: Row, draft: Draft) -> Route | None:
    try:
        hops = [smart_host(each) for each in re.split(r"[;,\s]+", host) if each]
    except ValueError as error:
        draft.leave("SmartHost", f"{host!r} is no host: {error}", "write a route with next_hops")
        return None
    port = row.number("RemoteSmtpPort")
    next_hops = tuple(said(NextHop, host=hop.host, port=port if port not in (None, 25) else None) for hop in hops)
    needs_tls = bool(action & _TLS) or row.is_on("AlwaysUseSsl")
    login = None
    if user := row.text("RouteUserName"):
        if action & _NTLM:
            why = "it logs in by Windows (NTLM), which is not spoken here"
            draft.leave("RouteAction", why, "let the smart host take PLAIN or LOGIN, or know us by address")
        else:
            login = Authentication(user_name=user, password=_PASSWORD)
            why = "a password never stands in the settings; they say where it is, and the metabase keeps it encrypted"
            draft.leave("RoutePassword", why, f"write it to {_PASSWORD.removeprefix('file:')}, for the relay alone")
            needs_tls = True
    implicit = True if port == 465 else None
    level = TlsLevel.REQUIRED if needs_tls or implicit else None
    return said(Route, name=name, next_hops=next_hops, tls=level, implicit_tls=implicit, authentication=login)


def _domains(found: _Found, draft: Draft) -> None:
    for written, row in found.domains:
        name = written.lower()
        if not _is_domain(name.removeprefix("*.")):
            draft.leave(f"domain {written}", "it is no name of a domain", "write a rule for the domain that it means")
            continue
        action, target = row.number("RouteAction") or 0, row.text("RouteActionString")
        if action & (_LOCAL_ALIAS | _DELIVER | _DEFAULT) and not target:
            why = "IIS puts its mail into the drop folder; a relay has no mailboxes"
            draft.leave(f"local domain {written}", why, "name it as an accepted domain, with a route of kind maildir")
            continue
        route = draft.default_route or "internet"
        if target:
            made = _fixed(unused_name(target, [each.name for each in draft.routes]), target, action, row, draft)
            if made is None:
                continue
            draft.routes.append(made)
            route = made.name
        elif action & _TLS:
            made = _by_mx(unused_name(f"internet, {name}", [each.name for each in draft.routes]), action, row)
            draft.routes.append(made)
            route = made.name
        if action & _RELAYS:
            domain = said(
                AcceptedDomain,
                name=name.removeprefix("*."),
                type=DomainType.INTERNAL_RELAY,
                include_subdomains=name.startswith("*.") or None,
                route=route,
            )
            draft.accepted_domains.append(domain)
            draft.note(f"domain {written}", f"accepted domain, by route {route!r}, because anybody may send to it")
            continue
        rule = unused_name(f"to {name}", [each.name for each in draft.route_rules])
        draft.route_rules.append(RouteRule(name=rule, route=route, recipient_domains=(name,)))
        draft.note(f"domain {written}", f"route rule, by route {route!r}")


def _clients(server: Row, draft: Draft) -> None:
    value = server.value("RelayIpList")
    octets = _octets(value)
    if octets is None and value not in (None, "", []):
        draft.leave(
            "RelayIpList", "it is no list of octets", "list the addresses in a connector, from the dialog Relay"
        )
    elif octets:
        _relay_list(octets, draft)
    if server.is_on("RelayForAuth"):
        why = "whoever logs in to Windows may relay; accounts and passwords are Windows'"
        draft.leave(
            "RelayForAuth", why, "give each device an account: staffetta account new-password, and [[accounts]]"
        )


def _relay_list(octets: bytes, draft: Draft) -> None:
    try:
        found = relay_addresses(octets)
    except ValueError as error:
        instead = "list the addresses in a connector, from the dialog Relay Restrictions"
        draft.leave("RelayIpList", f"its octets cannot be read: {error}", instead)
        return
    if found.denied or covers_everybody(map(shown, found.granted)):
        why = "all may relay but those on the list, which is an open door; no connector was made"
        draft.leave("RelayIpList", why, "list the addresses of your own clients in a connector")
        return
    addresses = tuple(dict.fromkeys(map(shown, found.granted)))
    addresses = tuple(each for each in addresses if each != "0.0.0.0")
    if not addresses:
        return
    connector = InboundConnector(
        name="Relay list", comment="From RelayIpList of IIS", sender_ip_addresses=tuple(addresses)
    )
    draft.inbound_connectors.append(connector)
    draft.note("RelayIpList", f"inbound connector {connector.name!r}, of {len(addresses)} address entries")


def _octets(value: object) -> bytes | None:
    """Of an array of numbers, or of the hexadecimal digits in MetaBase.xml; None where it is neither."""
    try:
        if isinstance(value, Sequence) and not isinstance(value, str):
            return bytes(int(each) for each in value)
        if isinstance(value, str) and re.search(r"[,;\s]", value.strip()):
            return bytes(int(each) for each in re.split(r"[,;\s]+", value.strip()) if each)
        return bytes.fromhex(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _listeners(server: Row, draft: Draft) -> None:
    for address, port in _bindings(server):
        name = unused_name(f"port {port}" if port != 25 else "smtp", [each.name for each in draft.listeners])
        kind = ListenerKind.SUBMISSION if port == 587 else None
        draft.listeners.append(said(Listener, name=name, address=f"{address}:{port}", kind=kind))
        draft.note("ServerBindings", f"listener {name!r} at {address}:{port}")
    if (server.number("AccessSSLFlags") or 0) or server.is_on("AccessSSL"):
        why = "TLS is required of every client, and its certificate is in Windows' store"
        draft.leave("AccessSSL", why, "require_tls in the connector; certificate and private_key of the listener")


def _bindings(server: Row) -> Iterator[tuple[str, int]]:
    """Of `:25:` and `192.0.2.1:25:`."""
    for text in server.list("ServerBindings") or [":25:"]:
        match = re.fullmatch(r"([\d.]*):(\d+):.*", text)
        if match is not None:
            yield match[1] or "0.0.0.0", int(match[2])


def _limits(server: Row, draft: Draft) -> None:
    for name, key in (("MaxMessageSize", "message_octets_max"), ("MaxRecipients", "recipients_max")):
        if number := server.number(name):
            draft.limits[key] = number
            draft.note(name, f"limits.{key} = {number}")


def _left(server: Row, draft: Draft) -> None:
    if (server.number("AuthFlags") or 0) & (_AUTH_BASIC | _AUTH_NTLM) or server.is_on("AuthBasic"):
        why = "clients log in with Windows accounts"
        draft.leave("AuthFlags", why, "a submission listener on 587, and an account for each device")
    for name, why, instead in (
        ("IPSecurity", "it says who may connect at all", "bound the port in the firewall"),
        (
            "MasqueradeDomain",
            "the relay rewrites a connector's sender, and no domain",
            "rewritten_sender of a connector",
        ),
        ("SendNdrTo", "no copies of notifications are sent", "the postmaster of the sender's domain gets nothing more"),
        ("SendBadTo", "no copies of dead mail are sent", "staffetta queue list shows what cannot be delivered"),
        ("FullyQualifiedDomainNameList", "there is one name", "hostname"),
    ):
        if server.text(name):
            draft.leave(name, why, instead)
    if folder := server.text("PickupDirectory"):
        instead = "drop = FOLDER takes what our sendmail leaves; programs that write .eml files call sendmail -t"
        draft.leave("PickupDirectory", f"programs may write mail to {folder}", instead)


def _is_domain(text: str) -> bool:
    try:
        parse_domain(text)
    except AddressError:
        return False
    return "." in text
